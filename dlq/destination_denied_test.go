package dlq_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// guarded is a cluster on which the user clerk may do this, and boss all.
func guarded(t *testing.T, may ...kfake.ACL) *bundle {
	t.Helper()
	b := setup(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "boss", "boss"), kfake.User("PLAIN", "clerk", "clerk", may...))
	b.client = b.as("boss")
	return b
}

// as connects as a user.
func (b *bundle) as(user string) *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.SASL(plain.Auth{User: user, Pass: user}.AsMechanism()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(client.Close)
	return client
}

// Headers of another program may name topics that this user has no part in, and what is no topic at all: those entries are left out, with what to grant, and
// the others replayed.
func TestDestinationsThatAreDenied(t *testing.T) {
	t.Parallel()
	topic := func(name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	b := guarded(t,
		topic(springDLT, kmsg.ACLOperationAll), topic(dlq.LedgerTopic(springDLT), kmsg.ACLOperationAll), topic(origin, kmsg.ACLOperationWrite), topic("audit", kmsg.ACLOperationRead), topic(tier1, kmsg.ACLOperationDescribe),
		kfake.ACL{Resource: kmsg.ACLResourceTypeTransactionalId, Name: "*", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true},
	)
	for name, configs := range map[string]map[string]string{springDLT: nil, dlq.LedgerTopic(springDLT): {"cleanup.policy": "compact"}, "audit": nil, "payroll": nil} {
		must(t, b.cluster.CreateTopic(name, 1, configs))
	}
	for i, from := range []string{origin, "payroll", "no-such-topic", "audit", "foo bar", "..", origin} {
		letter := foreignLetter(retrytopics.Spring, 0, int64(i), "refused")
		letter.Headers[1].Value = []byte(from)
		b.produce(letter)
	}
	q, err := dlq.Open(b.as("clerk"), springDLT, dlq.ForGroup(group), dlq.AnyGroup(), dlq.FirstTier(func(string) string { return tier1 }))
	must(t, err)
	left := func(s dlq.Summary) (why []string) {
		for _, l := range s.LeftOut {
			why = append(why, fmt.Sprintf("%d: %s", l.Count, l.Why))
		}
		return why
	}
	s := b.replay(q, dlq.Replay{To: dlq.Source})
	equal(t, "replayed", s.Done, int64(2))
	equal(t, "left out", strings.Join(left(s), "\n"), strings.Join([]string{
		"1: topic payroll may not be looked up by this user: grant Describe and Write on it, if there is such a topic, or replay with --to topic:NAME",
		"1: topic no-such-topic may not be looked up by this user: grant Describe and Write on it, if there is such a topic, or replay with --to topic:NAME",
		"1: topic audit may not be written to by this user: grant Write on it, or replay with --to topic:NAME",
		`1: the headers say that the record came from "foo bar", which is no name of a topic: replay it with --to topic:NAME`,
		`1: the headers say that the record came from "..", which is no name of a topic: replay it with --to topic:NAME`,
	}, "\n"))
	s = b.replay(q, dlq.Replay{To: dlq.ToTopic("payroll"), Filter: dlq.Filter{Limit: 2}})
	equal(t, "to a topic", strings.Join(left(s), "\n"), "5: topic payroll may not be looked up by this user: grant Describe and Write on it, if there is such a topic")
	s = b.replay(q, dlq.Replay{})
	equal(t, "to the retry topic", strings.Join(left(s), "\n"), "5: topic "+tier1+" may not be written to by this user: grant Write on it, or replay with --to topic:NAME")
}

// Where outcomes are waited for, an entry is left out, too, of which this user could not see the outcome.
func TestOutcomesThatAreDenied(t *testing.T) {
	t.Parallel()
	may := func(of kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: of, Name: name, Pattern: pattern, Operation: operation, Allow: true}
	}
	const topic, literal, prefixed, read, all = kmsg.ACLResourceTypeTopic, kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLResourcePatternTypePrefixed, kmsg.ACLOperationRead, kmsg.ACLOperationAll
	b := guarded(t,
		may(topic, springDLT, prefixed, all), may(topic, origin, literal, all), may(topic, group+".", prefixed, read), may(topic, "secret.", prefixed, read), may(topic, "blind.orders.retry-1s", literal, kmsg.ACLOperationDescribe), may(topic, "blind.orders.dlq", literal, read),
		may(kmsg.ACLResourceTypeGroup, group, literal, kmsg.ACLOperationDescribe), may(kmsg.ACLResourceTypeGroup, "other", literal, kmsg.ACLOperationDescribe), may(kmsg.ACLResourceTypeGroup, "blind", literal, kmsg.ACLOperationDescribe),
	)
	for _, name := range []string{springDLT, "blind.orders.retry-1s"} {
		must(t, b.cluster.CreateTopic(name, 1, nil))
	}
	var done kadm.Offsets
	done.AddOffset(origin, 0, 0, -1)
	for i, of := range []string{group, "secret", "other", "blind"} {
		must(t, kadm.NewClient(b.client).CommitAllOffsets(b.ctx(), of, done))
		letter := withoutTopics(foreignLetter(retrytopics.Spring, 0, int64(i), "refused"))
		letter.Headers[4].Value = []byte(of)
		b.produce(letter)
	}
	q, err := dlq.Open(b.as("clerk"), springDLT, dlq.ForGroup(group), dlq.AnyGroup())
	must(t, err)
	s := b.replay(q, dlq.Replay{To: dlq.Source, Wait: true, DryRun: true})
	var why []string
	for _, l := range s.LeftOut {
		why = append(why, strings.TrimSuffix(l.Why, ": replay it without --canary, --concurrency, --stop-at and --wait"))
	}
	equal(t, "would be replayed", s.Done, int64(1))
	equal(t, "left out", strings.Join(why, "\n"), strings.Join([]string{
		"its outcome could not be known: what group secret has committed may not be looked up by this user, who needs Describe on the group",
		"its outcome could not be known: topic other.orders.dlq, where its group may write it, may not be read by this user, who needs Read on it",
		"its outcome could not be known: topic blind.orders.retry-1s, where its group may write it, may not be read by this user, who needs Read on it",
	}, "\n"))
}
