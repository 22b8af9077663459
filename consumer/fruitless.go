package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fruitless is how many polls in a row brought errors only. The client asks at once again for what the brokers refuse, as fast as they
// can refuse it: whoever polls rests in between.
type fruitless int

// rest waits after a poll that brought nothing but errors, the longer the more of them came in a row, for a second at most. A poll that
// was ended is none.
func (f *fruitless) rest(ctx context.Context, fetches kgo.Fetches) {
	if err := fetches.Err0(); errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if fetches.NumRecords() > 0 || fetches.Err() == nil {
		*f = 0
		return
	}
	timer := time.NewTimer(min(grace<<min(*f, 8), time.Second))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	*f++
}
