package config

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"
)

// sameConfig compares what files mean, not where it stands in them.
var sameConfig = cmp.Options{
	cmpopts.IgnoreFields(Config{}, "File", "Warnings", "Notices", "places"),
	cmpopts.IgnoreFields(Pipeline{}, "origin"),
	cmpopts.EquateEmpty(),
}

func contract(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func mustParse(t *testing.T, text string, env map[string]string) *Config {
	t.Helper()
	c, err := Parse("config.yaml", []byte(text), options(env))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A file that says nothing but what it has to means the same as one that writes every default out.
func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	written := mustParse(t, string(contract(t)), map[string]string{"KAFKA_PASSWORD": "secret"})
	silent := mustParse(t, `
kafka:
  brokers: [localhost:9092]
  sasl: {username: u, password: secret}
admin: {users: [{name: ops, token: 0123456789abcdef}]}
pipelines:
  - name: orders
    topics: [orders]
    handler: {http: {url: "http://127.0.0.1:9000/orders"}}
    retry:
      strategy: exponential
      overrides:
        - {class: rate_limited, strategy: fixed, initial_delay: 10s, max_retries: 20}
    classify:
      rules:
        - {match: "connection reset", class: network}
        - {status: 409, class: transient}
    limits:
      - {name: per-user, rate: 10/s}
    tenants: {header: redeliver-tenant}
    priority: {header: redeliver-priority}
`, nil)
	if diff := cmp.Diff(written, silent, sameConfig); diff != "" {
		t.Errorf("written out, and left out (-written +left out):\n%s", diff)
	}
}

func TestTheContractNamesEveryKey(t *testing.T) {
	var file any
	if err := yaml.Unmarshal(contract(t), &file); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	collect("", file, named)
	// They contradict others in one file, or stand there for a pipeline.
	elsewhere := []string{"pipelines[].retry.backoff_factor", "pipelines[].retry.custom", "pipelines[].classify.notify.url", "pipelines[].classify.notify.headers"}
	walk(fileKeys(new(Config)), "", func(path string, k key) {
		if strings.HasPrefix(path, "defaults.") || strings.HasPrefix(path, "clusters[].") || strings.HasPrefix(path, "pipelines[].retry.overrides[].") || strings.HasPrefix(path, "pipelines[].retry.experiment") || strings.HasPrefix(path, "pipelines[].breakers[].") || strings.HasPrefix(path, "pipelines[].classify.rules[].") ||
			strings.HasPrefix(path, "pipelines[].classify.classes") && strings.HasSuffix(path, ".handling") || slices.Contains(elsewhere, path) {
			return
		}
		if !named[path] {
			t.Errorf("testdata/contract.yaml lacks %s", path)
		}
	})
}

// collect notes the paths of all keys in a value that was decoded from YAML.
func collect(path string, v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			into[join(path, name)] = true
			collect(join(path, name), below, into)
		}
	case []any:
		for _, item := range v {
			collect(path+"[]", item, into)
		}
	}
}

func TestMaxRetriesFollowTheStrategy(t *testing.T) {
	for retry, want := range map[string]int{
		"{}":                                   3,
		"{tiers: [1s, 5s]}":                    2,
		"{strategy: fixed}":                    5,
		"{strategy: exponential, tiers: auto}": 5,
		"{in_place: {max: 2}}":                 5,
		"{max_retries: 0}":                     0,
	} {
		c := mustParse(t, inPipeline("retry: "+retry), nil)
		if got := c.Pipelines[0].Retry.MaxRetries; got != want {
			t.Errorf("retry: %s gives max_retries %d, want %d", retry, got, want)
		}
		schedule, err := c.Pipelines[0].Policy().Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got := len(schedule.Timetable(1)) - 1; got != want {
			t.Errorf("retry: %s is retried %d times, want %d", retry, got, want)
		}
	}
}

// What config show prints is itself a configuration, of the same meaning.
func TestWhatIsPrintedCanBeReadAgain(t *testing.T) {
	files := map[string]string{
		"example":  Example,
		"contract": string(contract(t)),
		"a breaker that says what does not count": inPipeline("breaker: {ignore: [rate_limited], open_multiplier: 2, open_for: 10m}"),
		"several breakers":                        inPipeline("breaker: {by: 'host:x-callback', parts: 50}\nbreakers: [{dependency: ledger, failures: 3}, {dependency: mail, ignore: [system]}]"),
		"short tiers and a window of calls": inPipeline(`
retry: {tiers: [50ms, 2m], max_retries: 9}
breaker: {window: 10, slow_call: 0}
dlq: {retention: 7d, admission: {enabled: false}}
start: 2026-01-31T00:00:00Z`),
		"experiment": inPipeline("retry: {experiment: {name: e, variants: [{name: a}, {name: b, weight: 3, tiers: [5s], total_timeout: 1h, in_place: {max: 2}, adaptive: {enabled: true}}]}}"),
		"job types":  inPipeline("retry: {strategy: fixed, experiment: {name: e, by: job_type, variants: [{name: a, job_types: [x]}, {name: b, job_types: [y, z], strategy: linear, backoff_factor: 2}]}}"),
		"auto":       inPipeline("retry: {strategy: linear, tiers: auto, overrides: [{status: 503, jitter: false}, {topic: orders, max_retries: 0}]}"),
		"eager":      inPipeline("group_protocol: eager"),
		"tenants":    inPipeline("tenants: {header: x-customer, weights: {acme: 3, 'a b': 0.5}, max_in_flight: 9}\npriority: {header: p, ageing: 1m}"),
		"limits":     inPipeline("limits: [{name: a, rate: 10/m, by: 'header:x-customer', burst: 3}, {name: b, rate: 0.5/s, by: dependency}]"),
		"KIP-848":    inPipeline("group_protocol: consumer"),
		"no dlq":     inPipeline("dlq: {enabled: false, exhausted: drop}"),
		"odd texts": inPipeline(`
instance_id: "007"
group: "true"
classify: {rules: [{match: "^a: [#]$", class: network}]}`),
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			first := mustParse(t, text, map[string]string{"KAFKA_PASSWORD": masked, "ADMIN_TOKEN": masked})
			printed, err := first.YAML()
			if err != nil {
				t.Fatal(err)
			}
			second := mustParse(t, printed, nil)
			if diff := cmp.Diff(first, second, sameConfig); diff != "" {
				t.Errorf("read again it differs:\n%s\nprinted:\n%s", diff, printed)
			}
			if _, err := json.Marshal(mustValues(t, first)); err != nil {
				t.Error(err)
			}
		})
	}
}

func mustValues(t *testing.T, c *Config) map[string]any {
	t.Helper()
	values, err := c.Values()
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestTheExampleIsTheFileAtTheTop(t *testing.T) {
	text, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Example {
		t.Error("config.yaml at the top of the project and internal/config/example.yaml differ; copy one over the other")
	}
	c := mustParse(t, Example, nil)
	if len(c.Warnings) > 0 {
		t.Errorf("the example is warned about: %v", c.Warnings)
	}
	if c.Kafka.Brokers[0] != "localhost:9092" || !strings.HasPrefix(c.Pipelines[0].Handler.HTTP.URL, "http://127.0.0.1:9000/") {
		t.Errorf("the example does not run on a machine by itself: %+v", c)
	}
}
