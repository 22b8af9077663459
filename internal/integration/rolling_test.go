package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

var protocols = []consumer.GroupProtocol{consumer.Classic, consumer.Eager, consumer.NextGen}

// Three members are stopped and started again one after the other under load, as a deployment does it. Since every stop is
// a clean one, no record is handled twice, none beside another of its key, and no partition stands still for longer than
// the drain time, whatever protocol the group speaks.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			t.Parallel()
			rollingRestart(t, func(_ *bundle, name string) []func(*consumer.Config) {
				return []func(*consumer.Config){named(name), speaking(protocol)}
			})
		})
		t.Run(protocol.String()+" static", func(t *testing.T) {
			t.Parallel()
			rollingRestart(t, func(b *bundle, name string) []func(*consumer.Config) {
				b.leaveBehind(protocol, name)
				return []func(*consumer.Config){static(name, protocol)}
			})
		})
	}
}

// rollingRestart restarts members that as says how to make, by their names.
func rollingRestart(t *testing.T, as func(b *bundle, name string) []func(*consumer.Config)) {
	const partitions = 12
	b := setup(t, partitions)
	handle := works(5*time.Millisecond, func(_ context.Context, r *consumer.Record) error {
		if strings.HasSuffix(string(r.Value), "-once") && r.Attempt() == 1 {
			return errBroken
		}
		return nil
	})
	topics := append(b.tiers(), b.source)
	names := []string{"one", "two", "three"}
	made := make(map[string][]func(*consumer.Config))
	var members []*member
	for _, name := range names {
		made[name] = as(b, name)
		members = append(members, b.start(handle, made[name]...))
	}
	b.together(3, partitions)
	load := b.feed()
	for i, m := range members {
		m.stop()
		next := b.start(handle, made[names[i]]...)
		eventually(t, func() error { // a static member is one of the group while it is away
			if n := len(next.Stats().Partitions); n < len(topics)*partitions/len(names) {
				return fmt.Errorf("%s has %d partitions, want its third", names[i], n)
			}
			return nil
		})
		b.together(3, partitions)
	}
	given := load.stop()
	b.calls.awaitDone(t, len(given))
	b.settled()
	all := b.calls.soFar()
	onceEach(t, all, given)
	neverEarly(t, all)
	attemptsOnce(t, all)
	keysOneByOne(t, all)
	worst := longestStall(all)
	if worst > consumer.DefaultDrain {
		t.Errorf("a partition stood still for %v, want the drain time at most, %v", worst, consumer.DefaultDrain)
	}
	t.Logf("%d records, %d calls, longest stall of a partition %v", len(given), len(all), worst)
}

// A group goes over from the classic protocol to KIP-848, and back, by a rolling restart under load. Apache Kafka lets members of both
// be in one group meanwhile.
func TestRollingChangeOfProtocol(t *testing.T) {
	t.Parallel()
	kafkatest.RequireReal(t)
	for _, to := range []struct{ from, to consumer.GroupProtocol }{{consumer.Classic, consumer.NextGen}, {consumer.NextGen, consumer.Classic}} {
		t.Run(to.from.String()+" to "+to.to.String(), func(t *testing.T) {
			t.Parallel()
			const partitions = 12
			b := setup(t, partitions)
			handle := works(5*time.Millisecond, failsUntil(1, errBroken))
			var members []*member
			for _, name := range []string{"one", "two", "three"} {
				members = append(members, b.start(handle, named(name), speaking(to.from)))
			}
			b.together(3, partitions)
			load := b.feed()
			for i, m := range members {
				m.stop()
				b.start(handle, named(fmt.Sprint("next-", i+1)), speaking(to.to))
				b.together(3, partitions)
			}
			given := load.stop()
			b.calls.awaitDone(t, len(given))
			b.settled()
			all := b.calls.soFar()
			onceEach(t, all, given)
			attemptsOnce(t, all)
			keysOneByOne(t, all)
		})
	}
}

// longestStall returns the longest time without a first attempt in a partition that records are produced to all the time.
func longestStall(all []call) (worst time.Duration) {
	began := make(map[int32][]time.Time)
	for _, x := range all {
		if x.attempt == 1 {
			began[x.record.Partition] = append(began[x.record.Partition], x.began)
		}
	}
	for _, times := range began {
		slices.SortFunc(times, time.Time.Compare)
		for i := 1; i < len(times); i++ {
			worst = max(worst, times[i].Sub(times[i-1]))
		}
	}
	return worst
}
