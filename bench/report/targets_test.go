package report

import (
	"strings"
	"testing"

	"github.com/redeliver/redeliver/bench/contract"
	"github.com/redeliver/redeliver/bench/harness"
)

func TestAnOutcomeSaysByHowMuchATargetIsMissed(t *testing.T) {
	for _, test := range []struct {
		o    outcome
		want string
	}{
		{outcome{value: 0.95, bound: 0.95}, "0.95, met"},
		{outcome{value: 0.952, bound: 0.95}, "0.95, met by 0.002"},
		{outcome{value: 0.87, bound: 0.95}, "0.87, **missed by 0.08**"},
		{outcome{value: 0.948, bound: 0.95, text: "0.95 (0.86 to 0.95)"}, "0.95 (0.86 to 0.95), **missed by 0.002**"},
		{outcome{value: 3, bound: 2, atMost: true, text: "3.0 ms"}, "3.0 ms, **missed by 1.00**"},
		{outcome{value: 0, bound: 0, atMost: true, text: "0"}, "0, met"},
		{outcome{value: 0.94, bound: 0.95, best: 0.96}, "0.94, **missed by 0.01**, within the range of the rounds"},
		{outcome{value: 0.94, bound: 0.95, best: 0.949}, "0.94, **missed by 0.01**"},
	} {
		if got := test.o.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// Each target is held against what it is about, on each broker by itself.
func TestTargetsAreHeldAgainstWhatWasMeasured(t *testing.T) {
	s := harness.Scenario{Letter: "a", Name: "an example", Contenders: []harness.Contender{{Name: "franz-go"}, {Name: "Redeliver"}, {Name: "sarama", Behind: "Redeliver"}, {Name: "kafka-go", Behind: "Redeliver"}}}
	on := func(broker, name string, franz, ours, sarama int, allocations float64) []harness.Measured {
		with := func(contender, against string, n int, allocations float64) harness.Measured {
			return harness.Measured{Broker: broker, Scenario: "a", Case: name, Contender: contender, Against: against,
				Rounds: []contract.Result{{Records: n, Seconds: 1, Allocations: allocations * float64(n), Counted: true}}}
		}
		return []harness.Measured{with("franz-go", "", franz, 0.01), with("Redeliver", "franz-go", ours, allocations), with("sarama", "franz-go", sarama, 0), with("kafka-go", "franz-go", 1, 0)}
	}
	r := &Results{Rounds: 1}
	r.Measured = append(on("Apache Kafka", "100 B, 1 partition", 1000, 960, 500, 0.05), on("Apache Kafka", "1024 B, 12 partitions", 1000, 990, 1100, 0.2)...)
	r.Measured = append(r.Measured, on(harness.Embedded, "100 B, 1 partition", 1000, 900, 500, 0.05)...)
	table := targetTable(Runs{r}, []harness.Scenario{s})
	for _, want := range []string{
		"| | wanted | on the embedded broker | on Apache Kafka |\n",
		"| (a) 100 B, 1 partition | 0.95 of franz-go | 0.90 (0.90 to 0.90), **missed by 0.05** | 0.96 (0.96 to 0.96), met |\n",
		"| (a) 1024 B, 12 partitions | 1.0 of franz-go | not measured | 0.99 (0.99 to 0.99), **missed by 0.01** |\n",
		"| (a) allocations a record above the client's own | 0.1 at most | 0.04 to 0.04, met | 0.04 to 0.19, **missed by 0.09** |\n",
		"| (a) beside the closest peer | ahead of it | 1.80 (1.80 to 1.80) of sarama at 100 B, 1 partition, met | 0.90 (0.90 to 0.90) of sarama at 1024 B, 12 partitions, **missed by 0.10** |\n",
		"| (h) a thousand partitions flow | 3 s after joining at most | not measured | not measured |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("got\n%s\nwant %s", table, want)
		}
	}
}

// What is measured early, above or late in one of several cases counts.
func TestTargetsOfFigures(t *testing.T) {
	with := func(scenario, name, contender, against string, figures map[string]float64) harness.Measured {
		return harness.Measured{Broker: harness.Embedded, Scenario: scenario, Case: name, Contender: contender, Against: against, Rounds: []contract.Result{{Records: 1000, Seconds: 1, Figures: figures}}}
	}
	r := &Results{Rounds: 1, Measured: []harness.Measured{
		with("f", "0 % of the slots busy", "Redeliver", "", map[string]float64{"p50 ms": 9, "p99 ms": 99, "most early": 1}),
		with("f", "50 % of the slots busy", "Redeliver", "", map[string]float64{"p50 ms": 0.5, "p99 ms": 21, "most early": 0}),
		with("g", "ten wait", "Redeliver, nothing waits", "", map[string]float64{"idle MiB": 40}),
		with("g", "ten wait", "Redeliver, a backlog waits", "Redeliver, nothing waits", map[string]float64{"idle MiB": 69}),
	}}
	r.Measured[2].Rounds[0].PeakBytes, r.Measured[3].Rounds[0].PeakBytes = 50<<20, 120<<20
	table := targetTable(Runs{r}, []harness.Scenario{{Letter: "f"}, {Letter: "g"}})
	for _, want := range []string{
		"median | 2 ms at most | 0.5 ms, met |", "p99 | 20 ms at most | 21.0 ms, **missed by 1.00** |", "at any load | none | 1, **missed by 1.00** |",
		"idle | 64 MiB at most | 29 MiB, met |", "while fresh records come | 64 MiB at most | 70 MiB, **missed by 6.00** |", "beside the backlog | 0.95 of those beside nothing | 1.00 (1.00 to 1.00), met |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("got\n%s\nwant %s", table, want)
		}
	}
}
