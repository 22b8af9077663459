package dlq_test

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
)

const whyLarge = "the brokers refuse the record as too large: raise max.message.bytes of the topic it goes to"

// random is text of n letters, of which compression takes a quarter at most.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return []byte(base64.RawStdEncoding.EncodeToString(b)[:n])
}

// grows writes ten dead letters: of the first four, edited by [grown], each is too large for [small].
func (b *bundle) grows() {
	b.t.Helper()
	for i := range 10 {
		r := letter(death(0, int64(i)))
		if r.Value = []byte("small"); i < 4 {
			r.Value = []byte("large")
		}
		b.produce(r)
	}
}

// grown is an edit that makes payloads larger.
func grown(r *kgo.Record) error {
	if bytes.Equal(r.Value, []byte("large")) {
		r.Value = random(9000, 1)
	} else {
		r.Value = bytes.Repeat([]byte("much the same "), 1000) // which compression makes small
	}
	return nil
}

// small is a topic of a cluster that takes 5,000 bytes.
func (b *bundle) small(name string) string {
	b.t.Helper()
	must(b.t, b.cluster.CreateTopic(name, 1, map[string]string{"max.message.bytes": "5000"}))
	return name
}

// A dry run leaves out what is too large for where it goes, as the replay does then, and neither counts it for the limit. What compression makes small enough is
// replayed.
func TestDryRunKnowsWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"retry topic", "topic", "other cluster"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.grows()
			q, there, to := b.open(dlq.FirstTier(func(string) string { return "small" })), b, dlq.OwnTier
			switch where {
			case "topic":
				to = dlq.ToTopic("small")
			case "other cluster":
				other, toWest := west(t)
				q, there, to = b.open(toWest), other, dlq.ToTopic("small").On("west")
			}
			there.small("small")
			for _, limit := range []int{2, 0} {
				r := dlq.Replay{To: to, Edit: grown, DryRun: true, Filter: dlq.Filter{Limit: limit}}
				var would, done []string
				r.Entry = func(e dlq.Entry, _ string) { would = append(would, e.ID()) }
				dry := b.replay(q, r)
				r.Entry = func(e dlq.Entry, _ string) { done = append(done, e.ID()) }
				r.DryRun = false
				s := b.replay(q, r)
				want := int64(limit)
				if limit == 0 {
					want = 4 // that are left
				}
				equal(t, "would be replayed", dry.Done, want)
				equal(t, "replayed", s.Done, want)
				equal(t, "each", done, would)
				equal(t, "would be left out", dry.LeftOut, s.LeftOut)
				equal(t, "left out", s.LeftOut, []dlq.LeftOut{{Why: whyLarge, Count: 4, ID: b.entries(q, dlq.Filter{})[0].ID()}})
				equal(t, "topics whose limit is not known", len(dry.LimitUnknown), 0)
			}
			equal(t, "in the topic", len(there.ids("small")), 6)
			equal(t, "still open", len(b.entries(q, dlq.Filter{})), 4)
		})
	}
}

// What a replay adds to a record, such as its name, counts on a dry run too: it is right to the byte where nothing is compressed.
func TestDryRunIsRightToTheByte(t *testing.T) {
	t.Parallel()
	b := setup(t)
	small := b.small("small")
	for i := range 100 { // with all that is added they straddle the limit
		r := letter(death(0, 1000+int64(i)))
		r.Value = random(4400+5*i, 1)
		b.produce(r)
	}
	q, err := dlq.Open(b.plain(), dead, dlq.ForGroup(group), dlq.FirstTier(func(string) string { return small }))
	must(t, err)
	dry := b.replay(q, dlq.Replay{DryRun: true})
	s := b.replay(q, dlq.Replay{})
	equal(t, "would be replayed", dry.Done, s.Done)
	equal(t, "would be left out", dry.LeftOut, s.LeftOut)
	equal(t, "left out and replayed", s.LeftOut[0].Count+s.Done, 100)
	largest := 0
	for _, r := range b.records(small) {
		largest = max(largest, len(r.Value))
	}
	equal(t, "the largest one that is replayed", largest, 4400+5*(int(s.Done)-1))
}

// alter gives a topic another limit.
func (b *bundle) alter(topic, limit string) {
	b.t.Helper()
	_, err := b.admin.AlterTopicConfigs(b.ctx(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, topic)
	must(b.t, err)
}

// What was too large is replayed when the limit of the topic was raised.
func TestReplayWhenTheLimitIsRaised(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.grows()
	small := b.small("small")
	q := b.open()
	r := dlq.Replay{To: dlq.ToTopic(small), Edit: grown}
	equal(t, "replayed", b.replay(q, r).Done, 6)
	b.alter(small, "20000")
	s := b.replay(q, r)
	equal(t, "replayed when it is raised", s.Done, 4)
	equal(t, "left out", len(s.LeftOut), 0)
}

// Where a dry run may not read how large a record a topic takes it says so, once for each topic; the replay leaves out what brokers refuse.
func TestDryRunWithoutTheLimit(t *testing.T) {
	t.Parallel()
	topic := func(name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	b := guarded(t,
		topic(dead, kmsg.ACLOperationAll), topic(ledger, kmsg.ACLOperationAll), topic("small", kmsg.ACLOperationWrite), topic("small", kmsg.ACLOperationDescribe),
		kfake.ACL{Resource: kmsg.ACLResourceTypeTransactionalId, Name: "*", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true},
	)
	must(t, b.cluster.CreateTopic(ledger, 3, map[string]string{"cleanup.policy": "compact"}))
	b.small("small")
	b.grows()
	q, err := dlq.Open(b.as("clerk"), dead, dlq.ForGroup(group))
	must(t, err)
	r := dlq.Replay{To: dlq.ToTopic("small"), Edit: grown, DryRun: true}
	dry := b.replay(q, r)
	equal(t, "would be replayed", dry.Done, 10)
	equal(t, "topics whose limit is not known", dry.LimitUnknown, []string{"small"})
	r.DryRun = false
	s := b.replay(q, r)
	equal(t, "replayed", s.Done, 6)
	equal(t, "left out", s.LeftOut[0].Why, whyLarge)
	equal(t, "of them", s.LeftOut[0].Count, 4)
}

// What brokers refuse and what is known to be too large are counted together, and one time each, however many transactions there are.
func TestRefusalsAreCountedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	small := b.small("small")
	for i := range 40 {
		r := letter(death(0, int64(i)))
		if i%4 == 0 {
			r.Value = random(9000, byte(i))
		}
		b.produce(r)
	}
	q := b.open(dlq.SmallBatches(5))
	seen := 0
	s := b.replay(q, dlq.Replay{To: dlq.ToTopic(small), Edit: func(r *kgo.Record) error {
		if seen++; seen == 20 { // what was known of the topic is so no longer
			b.alter(small, "100")
		}
		return nil
	}})
	open := b.entries(b.open(), dlq.Filter{})
	equal(t, "done and open", int(s.Done)+len(open), 40)
	equal(t, "reasons", len(s.LeftOut), 1)
	equal(t, "left out", int(s.LeftOut[0].Count), len(open))
	if !slices.ContainsFunc(open, func(e dlq.Entry) bool { return len(e.Record.Value) < 1000 }) {
		t.Error("the brokers refused nothing")
	}
}
