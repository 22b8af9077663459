package webhook

import (
	"strings"
	"testing"
	"time"
)

func TestValidateNamesTheFieldAndTheRemedy(t *testing.T) {
	const good = "http://127.0.0.1:9000/orders"
	tests := []struct {
		name   string
		config Config
		want   []string // parts of the error; none: valid
	}{
		{"the least", Config{URL: good}, nil},
		{"everything", Config{URL: "https://u:p@host/x?y=z", BatchMax: 500, BatchWait: time.Second, Concurrency: 9, Timeout: time.Second, Headers: map[string]string{"Authorization": "Bearer x"}}, nil},
		{"no URL", Config{}, []string{"url is missing", "http://"}},
		{"no scheme", Config{URL: "127.0.0.1:9000/orders"}, []string{"url"}},
		{"another scheme", Config{URL: "ftp://host/x"}, []string{"url", "http:// or https://"}},
		{"no host", Config{URL: "http:///orders"}, []string{"url", "name a host"}},
		{"no host but a port", Config{URL: "http://:80/orders"}, []string{"url", "name a host"}},
		{"several", Config{BatchMax: -1, Concurrency: -1, BatchWait: -1, Timeout: -1}, []string{"url", "batch.max is -1", "batch wait", "concurrency", "timeout"}},
		{"an illegal name", Config{URL: good, Headers: map[string]string{"a b": ""}}, []string{`"a b"`}},
		{"an illegal value", Config{URL: good, Headers: map[string]string{"a": "x\ny"}}, []string{"control character"}},
		{"a header of ours", Config{URL: good, Headers: map[string]string{"redeliver-id": "x"}}, []string{"redeliver-id is set by Redeliver"}},
		{"a record's header", Config{URL: good, Headers: map[string]string{"kafka-header-x": "x"}}, []string{"set by Redeliver"}},
		{"what would make Go repeat requests", Config{URL: good, Headers: map[string]string{"X-Idempotency-Key": "x"}}, []string{"set by Redeliver"}},
		{"a header of HTTP", Config{URL: good, Headers: map[string]string{"content-length": "1"}}, []string{"set by HTTP"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.config)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
		})
	}
}

func TestAnUnreadableURLKeepsItsPassword(t *testing.T) {
	for _, url := range []string{"http://u:secret@ho st/", "http://u:secret@host:port/", "gopher://u:secret@host/?secret", "http://u:secret%zz@host/"} {
		_, err := New(Config{URL: url})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
