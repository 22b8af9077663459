package scenarios

import (
	"bytes"
	"context"
	"regexp"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// The raw copy carries what the pipeline's carries: the same headers in the same order, with the same values where they tell neither a
// time nor the group, and as long ones where they do.
func TestRawCopiesCarryTheSameHeaders(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	ctx := t.Context()
	cluster, err := harness.Connect(ctx, "embedded", fake.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	const records = 100
	task := contract.Task{Brokers: fake.ListenAddrs(), Topic: "source", Group: "ours", Records: records, Parts: 1}
	raw := task
	raw.Group = "them" // a name as long as the other
	for _, err := range []error{
		cluster.Create(ctx, task.Topic, task.Parts), cluster.Create(ctx, raw.Copies(), raw.Parts),
		cluster.Fill(ctx, task.Topic, task.Parts, records, 100, func(int) int { return contract.Always }),
		routeAll(consumer.AtLeastOnce)(ctx, task, new(contract.Meter)), copyAll(ctx, raw, new(contract.Meter)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := read(t, task, "ours.source.retry-60s", records), read(t, raw, raw.Copies(), records)
	for id, want := range ours {
		got := theirs[id]
		if got == nil || len(got.Headers) != len(want.Headers) {
			t.Fatalf("%s: got %v, want the headers of %v", id, got, want.Headers)
		}
		for i, h := range want.Headers {
			g := got.Headers[i]
			took := regexp.MustCompile(`"ms":\d+`) // of the call, where the raw loop has none
			mine, its := took.ReplaceAll(h.Value, nil), took.ReplaceAll(g.Value, nil)
			if g.Key != h.Key || len(mine) != len(its) || !varies(h.Key) && !bytes.Equal(mine, its) {
				t.Errorf("%s: got %s=%s, want %s=%s", id, g.Key, g.Value, h.Key, h.Value)
			}
		}
	}
}

func varies(key string) bool {
	switch key {
	case retrytopics.HeaderGroup, retrytopics.HeaderDue, retrytopics.HeaderHopDue, retrytopics.HeaderFirstFailed, retrytopics.HeaderHistory:
		return true
	}
	return false
}

// read returns the first records of a topic by the id that their headers tell.
func read(t *testing.T, task contract.Task, topic string, n int) map[string]*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(task.Brokers...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	all := make(map[string]*kgo.Record, n)
	for len(all) < n {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err0(); err != nil && context.Cause(t.Context()) != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { all[string(r.Headers[0].Value)] = r })
	}
	return all
}
