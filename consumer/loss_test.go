package consumer

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestWhereAPartitionIsReadOn never goes further than what was read, unless that is gone: a notice may be of a lane that had got further.
func TestWhereAPartitionIsReadOn(t *testing.T) {
	cut := func(at int64) error { return fmt.Errorf("wrapped: %w", &kgo.ErrDataLoss{ResetTo: at, ResetToEpoch: 3}) }
	for _, tt := range []struct {
		name        string
		cause       error
		start, next int64
		to          int64
		epoch       int32
	}{
		{"only its absence is known", kerr.OffsetOutOfRange, 4, 9, 4, -1},
		{"the log is another one from there on", cut(7), 4, 9, 7, 3},
		{"that is deleted, too", cut(3), 4, 9, 4, -1},
		{"a former lane had got further", cut(12), 4, 9, 9, -1},
		{"a former lane had got further, and all is deleted since", cut(12), 10, 9, 10, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to, epoch := goOn(tt.cause, tt.start, tt.next)
			equal(t, "offset", to, tt.to)
			equal(t, "epoch", epoch, tt.epoch)
		})
	}
}
