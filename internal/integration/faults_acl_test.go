package integration_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// Permissions are taken away under a running pipeline, and given back. It says which one is missing, and goes on by
// itself when it has it again.
func TestAuthorizationIsLostAndRegained(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		deny     func(*testing.T, *bundle) (allow func())
		fault    string   // as redeliver_faults tells it; "": a copy that cannot be written
		log      []string // of one line
		notReady string   // "": it stays ready, for what it cannot do now can wait
		handles  bool     // records that come meanwhile
		repeats  bool     // what was handled and not committed, for the group has lost its member
	}{
		{
			name: "read the source",
			deny: func(t *testing.T, b *bundle) func() { return kafkatest.Deny(t, kadm.OpRead, b.source) },
			log:  []string{"level=WARN", "cannot fetch a partition", "TOPIC_AUTHORIZATION_FAILED"}, fault: "fetch",
			notReady: "TOPIC_AUTHORIZATION_FAILED",
		},
		{
			name:     "write a tier",
			deny:     func(t *testing.T, b *bundle) func() { return kafkatest.Deny(t, kadm.OpWrite, b.tier("200ms")) },
			log:      []string{"level=ERROR", "copy cannot be written", "TOPIC_AUTHORIZATION_FAILED"},
			notReady: "TOPIC_AUTHORIZATION_FAILED", handles: true,
		},
		{
			name: "read a tier",
			deny: func(t *testing.T, b *bundle) func() { return kafkatest.Deny(t, kadm.OpRead, b.tier("200ms")) },
			log:  []string{"level=WARN", "cannot fetch a partition", "TOPIC_AUTHORIZATION_FAILED"}, fault: "fetch",
			handles: true,
		},
		{
			name: "read as the group",
			deny: func(t *testing.T, b *bundle) func() { return kafkatest.DenyGroup(t, kadm.OpRead, b.group) },
			log:  []string{"level=WARN", "cannot join the group", "GROUP_AUTHORIZATION_FAILED"}, fault: "join",
			notReady: "GROUP_AUTHORIZATION_FAILED", repeats: true,
		},
		{
			name: "delete from a tier",
			deny: func(t *testing.T, b *bundle) func() { return kafkatest.Deny(t, kadm.OpDelete, b.tier("200ms")) },
			log:  []string{"level=WARN", "cannot delete what is done from a retry topic", "TOPIC_AUTHORIZATION_FAILED"}, fault: "trim",
			handles: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 1)
			m := b.start(failsUntil(2, errBroken), withoutBreaker)
			b.wave(20, func() {})
			allow := tt.deny(t, b)
			var given []*kgo.Record
			for i := range 20 {
				given = append(given, record(fmt.Sprint("key-", i), "without permission"))
			}
			b.produce(given...)
			if tt.handles {
				b.calls.await(t, "first calls for all", func(all []call) bool {
					return len(slices.DeleteFunc(slices.Clone(all), func(x call) bool { return x.attempt > 1 })) == 40
				})
			}
			b.awaitLog(tt.log...)
			if tt.fault != "" {
				m.awaitMetric(t, "redeliver_faults", "doing="+tt.fault)
			} else {
				m.awaitMetric(t, "redeliver_held_records")
			}
			if tt.notReady != "" {
				m.awaitNotReady(t, tt.notReady)
			} else if s := m.Stats(); !s.Ready {
				t.Errorf("the pipeline says that it is not ready: %s", s.NotReady)
			}
			allow()
			b.calls.awaitDone(t, 40)
			if tt.repeats {
				b.settled()
				onceEach(t, slices.DeleteFunc(b.calls.soFar(), func(x call) bool { return string(x.record.Value) == "without permission" }), b.given)
			} else {
				b.given = append(b.given, given...)
				b.wave(20, func() {})
			}
			m.mustBeReady(t)
		})
	}
}
