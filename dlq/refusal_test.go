package dlq_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
)

// refuses has the brokers refuse each batch for a topic with a record in it that says so.
func (b *bundle) refuses(topic string, err *kerr.Error) *kfake.FaultHandle {
	return b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: err, Count: -1, When: func(req kmsg.Request) bool {
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			for _, p := range topic.Partitions {
				if bytes.Contains(p.Records, []byte("poison")) {
					return true
				}
			}
		}
		return false
	}})
}

// plain is a client whose batches can be read in requests.
func (b *bundle) plain() *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.ProducerBatchCompression(kgo.NoCompression()))
	must(b.t, err)
	b.t.Cleanup(client.Close)
	return client
}

// poisoned writes n dead letters, of which these are what the brokers will not take.
func (b *bundle) poisoned(n int, which ...int) {
	b.t.Helper()
	for i := range n {
		r := letter(death(0, int64(i)))
		if slices.Contains(which, i) {
			r.Value = []byte("poison")
		}
		b.produce(r)
	}
}

// What brokers have against single records leaves these out, with why and an id, and the others of their batch are replayed, each once.
func TestRecordsThatTheBrokersRefuse(t *testing.T) {
	t.Parallel()
	for err, want := range map[*kerr.Error]string{
		kerr.InvalidRecord:    "the brokers refuse the record as invalid (INVALID_RECORD)",
		kerr.InvalidTimestamp: "the brokers refuse the time of the record (INVALID_TIMESTAMP)",
		kerr.PolicyViolation:  "a policy of the brokers refuses the record (POLICY_VIOLATION)",
	} {
		for where, cluster := range map[string]string{"here": "", "on another cluster": "west"} {
			t.Run(fmt.Sprint(want, where), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				there := b
				var options []dlq.Option
				to := dlq.ToTopic("picky")
				if cluster != "" {
					there, _ = west(t)
					options = append(options, dlq.Cluster(cluster, there.plain().Opts()...))
					to = to.On(cluster)
				}
				must(t, there.cluster.CreateTopic("picky", 1, nil))
				there.refuses("picky", err)
				b.poisoned(40, 3, 4, 31)
				q, openErr := dlq.Open(b.plain(), dead, append(options, dlq.ForGroup(group), dlq.SmallBatches(20))...)
				must(t, openErr)
				s := b.replay(q, dlq.Replay{To: to})
				equal(t, "replayed", s.Done, 37)
				if len(s.LeftOut) != 1 || s.LeftOut[0].Count != 3 || !strings.HasPrefix(s.LeftOut[0].Why, want) {
					t.Errorf("left out: %+v, want 3 for %q", s.LeftOut, want)
				}
				equal(t, "in the topic", len(there.ids("picky")), 37)
				open := b.entries(b.open(), dlq.Filter{})
				equal(t, "still open", len(open), 3)
				equal(t, "the example", s.LeftOut[0].ID, open[0].ID())
			})
		}
	}
}

// Where brokers refuse all that goes to a topic they are not asked for each record again and again.
func TestRecordsThatTheBrokersRefuseAll(t *testing.T) {
	t.Parallel()
	const entries = 64
	b := setup(t)
	must(t, b.cluster.CreateTopic("picky", 1, nil))
	refused := b.refuses("picky", kerr.InvalidRecord)
	all := make([]int, entries)
	for i := range all {
		all[i] = i
	}
	b.poisoned(entries, all...)
	q, err := dlq.Open(b.plain(), dead, dlq.ForGroup(group))
	must(t, err)
	s := b.replay(q, dlq.Replay{To: dlq.ToTopic("picky")})
	equal(t, "replayed", s.Done, 0)
	equal(t, "left out", s.LeftOut[0].Count, entries)
	if asked := refused.Hits(); asked > entries+10 {
		t.Errorf("the brokers were asked %d times for %d records", asked, entries)
	}
}

// A topic that brokers take nothing for leaves out what goes there, and nothing else.
func TestTopicThatTheBrokersRefuse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(t, b.cluster.CreateTopic("closed", 1, nil))
	b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "closed", Err: kerr.InvalidTopicException, Count: -1})
	for i := range 20 {
		state := death(0, int64(i))
		if i%2 > 0 {
			state.Topic = "closed"
		}
		b.produce(letter(state))
	}
	s := b.replay(b.open(), dlq.Replay{To: dlq.Source})
	equal(t, "replayed", s.Done, 10)
	equal(t, "left out", len(s.LeftOut), 1)
	equal(t, "of them", s.LeftOut[0].Count, 10)
	equal(t, "in the source", len(b.ids(origin)), 10)
}

// An import names the dead letter that the brokers refuse.
func TestImportOfWhatTheBrokersRefuse(t *testing.T) {
	t.Parallel()
	b, other := setup(t), setup(t)
	b.poisoned(20, 13)
	other.refuses(dead, kerr.InvalidTimestamp)
	refused := b.entries(b.open(), dlq.Filter{})[13].ID()
	q, err := dlq.Open(other.plain(), dead, dlq.ForGroup(group))
	must(t, err)
	n, err := q.Import(other.ctx(), b.letterLines(b.open()))
	if !errors.Is(err, kerr.InvalidTimestamp) || !strings.Contains(err.Error(), "write to "+dead+", partition 0: dead letter "+refused+": ") {
		t.Errorf("imported %d: %v, want that %s is refused", n, err, refused)
	}
	equal(t, "there", len(other.records(dead)), int(n))
}
