//go:build synctests

package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Polls that bring nothing but what is refused are farther and farther apart, up to a second; one that brings a record, or that is ended,
// is followed at once by the next.
func TestRestAfterPollsThatAreRefused(t *testing.T) {
	records := kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "t", Partitions: []kgo.FetchPartition{{Records: []*kgo.Record{{}}}}}}}}
	refused := kgo.NewErrFetch(kerr.TopicAuthorizationFailed)
	synctest.Test(t, func(t *testing.T) {
		var f fruitless
		after := func(fetches kgo.Fetches) time.Duration {
			began := time.Now()
			f.rest(t.Context(), fetches)
			return time.Since(began)
		}
		for i, want := range []time.Duration{grace, 2 * grace, 4 * grace} {
			if got := after(refused); got != want {
				t.Errorf("rest %d: %s, want %s", i+1, got, want)
			}
		}
		for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
			if got := after(kgo.NewErrFetch(err)); got != 0 {
				t.Errorf("rest after a poll that ended with %v: %s", err, got)
			}
		}
		if got := after(refused); got != 8*grace {
			t.Errorf("a poll that was ended counts as one that was refused, or as one that was not: rest %s", got)
		}
		for range 100 {
			f.rest(t.Context(), refused)
		}
		if got := after(refused); got != time.Second {
			t.Errorf("the longest rest is %s", got)
		}
		if got := after(append(refused, records...)); got != 0 {
			t.Errorf("rest after a poll that brought a record: %s", got)
		}
		if got := after(refused); got != grace {
			t.Errorf("first rest after a record: %s", got)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("end"))
		began := time.Now()
		if f.rest(ctx, refused); time.Since(began) != 0 {
			t.Error("it rests when all is over")
		}
	})
}
