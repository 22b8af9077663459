//go:build synctests

package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// What reads the control topic rests while all it gets is a refusal, and does not ask again as fast as it is refused.
func TestWhoMayNotReadTheControlTopicRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lasts = 20 * time.Second
		most := 2 * int(lasts/refusedRest)
		cluster := kafkatest.NewVirtual(t)
		c := Config{Brokers: cluster.Brokers(), ClientOptions: []kgo.Opt{cluster.Dialer()}}
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		refused := cluster.RefuseFetches(c.Topic, most, cancel)
		(&kafkaJournal{config: c}).follow(ctx, deaf{})
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			t.Errorf("it asked more than %d times in less than %s", most, lasts)
		case int(refused.Hits()) < most/4:
			t.Errorf("it asked %d times in %s, and is to go on asking", refused.Hits(), lasts)
		}
	})
}

// deaf is a reader that makes nothing of what it is told.
type deaf struct{}

func (deaf) begins(error)                           {}
func (deaf) reads(int64, time.Time, []byte, []byte) {}
func (deaf) readTo(int64)                           {}
func (deaf) reachable(error)                        {}
