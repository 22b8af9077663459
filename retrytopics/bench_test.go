package retrytopics_test

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What routing costs here for a record that fails for the first time: begin
// its state, ask the schedule, write the copy's headers.
func BenchmarkFirstFailure(b *testing.B) {
	s := schedule(b, retrytopics.Policy{})
	record := source("traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "content-type=application/json")
	b.ReportAllocs()
	for b.Loop() {
		state := retrytopics.Fresh(record, "")
		state.Group, state.Attempt, state.FirstFailed = "billing", 1, noon
		state.Class, state.Error = classify.Network, "syscall.Errno: dial tcp 10.0.0.7:443: connect: connection refused"
		answer := s.Next(retrytopics.Question{Failed: retrytopics.Failed{Class: state.Class}, Topic: state.Topic, Attempts: 1, FirstFailed: noon, Now: noon, U: 0.5})
		state.Due = noon.Add(answer.Delay)
		state.HopDue = noon.Add(s.Tiers()[s.Hop(answer.Delay, 0)])
		state.History = append(state.History, retrytopics.Try{N: 1, At: noon.UnixMilli(), Ms: 12, Class: "network", Error: state.Error})
		_ = state.AppendHeaders(nil, record.Headers, 0)
	}
}

func BenchmarkAppendHeaders(b *testing.B) {
	state, user := sample(), headers("trace=abc")
	b.ReportAllocs()
	for b.Loop() {
		_ = state.AppendHeaders(nil, user, 0)
	}
}

func BenchmarkDecode(b *testing.B) {
	state := sample()
	r := &kgo.Record{Headers: state.AppendHeaders(nil, headers("trace=abc"), 0)}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = retrytopics.Decode(r)
	}
}

func BenchmarkNext(b *testing.B) {
	s := schedule(b, retrytopics.Policy{Strategy: retrytopics.Exponential{}})
	q := retrytopics.Question{Failed: retrytopics.Failed{Class: classify.Network}, Topic: "orders", Attempts: 3, FirstFailed: noon, Now: noon.Add(time.Second), U: 0.5}
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Next(q)
	}
}

// The budget of the hot path: one copy for a failing record.
func TestFirstFailureAllocations(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates on its own")
	}
	record, state := source("trace=abc"), sample()
	state.History = state.History[:1]
	if got := testing.AllocsPerRun(100, func() { _ = state.AppendHeaders(nil, record.Headers, 0) }); got > 2 {
		t.Errorf("AppendHeaders allocates %v times, want at most 2", got)
	}
	if got := testing.AllocsPerRun(100, func() { _ = retrytopics.Fresh(record, "") }); got > 1 {
		t.Errorf("Fresh allocates %v times, want at most once", got)
	}
	s := schedule(t, retrytopics.Policy{})
	if got := testing.AllocsPerRun(100, func() { _ = s.Next(retrytopics.Question{Attempts: 1}) }); got > 0 {
		t.Errorf("Next allocates %v times, want never", got)
	}
}
