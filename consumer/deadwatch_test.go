package consumer

import (
	"fmt"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Only a ledger that is not the one that was read so far is read anew: where it is refused, what is known stands.
func TestWhichLedgerIsAnotherOne(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{kerr.UnknownTopicID, true},
		{fmt.Errorf("fetch: %w", kerr.UnknownTopicOrPartition), true},
		{kerr.OffsetOutOfRange, true},
		{&kgo.ErrDataLoss{Topic: "ledger", ConsumedTo: 7, ResetTo: 3}, true},
		{kerr.TopicAuthorizationFailed, false},
		{kerr.UnknownServerError, false},
		{io.EOF, false},
	} {
		if got := isAnother(tt.err); got != tt.want {
			t.Errorf("%v: another one: %v, want %v", tt.err, got, tt.want)
		}
	}
}
