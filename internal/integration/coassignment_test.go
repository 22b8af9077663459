package integration_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/redeliver/redeliver/consumer"
)

// A coordinator assigns a topic with more partitions than its source in another way. Both members tell which of their
// partitions are apart from their retries, and work goes on.
func TestPartitionsApartFromTheirRetries(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	b.createTopics(6, append(b.tiers(), b.dlq()))
	short := func(c *consumer.Config) { c.HandlerTimeout, c.Drain = time.Second, 2*time.Second }
	members := []*member{
		b.start(failsUntil(2, errBroken), named("one"), speaking(consumer.NextGen), short),
		b.start(failsUntil(2, errBroken), named("two"), speaking(consumer.NextGen), short),
	}
	b.balanced(2, 2, b.source)
	for _, m := range members {
		eventually(t, func() error {
			s := m.Stats()
			at := slices.IndexFunc(s.Apart, func(a consumer.Apart) bool { return a.Source == b.source })
			told := slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, "apart from their retry partitions") })
			if at < 0 || !told || s.Health != consumer.Degraded {
				return fmt.Errorf("apart: %+v, health %v for %q", s.Apart, s.Health, s.Reasons)
			}
			if !s.Ready {
				return fmt.Errorf("not ready: %s", s.NotReady)
			}
			return nil
		})
	}
	for p := range int32(2) {
		r := record("key", "value")
		r.Partition = p
		b.produceTo(r)
	}
	b.calls.awaitDone(t, 2)
	b.settled()
	members[1].stop()
	eventually(t, func() error { // one member alone has everything
		if s := members[0].Stats(); len(s.Apart) > 0 || s.Health != consumer.Healthy {
			return fmt.Errorf("still apart: %+v, health %v for %q", s.Apart, s.Health, s.Reasons)
		}
		return nil
	})
}

// Where the brokers do not speak KIP-848 the client would fall back to the classic protocol with a balancer that takes a
// partition and its retries apart. The pipeline ends instead, and says what to do.
func TestBrokersWithoutNextGen(t *testing.T) {
	t.Parallel()
	for _, older := range []*kversion.Versions{kversion.V3_6_0(), kversion.V3_9_0()} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(older), kfake.SeedTopics(1, "orders"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		p, err := consumer.New(consumer.Config{
			Brokers: cluster.ListenAddrs(), Group: "orders", Topics: []string{"orders"}, GroupProtocol: consumer.NextGen, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
			Handler: consumer.HandlerFunc(succeeds),
		})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "do not speak the group protocol of KIP-848") || !strings.Contains(err.Error(), "group_protocol: classic") {
			t.Errorf("%s: got %v", older.VersionGuess(), err)
		}
	}
}
