package classify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

func BenchmarkClassify(b *testing.B) {
	rules := classify.Rules{
		classify.Match("(?i)quota", classify.RateLimited),
		classify.As[*json.SyntaxError](classify.Validation),
		classify.Status(409, classify.Transient),
	}
	refused := &url.Error{Op: "Get", URL: "http://payments/", Err: &net.OpError{
		Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}}
	for _, bb := range []struct {
		name string
		c    *classify.Classifier
		err  error
	}{
		{"status", nil, response{503}},
		{"refused", nil, refused},
		{"unknown", nil, fmt.Errorf("order 7: %w", errors.New("odd"))},
		{"unknown, three rules", classify.New(rules), fmt.Errorf("order 7: %w", errors.New("odd"))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bb.c.Classify(bb.err)
			}
		})
	}
}
