package dlq

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// refusal is an answer of the brokers that is about what a record is, and not about who writes it or whether they can take it now: to try it again
// changes nothing, and what was written beside it may go through without it.
type refusal struct {
	code *kerr.Error
	why  string // an entry is left out
	// whole: it is about the topic, so that it holds for all records of a batch. Else brokers refuse a batch for one of them.
	whole bool
}

var (
	tooLarge = &refusal{code: kerr.MessageTooLarge, why: "the brokers refuse the record as too large: raise max.message.bytes of the topic it goes to"}
	refusals = []*refusal{
		tooLarge,
		{code: kerr.InvalidRecord, why: "the brokers refuse the record as invalid (INVALID_RECORD): see what the topic it goes to asks of records, such as a key (cleanup.policy) or a schema"},
		{code: kerr.InvalidTimestamp, why: "the brokers refuse the time of the record (INVALID_TIMESTAMP): see message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic it goes to, and this machine's clock"},
		{code: kerr.PolicyViolation, why: "a policy of the brokers refuses the record (POLICY_VIOLATION)"},
		{code: kerr.InvalidTopicException, why: "the brokers take no records for the topic it goes to (INVALID_TOPIC_EXCEPTION)", whole: true},
	}
)

// refusalOf is what an error of the brokers says of a record; nil where it says something else.
func refusalOf(err error) *refusal {
	for _, one := range refusals {
		if errors.Is(err, one.code) {
			return one
		}
	}
	return nil
}

// refusing says whether an entry is left out for what brokers have against it.
func refusing(why string) bool {
	for _, one := range refusals {
		if one.why == why {
			return true
		}
	}
	return false
}
