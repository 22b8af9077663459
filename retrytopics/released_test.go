package retrytopics_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/released"
	"github.com/redeliver/redeliver/retrytopics"
)

// releasedTime is when everything in the samples happened.
var releasedTime = time.UnixMilli(1_767_225_600_123)

// releasedStates are what copies say, by name. A new header gets a sample here.
func releasedStates() map[string]retrytopics.State {
	at := func(ms int) time.Time { return releasedTime.Add(time.Duration(ms) * time.Millisecond) }
	failed := retrytopics.State{
		ID: "orders/3/1042", Topic: "orders", Partition: 3, Offset: 1042, Timestamp: releasedTime, Group: "billing",
		Attempt: 2, Due: at(10_000), HopDue: at(9_000), FirstFailed: at(100), Class: classify.Network, Severity: classify.Medium, Error: "*net.OpError: connection refused",
		History: []retrytopics.Try{
			{N: 1, At: at(100).UnixMilli(), Ms: 12, Class: "transient", Error: `HTTP 503: "später" <again> \ `},
			{N: 2, At: at(2_000).UnixMilli(), Ms: 3, Class: "network", Error: "connection refused"},
		},
	}
	states := map[string]retrytopics.State{
		"retry":   failed,
		"minimal": {ID: "o/0/0", Topic: "o", Group: "g"},
	}
	full := failed
	full.ID, full.Held, full.Dependency = "ns:orders/3/1042", 1500*time.Millisecond, "payments-api"
	full.Counts = retrytopics.Counts{{Name: "rate_limited", N: 3}, {Name: "topic:orders", N: 1}, {Name: "in_place", N: 2}}
	full.Replays, full.Replay, full.PriorReplay = 2, "0198-run/7", "0197-run/3"
	states["retry with everything"] = full
	for _, reason := range retrytopics.Reasons() {
		dead := full
		dead.Reason, dead.Due, dead.HopDue = reason, time.Time{}, time.Time{}
		states["dead "+string(reason)] = dead
	}
	chosen := full
	chosen.Variant = "slower/by ten seconds"
	states["retry in an experiment"] = chosen
	traced := full
	traced.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	states["retry that is traced"] = traced
	both := states["dead exhausted"]
	both.Variant, both.Traceparent = chosen.Variant, traced.Traceparent
	states["dead, in an experiment and traced"] = both
	renewed := states["dead exhausted"]
	renewed.Died, renewed.PriorReplay = at(60_000), ""
	states["dead and renewed"] = renewed
	for _, class := range classify.Classes() {
		one := failed
		one.Class, one.History = class, nil
		states["class "+class.String()] = one
	}
	for _, severity := range classify.Severities() {
		one := failed
		one.Severity, one.History = severity, nil
		states["severity "+severity.String()] = one
	}
	return states
}

// saidBy is a state by the names that samples have for what is in it.
func saidBy(s retrytopics.State) map[string]any {
	says := map[string]any{
		"id": s.ID, "topic": s.Topic, "partition": s.Partition, "offset": s.Offset, "group": s.Group, "attempt": s.Attempt, "counts": s.Counts.String(),
		"class": s.Class.String(), "severity": s.Severity.String(), "dependency": s.Dependency, "error": s.Error, "reason": s.Reason,
		"held_ms": s.Held.Milliseconds(), "replays": s.Replays, "replay": s.Replay, "prior_replay": s.PriorReplay, "history": s.History,
		"variant": s.Variant, "traceparent": s.Traceparent,
	}
	for name, t := range map[string]time.Time{"timestamp": s.Timestamp, "due": s.Due, "hop_due": s.HopDue, "first_failed": s.FirstFailed, "died": s.Died} {
		if !t.IsZero() {
			says[name] = t.UnixMilli()
		}
	}
	return says
}

var releasedUser = []kgo.RecordHeader{
	{Key: "trace", Value: []byte("one")}, {Key: "trace", Value: []byte("two")}, {Key: "null"}, {Key: "bytes", Value: []byte{0, 0xff}}, {Key: retrytopics.HeaderJobTenant, Value: []byte("acme")},
}

// TestReleasedHeaders: copies that any release wrote are read as they were meant, their user's headers included.
func TestReleasedHeaders(t *testing.T) {
	var today []released.Sample
	for name, s := range releasedStates() {
		today = append(today, released.Sample{Name: name, Record: &kgo.Record{Headers: s.AppendHeaders(nil, releasedUser, 0)}})
	}
	released.Check(t, "headers", sorted(today), func(r *kgo.Record) (map[string]any, error) {
		s, err := retrytopics.Decode(r)
		says := saidBy(s)
		for _, h := range retrytopics.UserHeaders(r.Headers) {
			says["user "+h.Key] = append(asList(says["user "+h.Key]), h.Value)
		}
		return says, err
	})
}

// No header is without a sample: else nobody would notice that its meaning has changed.
func TestEveryHeaderHasASample(t *testing.T) {
	code, err := os.ReadFile("headers.go")
	if err != nil {
		t.Fatal(err)
	}
	written := make(map[string]bool)
	for _, s := range releasedStates() {
		for _, h := range s.AppendHeaders(nil, nil, 0) {
			written[h.Key] = true
		}
	}
	headers := regexp.MustCompile(`= "(redeliver-[a-z-]+)"`).FindAllStringSubmatch(string(code), -1)
	if len(headers) < 20 {
		t.Fatalf("%d headers in headers.go: is it read right?", len(headers))
	}
	for _, h := range headers {
		if name := h[1]; retrytopics.IsOwnHeader(name) && !written[name] {
			t.Errorf("no sample has %s: give releasedStates one, and record it as docs/compatibility.md says", name)
		}
	}
}

// TestReleasedDialects: what any release wrote beside its own headers is read as what it says, when only that is left.
func TestReleasedDialects(t *testing.T) {
	var today []released.Sample
	for name, s := range releasedStates() {
		if !strings.HasPrefix(name, "dead exhausted") && name != "retry with everything" && name != "minimal" {
			continue
		}
		for _, d := range retrytopics.WrittenDialects() {
			if d == retrytopics.ShareGroup && s.Reason == "" {
				continue // it knows dead letters only
			}
			today = append(today, released.Sample{Name: string(d) + ", " + name, Record: &kgo.Record{Headers: retrytopics.UserHeaders(s.AppendHeaders(nil, nil, 0, d))}})
		}
	}
	released.Check(t, "dialects", sorted(today), func(r *kgo.Record) (map[string]any, error) {
		s, dialect, err := retrytopics.DecodeForeign(r)
		if dialect == "" {
			return nil, errors.New("it speaks no dialect")
		}
		says := saidBy(s)
		says["dialect"] = dialect
		return says, err
	})
}

func asList(v any) [][]byte {
	list, _ := v.([][]byte)
	return list
}

func sorted(samples []released.Sample) []released.Sample {
	slices.SortFunc(samples, func(a, b released.Sample) int { return strings.Compare(a.Name, b.Name) })
	return samples
}
