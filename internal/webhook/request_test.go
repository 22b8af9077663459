package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/consumer"
)

// received is a request as a service saw it.
type received struct {
	header        http.Header
	body          []byte
	contentLength int64
	encoding      []string
	uri           string
	method        string
}

// service answers every request with 200 and keeps what it received.
func service(t *testing.T) (url string, requests <-chan received) {
	t.Helper()
	ch := make(chan received, 16)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the request: %v", err)
		}
		ch <- received{r.Header, body, r.ContentLength, r.TransferEncoding, r.URL.RequestURI(), r.Method}
	}))
	t.Cleanup(server.Close)
	return server.URL, ch
}

func open(t *testing.T, c Config) *Webhook {
	t.Helper()
	w, err := New(c)
	if err != nil {
		t.Fatalf("New(%+v): %v", c, err)
	}
	t.Cleanup(w.Close)
	return w
}

// order is a delivery with every field set.
func order() delivery {
	return delivery{
		id: "orders/3/42", topic: "orders", partition: 3, offset: 42,
		key: []byte{0, 'k', 0xff}, value: []byte("v\x00\n"), attempt: 2, group: "g", pipeline: "p",
	}
}

func TestARequestCarriesTheRecord(t *testing.T) {
	header := func(pairs ...string) (h []consumer.Header) {
		for i := 0; i < len(pairs); i += 2 {
			h = append(h, consumer.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return h
	}
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	tests := []struct {
		name   string
		change func(*delivery)
		config map[string]string
		want   map[string][]string // nil: absent
	}{
		{name: "the whole of it", want: map[string][]string{
			"Redeliver-Id": {"orders/3/42"}, "Redeliver-Topic": {"orders"}, "Redeliver-Partition": {"3"}, "Redeliver-Offset": {"42"},
			"Redeliver-Key": {base64.StdEncoding.EncodeToString([]byte{0, 'k', 0xff})}, "Redeliver-Attempt": {"2"},
			"Redeliver-Group": {"g"}, "Redeliver-Pipeline": {"p"}, "Idempotency-Key": {"orders/3/42"},
			"Content-Type": {"application/octet-stream"}, "User-Agent": {"redeliver"},
			"Redeliver-Null": nil, "Traceparent": nil, "Accept-Encoding": nil,
		}},
		{name: "a null key has no header", change: func(d *delivery) { d.key = nil }, want: map[string][]string{"Redeliver-Key": nil}},
		{name: "an empty key is no null key", change: func(d *delivery) { d.key = []byte{} }, want: map[string][]string{"Redeliver-Key": {""}}},
		{name: "a null value says so", change: func(d *delivery) { d.value = nil }, want: map[string][]string{"Redeliver-Null": {"true"}}},
		{name: "an empty value is no null value", change: func(d *delivery) { d.value = []byte{} }, want: map[string][]string{"Redeliver-Null": nil}},
		{
			name:   "own headers, with duplicates in their order",
			change: func(d *delivery) { d.headers = header("tenant", "a", "x_y", "", "tenant", "b") },
			want:   map[string][]string{"Kafka-Header-Tenant": {"a", "b"}, "Kafka-Header-X_y": {""}},
		},
		{
			name:   "an own header with null value",
			change: func(d *delivery) { d.headers = []consumer.Header{{Key: "n"}} },
			want:   map[string][]string{"Kafka-Header-N": {""}},
		},
		{
			name: "names and values that HTTP cannot carry are left out",
			change: func(d *delivery) {
				d.headers = header("a b", "1", "", "2", "ü", "3", "line", "x\r\nEvil: 1", "nul", "\x00", "bytes", "\xff\tä")
			},
			want: map[string][]string{
				"Kafka-Header-A B": nil, "Kafka-Header-": nil, "Kafka-Header-ü": nil, "Kafka-Header-Line": nil,
				"Evil": nil, "Kafka-Header-Nul": nil, "Kafka-Header-Bytes": {"\xff\tä"},
			},
		},
		{
			name:   "own headers cannot pass for ours",
			change: func(d *delivery) { d.headers = header("Redeliver-Id", "x", "Idempotency-Key", "y") },
			want:   map[string][]string{"Redeliver-Id": {"orders/3/42"}, "Idempotency-Key": {"orders/3/42"}, "Kafka-Header-Redeliver-Id": {"x"}},
		},
		{
			name:   "a trace goes on",
			change: func(d *delivery) { d.headers = header("traceparent", trace, "tracestate", "a=b") },
			want:   map[string][]string{"Traceparent": {trace}, "Tracestate": {"a=b"}, "Kafka-Header-Traceparent": {trace}},
		},
		{
			name: "of several traces the last counts",
			change: func(d *delivery) {
				d.headers = header("traceparent", "old", "traceparent", trace, "traceparent", "00-0-0-01")
			},
			want: map[string][]string{"Traceparent": {trace}},
		},
		{
			name:   "the producer's content type",
			change: func(d *delivery) { d.headers = header("content-type", "application/json") },
			want:   map[string][]string{"Content-Type": {"application/json"}},
		},
		{
			name:   "configured headers win",
			change: func(d *delivery) { d.headers = header("content-type", "application/json") },
			config: map[string]string{"content-type": "text/csv", "X-Token": "t", "user-agent": "shop"},
			want:   map[string][]string{"Content-Type": {"text/csv"}, "X-Token": {"t"}, "User-Agent": {"shop"}},
		},
		{
			name:   "a group's name may hold anything",
			change: func(d *delivery) { d.group = "a\nb ü" },
			want:   map[string][]string{"Redeliver-Group": {"a%0Ab%20%C3%BC"}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url, requests := service(t)
			w := open(t, Config{URL: url + "/orders?token=1", Headers: test.config})
			d := order()
			if test.change != nil {
				test.change(&d)
			}
			if err := w.postOne(context.Background(), d); err != nil {
				t.Fatalf("the attempt failed: %v", err)
			}
			got := <-requests
			for name, want := range test.want {
				if diff := cmp.Diff(want, got.header[name]); diff != "" {
					t.Errorf("%s: -want +got\n%s", name, diff)
				}
			}
			if got.method != "POST" || got.uri != "/orders?token=1" {
				t.Errorf("got %s %s", got.method, got.uri)
			}
			if !bytes.Equal(got.body, d.value) || got.contentLength != int64(len(d.value)) || got.encoding != nil {
				t.Errorf("body %q, length %d, encoding %v; want %q as it is", got.body, got.contentLength, got.encoding, d.value)
			}
		})
	}
}

func TestUserAndPasswordOfTheURLAuthenticate(t *testing.T) {
	url, requests := service(t)
	w := open(t, Config{URL: "http://me:secret@" + url[len("http://"):]})
	if err := w.postOne(context.Background(), order()); err != nil {
		t.Fatal(err)
	}
	r := http.Request{Header: (<-requests).header}
	if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "secret" {
		t.Errorf("got user %q, password %q, %v", user, password, ok)
	}
}
