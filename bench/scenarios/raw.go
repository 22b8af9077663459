package scenarios

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/bench/contract"
)

// rawOptions are those of a plain client that fetches as the pipeline does.
func rawOptions(t contract.Task, more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(t.Brokers...), kgo.ConsumerGroup(t.Group), kgo.ConsumeTopics(t.Topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.FetchMaxPartitionBytes(1 << 20), kgo.FetchMaxBytes(24 << 20), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	}, more...)
}

// rawLoop polls all that the client has, so that this fetches on meanwhile, hands over what came, and commits each second and at the end, within the time that counts, until all of the task is handled. settle, if
// there is one, ends what handle began, before a commit and where records begin to count.
func rawLoop(ctx context.Context, t contract.Task, m *contract.Meter, cl *kgo.Client, handle func(kgo.Fetches) error, settle func() error) error {
	if settle == nil {
		settle = func() error { return nil }
	}
	n := 0
	next := time.Now().Add(time.Second)
	for n < t.Records && !m.Over(t.Limit) {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		m.Begin()
		if err := handle(fetches); err != nil {
			return err
		}
		n += fetches.NumRecords()
		if m.PastHead(n, t.Records) {
			if err := settle(); err != nil {
				return err
			}
			m.CountFrom(n)
		}
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			if err := errors.Join(settle(), cl.CommitUncommittedOffsets(ctx)); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(settle(), cl.CommitUncommittedOffsets(ctx)); err != nil {
		return err
	}
	m.End(n)
	return nil
}
