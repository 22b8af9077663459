package fleet

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/released"
)

// TestReleasedRecords: what any release wrote to the control topic is read as it was meant.
func TestReleasedRecords(t *testing.T) {
	at := time.UnixMilli(1_767_225_600_123)
	dependency, pipeline := subject{name: "payments/api"}, subject{pipeline: true, name: "billing"}
	records := map[string]record{
		"open":                       {subject: dependency, kind: kindOpen, By: "host-1", At: at, Why: "12 of 20 calls failed", Wait: 30 * time.Second, InARow: 2},
		"open on suspicion":          {subject: dependency, kind: kindOpen, By: "host-1", At: at, Wait: 1500 * time.Millisecond, InARow: 1, Suspected: true},
		"close":                      {subject: dependency, kind: kindClose, By: "host-1", At: at, Why: "3 probes succeeded", Episode: 17},
		"close of the first episode": {subject: dependency, kind: kindClose, By: "host-1", At: at},
		"probe":                      {subject: dependency, kind: kindProbe, By: "host-1", At: at, Episode: 17, Member: "m-1", Lease: 10 * time.Second},
		"early probe":                {subject: dependency, kind: kindProbe, By: "host-1", At: at, Episode: 17, Member: "m-1", Lease: 10 * time.Second, Early: true},
	}
	for _, wish := range []Wish{KeepOpen, KeepClosed, Observe, Measure} {
		records["order "+string(wish)] = record{subject: dependency, kind: kindOrder, By: "ops@host", At: at, Order: wish}
	}
	for _, wish := range []Wish{Pause, Resume} {
		records["order "+string(wish)] = record{subject: pipeline, kind: kindOrder, By: "ops@host", At: at, Order: wish, Pipeline: "orders", Admit: 5}
	}
	var today []released.Sample
	for _, name := range slices.Sorted(maps.Keys(records)) {
		today = append(today, released.Sample{Name: name, Record: &kgo.Record{Key: records[name].key(), Value: records[name].value()}})
	}
	released.Check(t, "control", today, func(r *kgo.Record) (map[string]any, error) {
		one, err := decode(r.Key, r.Value)
		return map[string]any{
			"pipeline": one.subject.pipeline, "name": one.subject.name, "kind": one.kind, "by": one.By, "at": one.At.UnixMilli(), "why": one.Why,
			"wait": one.Wait, "in_a_row": one.InARow, "suspected": one.Suspected, "episode": one.Episode, "member": one.Member, "lease": one.Lease,
			"early": one.Early, "order": one.Order, "admit": one.Admit, "pipeline_name": one.Pipeline,
		}, err
	})
}

// TestReleasedLearned: what any release has kept of what it learned is read as it was meant.
func TestReleasedLearned(t *testing.T) {
	at := time.UnixMilli(1_767_225_600_123)
	memory := adaptive.Memory{Key: adaptive.Key{Dependency: "payments/api", Class: classify.RateLimited}, At: at, Observations: 41.256789,
		Waited: []float64{41, 40.5, 12.345678}, Recovered: []float64{0, 0.25, 30}}
	today := map[string]learned{
		"learned":                    {group: "billing", by: "host-1", memory: memory},
		"learned by a strange group": {group: "billing/eu 1", memory: adaptive.Memory{Key: adaptive.Key{Dependency: "%", Class: classify.Network}, At: at, Observations: 1}},
	}
	var samples []released.Sample
	for _, name := range slices.Sorted(maps.Keys(today)) {
		samples = append(samples, released.Sample{Name: name, Record: &kgo.Record{Key: today[name].key(), Value: today[name].value()}})
	}
	released.Check(t, "learned", samples, func(r *kgo.Record) (map[string]any, error) {
		one, err := decodeLearned(r.Key, r.Value)
		return map[string]any{
			"group": one.group, "by": one.by, "at": one.memory.At.UnixMilli(), "dependency": one.memory.Dependency, "class": one.memory.Class.String(),
			"observations": one.memory.Observations, "waited": one.memory.Waited, "recovered": one.memory.Recovered,
		}, err
	})
}
