package retrytopics_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Whatever a dead letter of ours carries, its copy has the headers that would be written anew, or it is left to who writes them anew.
func TestReplayedHeadersAreThoseThatAreWrittenAnew(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var made retrytopics.ReplayedHeaders
	taken := 0
	var kept [][]kgo.RecordHeader
	var wanted []string
	for n := range 3000 {
		s := anyLetter(random)
		var user []kgo.RecordHeader
		for i := range random.IntN(3) {
			user = append(user, kgo.RecordHeader{Key: fmt.Sprintf("user-%d", i), Value: []byte(strings.Repeat("x", random.IntN(9)))})
		}
		limit := 2048 + random.IntN(3000)
		letter := &kgo.Record{Topic: "shop.orders.dlq", Headers: s.AppendHeaders(nil, user, limit)}
		decoded, err := retrytopics.Decode(letter)
		if err != nil {
			t.Fatal(err)
		}
		now, name := time.UnixMilli(1_700_000_000_000+int64(n/3)).Add(time.Duration(random.IntN(2))), fmt.Sprintf("name-%d", n)
		replayed := decoded.Replayed(now, name)
		want := headersText(replayed.AppendHeaders(nil, letter.Headers, limit))
		headers, ok := made.Of(&decoded, letter.Headers, now, name, limit)
		if !ok {
			continue
		}
		taken++
		kept, wanted = append(kept, headers), append(wanted, want)
	}
	for i, headers := range kept { // not before all are made: they share memory, and must not share the same
		if got := headersText(headers); got != wanted[i] {
			t.Fatalf("headers:\n%s\nwant:\n%s", got, wanted[i])
		}
	}
	if taken < 2500 {
		t.Errorf("only %d of 3000 letters had nothing that has to be written anew", taken)
	}
}

func anyLetter(random *rand.Rand) retrytopics.State {
	s := retrytopics.State{
		ID: fmt.Sprintf("orders/%d/%d", random.IntN(12), random.IntN(1000)), Topic: "orders", Partition: int32(random.IntN(12)), Offset: random.Int64N(1 << 40),
		Timestamp: time.UnixMilli(random.Int64N(1 << 41)), Group: "shop", Attempt: random.IntN(9), Reason: retrytopics.ReasonExhausted, Class: classify.Network,
		Error: strings.Repeat("ü", random.IntN(600)), Replays: random.IntN(3),
	}
	for _, set := range []func(){
		func() { s.FirstFailed = time.UnixMilli(5) },
		func() { s.Held = time.Second },
		func() { s.Died = time.UnixMilli(7) },
		func() { s.Severity = classify.Critical },
		func() { s.Dependency = "stock" },
		func() { s.Variant = "patience/long" },
		func() { s.Replay, s.Replays = "aB-9", s.Replays+1 },
		func() { s.PriorReplay = "first" },
		func() { s.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
		func() { s.Timestamp = time.Time{} },
		func() {
			for i := range 1 + random.IntN(4) {
				s.History = append(s.History, retrytopics.Try{N: i + 1, At: 1_700_000_000_000, Ms: 3, Class: "network", Error: "refused \"again\""})
			}
		},
	} {
		if random.IntN(2) == 0 {
			set()
		}
	}
	return s
}

// What is not as AppendHeaders writes it is written anew.
func TestReplayedHeadersOfAnotherWriter(t *testing.T) {
	t.Parallel()
	s := retrytopics.State{ID: "orders/1/2", Topic: "orders", Partition: 1, Offset: 2, Group: "shop", Error: "no"}
	ours := s.AppendHeaders(nil, nil, 0)
	with := func(change func([]kgo.RecordHeader) []kgo.RecordHeader) []kgo.RecordHeader {
		return change(slices.Clone(ours))
	}
	for what, headers := range map[string][]kgo.RecordHeader{
		"in another order":       with(func(h []kgo.RecordHeader) []kgo.RecordHeader { slices.Reverse(h); return h }),
		"one of them twice":      with(func(h []kgo.RecordHeader) []kgo.RecordHeader { return append(h, h[len(h)-1]) }),
		"the user's behind them": with(func(h []kgo.RecordHeader) []kgo.RecordHeader { return append(h, kgo.RecordHeader{Key: "user"}) }),
		"a number with a sign":   with(func(h []kgo.RecordHeader) []kgo.RecordHeader { h[2].Value = []byte("+1"); return h }),
		"a number with zeros":    with(func(h []kgo.RecordHeader) []kgo.RecordHeader { h[3].Value = []byte("002"); return h }),
		"an error that is too long": with(func(h []kgo.RecordHeader) []kgo.RecordHeader {
			h[len(h)-1].Value = []byte(strings.Repeat("n", retrytopics.MaxErrorSize+1))
			return h
		}),
	} {
		decoded, err := retrytopics.Decode(&kgo.Record{Headers: headers})
		if err != nil {
			t.Fatal(what, err)
		}
		var made retrytopics.ReplayedHeaders
		if headers, ok := made.Of(&decoded, headers, time.Now(), "name", 0); ok {
			t.Errorf("%s: %s", what, headersText(headers))
		}
	}
}

func headersText(headers []kgo.RecordHeader) string {
	var text strings.Builder
	for _, h := range headers {
		fmt.Fprintf(&text, "%s=%q\n", h.Key, h.Value)
	}
	return text.String()
}
