package main

import (
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// halfAsMany are the counts of an experiment in which slow needs fewer attempts than now.
func halfAsMany() *consumer.ExperimentStats {
	x := &consumer.ExperimentStats{Name: "slower", Since: time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)}
	for i, name := range []string{"now", "slow"} {
		v := consumer.VariantStats{Variant: name, Weight: 1, Failed: 64 * 20, Recovery: consumer.Histogram{Bounds: []float64{1, 2, 4, 8}, Counts: []uint64{0, 600, 500, 100, 0}}}
		for n := range v.Clusters {
			spread := uint64(n % 5)
			v.Clusters[n] = consumer.ClusterStats{Succeeded: 19, Dead: 1, Attempts: []uint64{60, 40}[i] + spread, Seconds: 40 + float64(spread)}
		}
		x.Variants = append(x.Variants, v)
	}
	return x
}

func TestExperimentSaysWhichVariantIsBetter(t *testing.T) {
	b := startProcess(t)
	b.orders.stats.Experiment = halfAsMany()
	got, stderr, exit := command(t, "experiment", "-c", b.config)
	want := `pipeline orders, group orders: experiment slower by key, since 2026-01-02 12:00:00
counted by URL; other processes of the group are not in it

VARIANT  GETS  FAILED  WAIT  ATTEMPTS PER SUCCESS  TO SUCCESS, MEDIAN   MEAN                    DEAD
now      50 %    1280     0  3.26 [3.24 to 3.28]   2s [1.94s to 2.14s]  2.21s [2.19s to 2.23s]  64, 5.0 % [3.9 % to 6.4 %]
slow     50 %    1280     0  2.21 [2.19 to 2.23]   2s [1.94s to 2.14s]  2.21s [2.19s to 2.23s]  64, 5.0 % [3.9 % to 6.4 %]

slow against now: slow needs 31 % to 33 % fewer attempts per success; go with slow
`
	if want = strings.ReplaceAll(want, "URL", b.url); exit != 0 || got != want {
		t.Errorf("exit %d, %s\ngot\n%s\nwant\n%s", exit, stderr, got, want)
	}
}

func TestExperimentAddsTheCountsOfProcesses(t *testing.T) {
	a, b := startProcess(t), startProcess(t)
	a.orders.stats.Experiment, b.orders.stats.Experiment = halfAsMany(), halfAsMany()
	got, _, _ := command(t, "experiment", "--admin", a.url, "--admin", b.url)
	for _, part := range []string{"counted by " + a.url + ", " + b.url + ";", "2560", "128, 5.0 %"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in\n%s", part, got)
		}
	}
	b.orders.stats.Experiment.Variants[1].Weight = 3
	_, stderr, exit := command(t, "experiment", "--admin", a.url, "--admin", b.url)
	if exit != 1 || !strings.Contains(stderr, "other variants or weights") {
		t.Errorf("other weights: %d %s", exit, stderr)
	}
}

// A process that is named twice would count twice.
func TestExperimentAsksAProcessOnce(t *testing.T) {
	b := startProcess(t)
	b.orders.stats.Experiment = halfAsMany()
	for _, args := range [][]string{{"--admin", b.url, "--admin", b.url}, {"--admin", b.url, "--admin", b.url + "/"}} {
		_, stderr, exit := command(t, append([]string{"experiment"}, args...)...)
		if exit != exitUsage || !strings.Contains(stderr, "--admin: "+b.url+" is there twice, and its counts would be added twice: name each process once") {
			t.Errorf("%q: %d %s", args, exit, stderr)
		}
	}
}

func TestExperimentWithoutOne(t *testing.T) {
	b := startProcess(t)
	_, stderr, exit := command(t, "experiment", "-c", b.config)
	if exit != 1 || !strings.Contains(stderr, "set retry.experiment of a pipeline") {
		t.Errorf("got %d %s", exit, stderr)
	}
}

// A pipeline that has none, and one that there is not, are told by name beside one that has.
func TestExperimentOfAnotherPipeline(t *testing.T) {
	b := startProcess(t)
	b.orders.stats.Experiment = halfAsMany()
	for _, pipeline := range []string{"clicks", "nobody"} {
		got, stderr, exit := command(t, "experiment", "--pipeline", pipeline, "--admin", b.url)
		if exit != 1 || got != "" || !strings.Contains(stderr, "the pipeline "+pipeline+" has no experiment in the processes that were asked") {
			t.Errorf("%s: exit %d, %s\n%s", pipeline, exit, stderr, got)
		}
	}
}

// validate --explain prints the timetable of each variant.
func TestExplainPrintsTheVariants(t *testing.T) {
	path := writeConfig(t, "127.0.0.1:0", "127.0.0.1:1", "http://127.0.0.1:1/orders",
		"retry: {experiment: {name: slower, variants: [{name: now, weight: 3}, {name: slow, tiers: [5s, 60s]}]}}")
	got, stderr, exit := command(t, "validate", "--explain", "-c", path)
	want := `
  variant now of the experiment slower, 75 % of the keys
    ATTEMPT  DELAY  WITH JITTER  OVER  COPIES    SUM
          1      -                          0     0s
          2     1s  to 1.25s     1s         1     1s
          3    10s  to 12.5s     10s        2    11s
          4    60s  to 1m15s     60s        3  1m11s
    dead after attempt 4 (exhausted)

  variant slow of the experiment slower, 25 % of the keys
    ATTEMPT  DELAY  WITH JITTER  OVER  COPIES   SUM
          1      -                          0    0s
          2     5s  to 6.25s     5s         1    5s
          3    60s  to 1m15s     60s        2  1m5s
    dead after attempt 3 (exhausted)
`
	if exit != 0 || !strings.Contains(got, want) {
		t.Errorf("exit %d, %s\n%s", exit, stderr, got)
	}
}
