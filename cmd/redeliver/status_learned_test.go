package main

import (
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/internal/admin"
)

func TestStatusSaysWhatWasLearnedAndWhy(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	keptAt := now.Add(-3 * time.Minute)
	s := status{At: now, Pipelines: []pipelineStatus{{Process: &admin.PipelineStatus{Pipeline: "orders", Learned: []admin.LearnedStatus{
		{Dependency: "ledger", Class: "network", Observations: 41.3, Minimum: 10, Half: 12, NineTenths: 40, HalfNow: 90, Kept: &keptAt,
			Last: &admin.AdviceStatus{At: now.Add(-5 * time.Second), Since: 4, Left: 3, Delay: 11, Succeeds: 0.62}},
		{Dependency: "ledger", Class: "system", Observations: 2, Minimum: 10, Half: 1, NineTenths: 0},
	}}}}}
	var b strings.Builder
	if err := printLearned(&b, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"orders   ledger      network    41            12s   40s    1m30s  control topic, 3m0s ago  11s, 5s ago: 4s after the first failure, 3 retries left, the next succeeds with 62%",
		"orders   ledger      system      2             1s  > 1d     > 1d  in memory                the strategy's, until 10 are seen",
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("missing: %s\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := printLearned(&b, status{Pipelines: []pipelineStatus{{Process: &admin.PipelineStatus{}}}}); err != nil || b.Len() > 0 {
		t.Errorf("where nothing is learned: got %q, %v", b.String(), err)
	}
}

func TestValidateExplainsThatDelaysAreLearned(t *testing.T) {
	path := configFile(t, pipelineOn([]string{"a:1"}, "retry: {strategy: exponential, adaptive: {enabled: true}}"))
	run(t, "validate", "--explain", "-c", path).want(t, exitDone,
		"exponential from 1s by 3, 5 retries, jitter up to 25 %; these are the delays until others are learned")
}
