package classify

import "github.com/twmb/franz-go/pkg/kerr"

// kafkaCodes gives a class to Kafka's error codes, where that is not what
// byKafkaCode falls back on. A code that Kafka does not call retriable is
// retriable here when it says only that the client or the coordinator has to
// begin anew: a later attempt of the handler does that.
var kafkaCodes = classOf(map[Class][]*kerr.Error{
	RateLimited: {
		kerr.ThrottlingQuotaExceeded,
	},
	Network: {
		kerr.NetworkException,
		kerr.BrokerNotAvailable,
	},
	System: {
		kerr.KafkaStorageError,
		kerr.LogDirNotFound,
		kerr.GroupMaxSizeReached,
		kerr.ShareSessionLimitReached,
	},
	Authentication: {
		kerr.TopicAuthorizationFailed,
		kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed,
		kerr.TransactionalIDAuthorizationFailed,
		kerr.DelegationTokenAuthorizationFailed,
		kerr.DelegationTokenAuthDisabled,
		kerr.DelegationTokenExpired,
		kerr.DelegationTokenNotFound,
		kerr.DelegationTokenOwnerMismatch,
		kerr.DelegationTokenRequestNotAllowed,
		kerr.SaslAuthenticationFailed,
		kerr.UnsupportedSaslMechanism,
		kerr.IllegalSaslState,
		kerr.UnacceptableCredential,
	},
	Validation: {
		kerr.MessageTooLarge,
		kerr.RecordListTooLarge,
		kerr.OffsetMetadataTooLarge,
		kerr.InvalidRecord,
		kerr.InvalidTimestamp,
		kerr.InvalidRequest,
		kerr.InvalidTopicException,
		kerr.InvalidPartitions,
		kerr.InvalidConfig,
		kerr.InvalidReplicationFactor,
		kerr.InvalidRegularExpression,
	},
	Transient: {
		kerr.UnknownServerError,
		kerr.OffsetOutOfRange,
		kerr.StaleControllerEpoch,
		kerr.IllegalGeneration,
		kerr.UnknownMemberID,
		kerr.RebalanceInProgress,
		kerr.MemberIDRequired,
		kerr.FencedInstanceID,
		kerr.FencedMemberEpoch,
		kerr.StaleMemberEpoch,
		kerr.StaleBrokerEpoch,
		kerr.UnreleasedInstanceID,
		kerr.ConcurrentTransactions,
		kerr.TransactionAbortable,
		kerr.TransactionCoordinatorFenced,
		kerr.InvalidTxnState,
		kerr.InvalidProducerEpoch,
		kerr.InvalidProducerIDMapping,
		kerr.ProducerFenced,
		kerr.UnknownProducerID,
		kerr.OutOfOrderSequenceNumber,
		kerr.DuplicateSequenceNumber,
		kerr.OperationNotAttempted,
		kerr.ReassignmentInProgress,
		kerr.NewLeaderElected,
		kerr.IneligibleReplica,
		kerr.RebootstrapRequired,
		kerr.InvalidRecordState,
		kerr.ShareSessionNotFound,
		kerr.InvalidShareSessionEpoch,
		kerr.FencedStateEpoch,
		kerr.StreamsTopologyFenced,
	},
})

func classOf(groups map[Class][]*kerr.Error) map[int16]Class {
	codes := make(map[int16]Class)
	for class, group := range groups {
		for _, err := range group {
			codes[err.Code] = class
		}
	}
	return codes
}

// byKafkaCode: what is not in kafkaCodes is transient when Kafka calls it
// retriable, permanent otherwise.
func byKafkaCode(err error) (Class, string, bool) {
	e, ok := err.(*kerr.Error)
	if !ok {
		return None, "", false
	}
	class, ok := kafkaCodes[e.Code]
	if !ok {
		class = Permanent
		if e.Retriable {
			class = Transient
		}
	}
	return class, "kafka " + e.Message, true
}
