package telemetry

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// fixed is a pipeline whose counts stand still.
type fixed consumer.Stats

func (f fixed) Stats() consumer.Stats { return consumer.Stats(f) }

func registry(t *testing.T, stats ...consumer.Stats) *prometheus.Registry {
	t.Helper()
	sources := make([]Source, len(stats))
	for i, s := range stats {
		sources[i] = fixed(s)
	}
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(NewCollector(func() []Source { return sources })); err != nil {
		t.Fatal(err)
	}
	return r
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// orders is a pipeline in which everything has happened.
func orders() consumer.Stats {
	source := consumer.TopicStats{Topic: "orders", Source: "orders", Backlog: 7}
	source.Outcomes[consumer.Done] = 100
	source.Outcomes[consumer.Retried] = 5
	source.Lost = 80
	tier := consumer.TopicStats{
		Topic: "g.orders.retry-60s", Source: "orders", Tier: time.Minute, Backlog: 2,
		OldestDue: noon.Add(-3 * time.Second), RetentionLeft: time.Hour,
		Lateness: consumer.Histogram{Bounds: []float64{0.25, 0.5}, Counts: []uint64{3, 1, 1}, Sum: 0.5, Total: 5},
	}
	tier.Outcomes[consumer.Dead] = 1
	other := tier
	other.Topic, other.Source, other.Backlog, other.OldestDue, other.RetentionLeft = "g.clicks.retry-60s", "clicks", 1, noon.Add(time.Second), 0
	short := consumer.TopicStats{Topic: "g.orders.retry-1s", Source: "orders", Tier: time.Second}
	return consumer.Stats{
		Pipeline: "orders", At: noon, Score: 0.75, InFlight: 3, Fetched: 5, RouteFailures: 4,
		Attempts:    map[classify.Class]uint64{classify.None: 100, classify.Network: 6},
		Failures:    []consumer.FailureCount{{Class: classify.Network, Severity: classify.Medium, Count: 6}, {Class: classify.Validation, Severity: classify.High}},
		Topics:      []consumer.TopicStats{source, tier, other, short},
		HeldRecords: 12, TenantsKnown: 3, TenantsPutOff: 17,
		Tenants: []consumer.TenantStats{{Tenant: "acme", InFlight: 2, Windowed: 40}, {Tenant: "", InFlight: 1}},
		Lessons: []adaptive.Lesson{
			{Key: adaptive.Key{Dependency: "payments-api", Class: classify.Network}, Observations: 40, Last: adaptive.Advice{At: noon, Delay: 3 * time.Second}},
			{Key: adaptive.Key{Dependency: "payments-api", Class: classify.System}, Observations: 2},
		},
		Experiment: &consumer.ExperimentStats{Name: "slower", Variants: []consumer.VariantStats{{
			Variant: "now", Failed: 9, Clusters: [consumer.ExperimentClusters]consumer.ClusterStats{{Succeeded: 4, Attempts: 9}, {Succeeded: 1, Dead: 2, Other: 1, Attempts: 11}},
			Recovery: consumer.Histogram{Bounds: []float64{2, 4}, Counts: []uint64{3, 2, 0}, Sum: 9, Total: 5},
		}}},
		Limits:      []consumer.LimitStats{{Name: "per-user", Per: consumer.PerHeader, PutOff: 9, Ahead: 90 * time.Second, Keys: 4}},
		HeldKeys:    consumer.HeldKeys{Keys: 5, Closed: 2, Reading: 1},
		Faults:      map[string]int{"fetch": 0, "commit": 1},
		DeadLetters: []consumer.DeadLetterCount{{Class: classify.Network, Severity: classify.Medium, Reason: retrytopics.ReasonExhausted, Count: 1}},
		Credit:      998, Burst: 1000,
		Paused:   map[consumer.PauseReason]int{consumer.PauseBreaker: 6},
		Breaker:  breaker.Snapshot{Dependency: "payments-api", State: breaker.HalfOpen},
		Breakers: []breaker.Snapshot{{Dependency: "ledger", State: breaker.MetricsOnly}},
		Parts:    []consumer.PartStats{{Dependency: "payments-api", Known: 7, States: map[breaker.State]int{breaker.Closed: 5, breaker.Open: 2}}},
		Handler:  consumer.Histogram{Bounds: []float64{0.125}, Counts: []uint64{105, 1}, Sum: 2, Total: 106},
		Commit:   consumer.Histogram{Bounds: []float64{0.125}, Counts: []uint64{9, 0}, Sum: 0.1, Total: 9},
	}
}

// The contract names the metrics and most labels; a label that it leaves open is listed here as we chose it.
var contract = map[string]string{
	"redeliver_records_total":               "outcome,pipeline,topic",
	"redeliver_attempts_total":              "class,pipeline,severity",
	"redeliver_handler_seconds":             "pipeline",
	"redeliver_lateness_seconds":            "pipeline,tier",
	"redeliver_in_flight":                   "pipeline",
	"redeliver_fetched_records":             "pipeline",
	"redeliver_backlog":                     "pipeline,tier",
	"redeliver_oldest_due_seconds":          "pipeline,tier",
	"redeliver_dead_letters_total":          "class,pipeline,reason,severity",
	"redeliver_dead_letter_credit":          "pipeline",
	"redeliver_breaker_state":               "dependency,state",
	"redeliver_breaker_parts":               "dependency,state",
	"redeliver_paused":                      "pipeline,reason",
	"redeliver_route_failures_total":        "pipeline",
	"redeliver_held_records":                "pipeline",
	"redeliver_held_keys":                   "pipeline,state",
	"redeliver_unread_keys_partitions":      "pipeline",
	"redeliver_faults":                      "doing,pipeline",
	"redeliver_lost_records_total":          "pipeline,topic",
	"redeliver_commit_seconds":              "pipeline",
	"redeliver_retention_left_seconds":      "pipeline,topic",
	"redeliver_learned_observations":        "class,dependency,pipeline",
	"redeliver_learned_delay_seconds":       "class,dependency,pipeline",
	"redeliver_experiment_records_total":    "experiment,outcome,pipeline,variant",
	"redeliver_experiment_attempts_total":   "experiment,pipeline,variant",
	"redeliver_experiment_recovery_seconds": "experiment,pipeline,variant",
	"redeliver_tenants":                     "pipeline",
	"redeliver_tenant_in_flight":            "pipeline,tenant",
	"redeliver_tenant_waiting":              "pipeline,tenant",
	"redeliver_tenant_put_off_total":        "pipeline",
	"redeliver_limit_put_off_total":         "limit,pipeline",
	"redeliver_limit_ahead_seconds":         "limit,pipeline",
	"redeliver_limit_keys":                  "limit,pipeline",
	"redeliver_health_score":                "pipeline",
	"redeliver_health_status":               "pipeline,status",
	"redeliver_success_rate":                "pipeline",
	"redeliver_ready":                       "pipeline",
}

func TestTheMetricsAreThoseOfTheContract(t *testing.T) {
	families, err := registry(t, orders()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, family := range families {
		var labels []string
		for _, l := range family.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		got[family.GetName()] = strings.Join(labels, ",")
	}
	if diff := cmp.Diff(contract, got); diff != "" {
		t.Errorf("-contract +exposed\n%s", diff)
	}
}

func TestPrometheusHasNothingToComplainAbout(t *testing.T) {
	problems, err := testutil.GatherAndLint(registry(t, orders()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTheCountsArriveUnderTheirLabels(t *testing.T) {
	want := `
redeliver_records_total{outcome="done",pipeline="orders",topic="orders"} 100
redeliver_records_total{outcome="retried",pipeline="orders",topic="orders"} 5
redeliver_records_total{outcome="dead",pipeline="orders",topic="g.orders.retry-60s"} 1
redeliver_attempts_total{class="none",pipeline="orders",severity="none"} 100
redeliver_attempts_total{class="network",pipeline="orders",severity="medium"} 6
redeliver_attempts_total{class="validation",pipeline="orders",severity="high"} 0
redeliver_handler_seconds_bucket{pipeline="orders",le="0.125"} 105
redeliver_handler_seconds_bucket{pipeline="orders",le="+Inf"} 106
redeliver_handler_seconds_sum{pipeline="orders"} 2
redeliver_handler_seconds_count{pipeline="orders"} 106
redeliver_lateness_seconds_bucket{pipeline="orders",tier="60s",le="0.25"} 6
redeliver_lateness_seconds_bucket{pipeline="orders",tier="60s",le="0.5"} 8
redeliver_lateness_seconds_count{pipeline="orders",tier="60s"} 10
redeliver_lateness_seconds_count{pipeline="orders",tier="1s"} 0
redeliver_in_flight{pipeline="orders"} 3
redeliver_fetched_records{pipeline="orders"} 5
redeliver_held_records{pipeline="orders"} 12
redeliver_learned_observations{class="network",dependency="payments-api",pipeline="orders"} 40
redeliver_learned_observations{class="system",dependency="payments-api",pipeline="orders"} 2
redeliver_learned_delay_seconds{class="network",dependency="payments-api",pipeline="orders"} 3
redeliver_tenants{pipeline="orders"} 3
redeliver_tenant_put_off_total{pipeline="orders"} 17
redeliver_tenant_in_flight{pipeline="orders",tenant="acme"} 2
redeliver_tenant_in_flight{pipeline="orders",tenant=""} 1
redeliver_tenant_waiting{pipeline="orders",tenant="acme"} 40
redeliver_limit_put_off_total{limit="per-user",pipeline="orders"} 9
redeliver_limit_ahead_seconds{limit="per-user",pipeline="orders"} 90
redeliver_limit_keys{limit="per-user",pipeline="orders"} 4
redeliver_held_keys{pipeline="orders",state="waiting"} 5
redeliver_held_keys{pipeline="orders",state="closed"} 2
redeliver_unread_keys_partitions{pipeline="orders"} 1
redeliver_faults{doing="commit",pipeline="orders"} 1
redeliver_faults{doing="fetch",pipeline="orders"} 0
redeliver_lost_records_total{pipeline="orders",topic="orders"} 80
redeliver_backlog{pipeline="orders",tier="source"} 7
redeliver_backlog{pipeline="orders",tier="60s"} 3
redeliver_backlog{pipeline="orders",tier="1s"} 0
redeliver_oldest_due_seconds{pipeline="orders",tier="60s"} 3
redeliver_dead_letters_total{class="network",pipeline="orders",reason="exhausted",severity="medium"} 1
redeliver_dead_letters_total{class="network",pipeline="orders",reason="not_retriable",severity="medium"} 0
redeliver_dead_letters_total{class="validation",pipeline="orders",reason="undecodable",severity="high"} 0
redeliver_dead_letters_total{class="none",pipeline="orders",reason="behind",severity="none"} 0
redeliver_breaker_state{dependency="payments-api",state="half_open"} 1
redeliver_breaker_state{dependency="payments-api",state="closed"} 0
redeliver_breaker_state{dependency="ledger",state="metrics_only"} 1
redeliver_breaker_parts{dependency="payments-api",state="open"} 2
redeliver_paused{pipeline="orders",reason="breaker"} 6
redeliver_paused{pipeline="orders",reason="data_loss"} 0
redeliver_route_failures_total{pipeline="orders"} 4
redeliver_commit_seconds_count{pipeline="orders"} 9
redeliver_retention_left_seconds{pipeline="orders",topic="g.orders.retry-60s"} 3600
redeliver_health_score{pipeline="orders"} 0.75`
	got := exposition(t, registry(t, orders()))
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		if strings.HasPrefix(line, `redeliver_oldest_due_seconds{pipeline="orders",tier="1s"`) || strings.HasPrefix(line, `redeliver_retention_left_seconds{pipeline="orders",topic="orders"`) {
			t.Errorf("there is nothing to say: %s", line)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

func TestPipelinesMayShareABreaker(t *testing.T) {
	second := orders()
	second.Pipeline = "refunds"
	if _, err := registry(t, orders(), second).Gather(); err != nil {
		t.Error(err)
	}
}

func TestAPipelineThatHasNotBegun(t *testing.T) {
	if _, err := registry(t, consumer.Stats{Pipeline: "orders"}).Gather(); err != nil {
		t.Error(err)
	}
}

// The series stay bounded when a pattern finds topics without end.
func TestTopicsBeyondTheBoundCountTogether(t *testing.T) {
	s := orders()
	s.Topics = nil
	for i := range maxTopics + 500 {
		topic := consumer.TopicStats{Topic: fmt.Sprintf("t%d", i), RetentionLeft: time.Duration(i+1) * time.Second}
		topic.Outcomes[consumer.Done] = 2
		s.Topics = append(s.Topics, topic)
	}
	lines := exposition(t, registry(t, s))
	series := 0
	for _, line := range lines {
		if strings.HasPrefix(line, `redeliver_records_total{outcome="done"`) {
			series++
		}
	}
	if series != maxTopics+1 {
		t.Errorf("%d topics have series, want %d", series, maxTopics+1)
	}
	for _, want := range []string{
		`redeliver_records_total{outcome="done",pipeline="orders",topic="other"} 1000`,
		`redeliver_retention_left_seconds{pipeline="orders",topic="other"} 1001`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

// Who has series of his own keeps them: else counters would go down when a topic came whose name sorts before the others.
func TestATopicKeepsItsSeriesWhenOthersCome(t *testing.T) {
	s := orders()
	add := func(name string) {
		topic := consumer.TopicStats{Topic: name}
		topic.Outcomes[consumer.Done] = 1
		s.Topics = slices.Insert(s.Topics, 0, topic)
	}
	s.Topics = nil
	for i := range maxTopics {
		add(fmt.Sprintf("m%d", i))
	}
	r := prometheus.NewRegistry()
	r.MustRegister(NewCollector(func() []Source { return []Source{fixed(s)} }))
	exposition(t, r)
	add("a-new-one")
	lines := exposition(t, r)
	for _, want := range []string{
		`redeliver_records_total{outcome="done",pipeline="orders",topic="m0"} 1`,
		`redeliver_records_total{outcome="done",pipeline="orders",topic="m999"} 1`,
		`redeliver_records_total{outcome="done",pipeline="orders",topic="other"} 1`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

// Producers choose what tenants are called, and one of them must not take every process down at its next scrape.
func TestATenantWhoseNameIsNoTextHarmsNothing(t *testing.T) {
	s := orders()
	s.Tenants, s.TenantsKnown = nil, 5
	long := strings.Repeat("ä", maxValue)
	for _, name := range []string{"\xff\xfe", "\xffacme", "line\nbreak", long, long + "!"} {
		s.Tenants = append(s.Tenants, consumer.TenantStats{Tenant: name, InFlight: 2})
	}
	lines := exposition(t, registry(t, s))
	for _, want := range []string{
		`redeliver_tenant_in_flight{pipeline="orders",tenant="` + "\uFFFD" + `"} 2`,
		`redeliver_tenant_in_flight{pipeline="orders",tenant="` + "\uFFFD" + `acme"} 2`,
		`redeliver_tenant_in_flight{pipeline="orders",tenant="line\nbreak"} 2`,
		`redeliver_tenant_in_flight{pipeline="orders",tenant="` + long[:maxValue] + `"} 4`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

func TestTenantsBeyondTheBoundCountTogether(t *testing.T) {
	s := orders()
	s.Tenants, s.TenantsKnown = nil, 1000
	for i := range 1000 {
		s.Tenants = append(s.Tenants, consumer.TenantStats{Tenant: fmt.Sprintf("tenant-%d", i), InFlight: 2, Windowed: 3})
	}
	lines := exposition(t, registry(t, s))
	series := 0
	for _, line := range lines {
		if strings.HasPrefix(line, "redeliver_tenant_in_flight{") {
			series++
		}
	}
	if series != maxTenants+1 {
		t.Errorf("%d tenants have series, want %d", series, maxTenants+1)
	}
	for _, want := range []string{
		`redeliver_tenant_in_flight{pipeline="orders",tenant="other"} 1900`,
		`redeliver_tenant_waiting{pipeline="orders",tenant="other"} 2850`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

func TestTheProcessIsShownToo(t *testing.T) {
	families, err := NewRegistry(func() []Source { return []Source{fixed(orders())} }).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	for _, want := range []string{"redeliver_backlog", "go_goroutines", "go_build_info", "process_resident_memory_bytes"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing from %v", want, names)
		}
	}
}

// exposition returns the lines that a scrape gets, without comments.
func exposition(t *testing.T, r *prometheus.Registry) (lines []string) {
	t.Helper()
	scrape := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	if scrape.Code != 200 {
		t.Fatalf("got %d: %s", scrape.Code, scrape.Body)
	}
	for line := range strings.Lines(scrape.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
