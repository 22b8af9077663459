package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/bench/harness"
)

// The page as a whole: what the run was, how to repeat it, and a table for each case.
func TestThePageSaysWhatWasMeasuredAndHow(t *testing.T) {
	r := measured(harness.Measured{Contender: "franz-go", Rounds: rounds(1000)}, harness.Measured{Contender: "a peer", Left: "there is no java"})
	r.At, r.Machine, r.Versions, r.Brokers, r.Scale = time.Unix(0, 0).UTC(), "two cores", map[string]string{"Go": "go1", "a peer": "v2", "commit": "aaa"}, []string{"embedded"}, 1
	s := one
	s.About = "What it is about."
	kafka := *r
	kafka.Command, kafka.Scale, kafka.Brokers = "-embedded=false", 0.5, []string{"Apache Kafka (speaks v4.4)"}
	kafka.Versions = map[string]string{"Go": "go1", "commit": "bbb"}
	kafka.Measured = []harness.Measured{{Broker: "Apache Kafka", Scenario: s.Letter, Case: "a case", Contender: "franz-go", Rounds: rounds(1000)}}
	text, err := page(t.TempDir(), Runs{r, &kafka}, []harness.Scenario{s})
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(text, "\n\n")
	const want = `### (x) an example

What it is about.

![an example](performance-x.svg)

a case, on the embedded broker:

|  | records/s | ratio | CPU s/million | peak MiB | allocations each |
|---|--:|--:|--:|--:|--:|
| franz-go | 1,000 |  | 2,000 | 3 |  |
| a peer | left out: there is no java |

a case, on Apache Kafka:

|  | records/s | ratio | CPU s/million | peak MiB | allocations each |
|---|--:|--:|--:|--:|--:|
| franz-go | 1,000 |  | 2,000 | 3 |  |

### What was measured when, and on what

Machine: two cores. Brokers: embedded; Apache Kafka (speaks v4.4). Versions: Go go1, a peer v2.

| measured | when | interleaved rounds | commit | in ` + "`bench`" + ` |
|---|---|--:|---|---|
| (x) on the embedded broker | 1970-01-01 | 3 | aaa | ` + "`go run .`" + ` |
| (x) on Apache Kafka | 1970-01-01 | 3 of 0.5 of the full size | bbb | ` + "`REDELIVER_TEST_BROKERS=host:port go run . -embedded=false`" + ` |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Runs on another machine, or of other versions, are told of apart, each with what it was made on.
func TestRunsAreToldWithWhatTheyWereMadeOn(t *testing.T) {
	run := func(machine, version, commit string) *Results {
		return &Results{Machine: machine, Versions: map[string]string{"Go": version, "commit": commit}, Brokers: []string{"embedded"}}
	}
	rs := Runs{run("a", "go1", "x"), run("b", "go1", "x"), run("a", "go2", "x"), run("a", "go1", "y")}
	var got []int
	for _, s := range rs.settings() {
		got = append(got, len(s.runs))
	}
	if want := []int{2, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("got settings of %d runs, want %d", got, want)
	}
}

// The cases of a scenario that has many stand side by side first, a table a broker.
func TestRatiosStandSideBySide(t *testing.T) {
	with := func(broker, name string, n int) []harness.Measured {
		of := func(contender, against string, n int) harness.Measured {
			return harness.Measured{Broker: broker, Scenario: one.Letter, Case: name, Contender: contender, Against: against, Rounds: rounds(n)}
		}
		return []harness.Measured{of("franz-go", "", 1000), of("ours", "franz-go", n), of("a peer", "franz-go", n/2)}
	}
	r := &Results{Measured: append(append(with("embedded", "1 B", 900), with("embedded", "2 B", 800)...), with("Apache Kafka", "1 B", 700)[:2]...)}
	const want = `
Rates by that of franz-go, on the embedded broker:

| | 1 B | 2 B |
|---|--:|--:|
| ours | 0.90 | 0.80 |
| a peer | 0.45 | 0.40 |

Rates by that of franz-go, on Apache Kafka:

| | 1 B |
|---|--:|
| ours | 0.70 |
`
	if got := grid((Runs{r}).sections(one)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
