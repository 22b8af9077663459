package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

func TestDefaultsAreMergedUnderEveryPipeline(t *testing.T) {
	c := mustParse(t, `
kafka: {brokers: [a:9092]}
defaults:
  concurrency: 8
  handler: {timeout: 5s, http: {headers: {Authorization: x, Accept: z}}}
  retry: {tiers: [2s, 20s], overrides: [{class: network, max_retries: 7}]}
  breaker:
pipelines:
  - name: one
    topics: [one]
    handler: {http: {url: "http://one"}}
  - name: two
    topics: [two]
    concurrency: 9
    handler: {timeout: 6s, http: {url: "http://two", headers: {Accept: y}}}
    retry: {overrides: [{class: system, max_retries: 1}]}
`, nil)
	one, two := c.Pipelines[0], c.Pipelines[1]
	check(t, "one.concurrency", one.Concurrency, 8)
	check(t, "two.concurrency", two.Concurrency, 9)
	check(t, "one.handler.timeout", one.Handler.Timeout, 5*time.Second)
	check(t, "two.handler.timeout", two.Handler.Timeout, 6*time.Second)
	check(t, "two.handler.http.url", two.Handler.HTTP.URL, "http://two")
	check(t, "two.handler.http.headers, merged key by key", two.Handler.HTTP.Headers, map[string]string{"Authorization": "x", "Accept": "y"})
	check(t, "two.retry.tiers", two.Retry.Tiers, []time.Duration{2 * time.Second, 20 * time.Second})
	check(t, "two.retry.overrides, taken as a whole", two.Retry.Overrides[0].Class, "system")
	check(t, "number of two.retry.overrides", len(two.Retry.Overrides), 1)
	check(t, "one.retry.overrides", one.Retry.Overrides[0].Class, "network")
}

// A key under defaults: that one pipeline's strategy does not have is for the others.
func TestDefaultsMaySayWhatOnlySomeStrategiesHave(t *testing.T) {
	c := mustParse(t, `
kafka: {brokers: [a:9092]}
defaults: {retry: {strategy: exponential, multiplier: 2}}
pipelines:
  - {name: one, topics: [one], handler: {http: {url: "http://one"}}}
  - {name: two, topics: [two], handler: {http: {url: "http://two"}}, retry: {strategy: fixed}}
`, nil)
	check(t, "one's multiplier", c.Pipelines[0].Policy().Strategy, retrytopics.Strategy(retrytopics.Exponential{Initial: time.Second, Multiplier: 2}))
	check(t, "two's strategy", c.Pipelines[1].Policy().Strategy, retrytopics.Strategy(retrytopics.Fixed{Wait: time.Second}))
}

func TestAMistakeInDefaultsIsToldOnceAndThere(t *testing.T) {
	_, err := Parse("config.yaml", []byte(`kafka: {brokers: [a:9092]}
defaults:
  drain: 5m
  concurency: 3
  ordering:
pipelines:
  - {name: one, topics: [one], handler: {http: {url: "http://one"}}}
  - {name: two, topics: [two], handler: {http: {url: "http://two"}}}
`), options(nil))
	check(t, "problems", places(err), []string{"3:10", "4:3", "5:3"})
}

func TestVariablesAreReplacedInsideValues(t *testing.T) {
	c := mustParse(t, `
kafka:
  brokers: "${BROKERS}"
  client_id: a-${NAME}-${MISSING:-b}${EMPTY:-c}${EMPTY}
defaults:
  concurrency: ${N}
pipelines:
  - name: orders
    topics: ["${TOPIC:-a}", '/x$${y}$/']
    handler: {http: {url: "http://127.0.0.1:9000/${NAME}"}}
    classify: {rules: [{match: "${PATTERN}", class: network}]}
`, map[string]string{"BROKERS": "one:1, two:2,", "NAME": "x: [y]", "EMPTY": "", "N": "12", "PATTERN": "a # b${NAME}"})
	check(t, "one text with commas", c.Kafka.Brokers, []string{"one:1", "two:2"})
	check(t, "text is never YAML again", c.Kafka.ClientID, "a-x: [y]-bc")
	check(t, "a number", c.Pipelines[0].Concurrency, 12)
	check(t, "a default, and $${", c.Pipelines[0].Topics, []string{"a", "/x${y}$/"})
	check(t, "and not replaced again", c.Pipelines[0].Classify.Rules[0].Match, "a # b${NAME}")
}

func TestEveryUnsetVariableIsToldAtItsPlace(t *testing.T) {
	_, err := Parse("config.yaml", []byte(`kafka:
  brokers: ["${A}:9092", "x:1"]
  client_id: 'ä-${B}-${C:-}-${D}'
  sasl:
    username: >-
      folded
      ${E}
    password: p
pipelines:
  - {name: orders, topics: [orders], handler: {http: {url: "http://x/${F}"}}}
`), options(nil))
	check(t, "problems", places(err), []string{"2:14", "3:17", "3:29", "7:7", "10:70"})
}

func TestAnchorsAndMergesKeepThePlaceOfTheirValues(t *testing.T) {
	c := mustParse(t, `
x-policies:
  slow: &slow {strategy: fixed, initial_delay: 30s}
  patient: &patient
    <<: *slow
    max_retries: 50
kafka: {brokers: &brokers [a:1]}
pipelines:
  - name: one
    topics: [one]
    handler: &handler {http: {url: "http://one", headers: {<<: &h {A: merged, B: merged}, A: own}}}
    retry: {<<: [*patient, {strategy: linear, tiers: [3s]}], initial_delay: 40s}
  - name: two
    topics: [two]
    handler: *handler
`, nil)
	r := c.Pipelines[0].Retry
	check(t, "its own key is the strongest", r.InitialDelay, 40*time.Second)
	check(t, "then the first that is merged", r.Strategy, "fixed")
	check(t, "then the next", r.Tiers, []time.Duration{3 * time.Second})
	check(t, "merged through a merge", r.MaxRetries, 50)
	check(t, "in a section of one's own names, too", c.Pipelines[0].Handler.HTTP.Headers, map[string]string{"A": "own", "B": "merged"})
	check(t, "an alias", c.Pipelines[1].Handler.HTTP.URL, "http://one")

	_, err := Parse("config.yaml", []byte(`x-base: &base
  strategy: fixedd
kafka: {brokers: [a:1]}
pipelines:
  - {name: one, topics: [one], handler: {http: {url: "http://one"}}, retry: *base}
  - {name: two, topics: [two], handler: {http: {url: "http://two"}}, retry: {<<: *base}}
`), options(nil))
	check(t, "problems of an anchor", places(err), []string{"2:13"})
}

func TestAllProblemsAreToldInTheOrderOfTheFile(t *testing.T) {
	_, err := Parse("config.yaml", []byte(`kafka: {brokers: [a]}
log: {level: loud}
pipelines:
  - name: one
    topics: [one]
    drain: 1
    handler: {http: {url: "ftp://one"}}
    retry: {tiers: [2s, 1s]}
  - topics: [two]
`), options(nil))
	check(t, "problems", places(err), []string{"1:19", "2:14", "6:12", "7:27", "8:25", "9:5", "9:5"})
}

func TestAProblemShowsItsLineAndACaret(t *testing.T) {
	_, err := Parse("config.yaml", []byte("kafka: {brokers: [a:1]}\npipelines:\n  - name: one\n    topics: [one]\n    handler: {http: {url: \"http://one\"}}\n    drain: 1m30\n"), options(nil))
	want := `config.yaml:6:12: drain: "1m30" is no duration; its units are d, h, m, s, ms; want a duration from 1ms to 1d: drain: 30s
    6 |     drain: 1m30
      |            ^`
	check(t, "message", err.Error(), want)
}

func TestALongLineIsShownAroundTheCaret(t *testing.T) {
	p := Problem{File: "f", Line: 1, Column: 301, Message: "m", Source: strings.Repeat("a", 300) + "X" + strings.Repeat("b", 300)}
	lines := strings.Split(p.Error(), "\n")
	if len([]rune(lines[1])) > 140 {
		t.Errorf("a line of %d characters", len([]rune(lines[1])))
	}
	if at := strings.IndexRune(lines[2], '^'); []rune(lines[1])[at] != 'X' {
		t.Errorf("the caret stands at another place:\n%s\n%s", lines[1], lines[2])
	}
	tabs := Problem{File: "f", Line: 1, Column: 3, Message: "m", Source: "\té\tx"}
	check(t, "tabs stay tabs before the caret", strings.HasSuffix(tabs.Error(), "| \t ^"), true)
}

// A file with escape sequences, wrong as it is, must not act on the terminal that its mistakes are shown on.
func TestShownLinesHaveNoControlCharacters(t *testing.T) {
	for name, text := range map[string]string{
		"escape":        "a: \"\x1b[31mred\x1b[0m\"\n",
		"not UTF-8":     "a: \"\xff\x1b[31mred\"\n",
		"right-to-left": "a: \u202eb\n",
	} {
		_, err := Parse("config.yaml", []byte(text), options(nil))
		if shown := err.Error(); strings.ContainsAny(shown, "\x1b\u202e") {
			t.Errorf("%s: shown as %q", name, shown)
		}
	}
}

// No secret appears in a message, in the lines that are shown, or in what is printed.
func TestSecretsAreNeverShown(t *testing.T) {
	secrets := []string{"hunter2", "tr0ub4dor", "c0rrect", "b4ttery", "st4ple", "h0rse"}
	for _, text := range []string{
		"kafka: {brokers: [a], sasl: {mechanism: x, username: u, password: hunter2}}\npipelines: []",
		"kafka:\n  sasl:\n    password: \"hunter2, tr0ub4dor\"\n    mechanism: x\n    username: u\npipelines: []",
		"kafka:\n  sasl: {password: [hunter2]}\npipelines: []",
		"kafka: {sasl: {password: hunter2\n",
		"kafka: {sasl: {\"password\": 'hunter2 @\n",
		"kafka: {brokers: [a:1], sasl: {username: u, password: {a: hunter2}, zzz: 1}}\npipelines: []",
		"kafka:\n  brokers: [a:1]\n  sasl:\n    username: u\n    password: |\n      hunter2\n      tr0ub4dor\n    zzz: x\npipelines: []",
		with("zzz: 1", "{url:", "{headers: {Authorization: Bearer hunter2, X-Thing: tr0ub4dor, Host: c0rrect}, url:"),
		with("zzz: 1", "http://127.0.0.1:9000/orders", "ftp://me:hunter2@h/x"),
		"kafka:\n  brokers: [a:1]\n  sasl:\n    username: u\n    password: |\n      hunter2 ${NOT_SET}\n      tr0ub4dor\n",
		"kafka:\n  brokers: [a:1]\n  sasl:\n    username: u\n    password: 'hunter2\n      ${NOT_SET} tr0ub4dor'\n",
		"x: &p {password: hunter2}\nkafka: {sasl: {<<: *p, mechanism: z}}\n",
		"kafka: {brokers: [a:1], sasl: {username: u, password: hunter2, password_file: x}}\npipelines: [{}]",
	} {
		_, err := Parse("config.yaml", []byte(text), options(nil))
		if err == nil {
			t.Fatalf("no problem in\n%s", text)
		}
		for _, secret := range secrets {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s is shown:\n%v", secret, err)
			}
		}
	}
	c := mustParse(t, strings.Replace(with("drain: 30s", "kafka: {", "kafka: {sasl: {username: u, password: hunter2}, "),
		`{url: "http://127.0.0.1`, `{headers: {Authorization: tr0ub4dor}, proxy: "socks5://me:b4ttery@proxy:1080", url: "HTTP://me:c0rrect@127.0.0.1`, 1), nil)
	printed, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if strings.Contains(printed, secret) {
			t.Errorf("%s is printed:\n%s", secret, printed)
		}
	}
	west := mustParse(t, atTop("clusters: [{name: west, brokers: ['west:9092'], sasl: {username: u, password: hunter2}}]"), nil)
	if there, err := west.YAML(); err != nil || strings.Contains(there, "hunter2") || !strings.Contains(there, "west:9092") {
		t.Errorf("another cluster is printed with its password, or not at all (%v):\n%s", err, there)
	}
	if !strings.Contains(printed, "password: '******'") || !strings.Contains(printed, "Authorization: '******'") || !strings.Contains(printed, "HTTP://******@127.0.0.1") || !strings.Contains(printed, "socks5://******@proxy:1080") {
		t.Errorf("secrets are not masked but left out:\n%s", printed)
	}
}

func TestWarningsAreNoMistakes(t *testing.T) {
	for text, want := range map[string]string{
		inPipeline("dlq: {retention: 7d}"):                                                                 "6:22: dlq.retention: dead letters older than 7d expire",
		atTop("index: {kind: none, path: /tmp}"):                                                           "2:27: index.path has no effect with index.kind: none",
		inPipeline("dlq: {redact: {text: [card]}}") + "index: {keep: 30d}\n":                               "7:15: index.keep: dead letters of which pipelines[0].dlq.redact hides a part are not kept",
		atTop("fleet: {topic: a.redeliver-control}"):                                                       "2:16: fleet.topic has no effect while no pipeline has breaker.scope: fleet",
		atTop("admin: {listen: ':8080', insecure: true, users: [{name: a, token: 0123456789abcdef}]}"):     "2:17: admin.listen: whoever listens to the network hears the tokens",
		atTop("kafka: {brokers: [a:1], sasl: {mechanism: plain, username: u, password: \"${PASSWORD}\"}}"): "1:43: kafka.sasl.mechanism: plain sends the password unencrypted",
	} {
		c := mustParse(t, text, map[string]string{"PASSWORD": "p"})
		all := slices.Concat(c.Warnings, c.Notices)
		if len(all) != 1 || !strings.HasPrefix(strings.TrimPrefix(all[0].Error(), "config.yaml:"), want) {
			t.Errorf("warnings and notices %v, want %s", all, want)
		}
	}
}

func TestAnAbsentFileSaysHowToBeginOne(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "config.yaml"), Options{})
	var file *FileError
	if !errors.As(err, &file) || !strings.Contains(err.Error(), "config.yaml; name one with -c FILE, or begin one with: redeliver config example > config.yaml") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(t.TempDir(), Options{}); !errors.As(err, &file) || !strings.Contains(err.Error(), "cannot be read: is a directory") {
		t.Errorf("of a directory: got %v", err)
	}
}

func TestABOMAndWindowsLineEndsAreFine(t *testing.T) {
	text := "\ufeff" + strings.ReplaceAll(inPipeline("drain: 29s"), "\n", "\r\n")
	check(t, "drain", mustParse(t, text, nil).Pipelines[0].Drain, 29*time.Second)
	_, err := Parse("config.yaml", []byte(strings.Replace(text, "29s", "x", 1)), options(nil))
	check(t, "problems", places(err), []string{"6:12"})
}

func TestEmbeddedNeedsNoBrokers(t *testing.T) {
	text := strings.Replace(inPipeline("drain: 30s"), "kafka: {brokers: [localhost:9092]}\n", "", 1)
	o := options(nil)
	o.Embedded = true
	if _, err := Parse("config.yaml", []byte(text), o); err != nil {
		t.Error(err)
	}
	if _, err := Parse("config.yaml", []byte(text), options(nil)); err == nil {
		t.Error("without the embedded broker kafka.brokers is required")
	}
}

func TestPlacesCanBeAskedForLater(t *testing.T) {
	c := mustParse(t, inPipeline("drain: 30s"), nil)
	for path, want := range map[string]string{
		"kafka.brokers":          "config.yaml:1:18",
		"kafka.brokers[0]":       "config.yaml:1:19",
		"pipelines[0].topics[0]": "config.yaml:4:14",
		"pipelines[0].retry.x.y": "config.yaml:3:5",
		"pipelines[0].drain":     "config.yaml:6:12",
		"nowhere":                "config.yaml:1:1",
	} {
		check(t, path, c.At(path), want)
	}
}

func TestAPatternMatchesWholeNamesAndNoRetryTopic(t *testing.T) {
	c := mustParse(t, with("retry: {topic: '{group}-{topic}-again-{delay}'}", "[orders]", "[fixed, /order.*/]"), nil)
	existing := []string{"orders", "order", "my-orders", "fixed", "orders.orders.dlq", "orders.orders.retry-1s", "orders-order-again-10s", "ordersX"}
	check(t, "sources", c.Pipelines[0].Sources(existing), []string{"fixed", "order", "orders", "ordersX"})
}

func TestPipelinesBecomeConsumers(t *testing.T) {
	c := mustParse(t, string(contract(t)), map[string]string{"KAFKA_PASSWORD": "p"})
	none := consumer.HandlerFunc(nil)
	all, err := c.Consumers(func(p *Pipeline) (consumer.Handler, error) {
		check(t, "url", p.Handler.HTTP.URL, "http://127.0.0.1:9000/orders")
		return none, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := all[0]
	check(t, "brokers", got.Brokers, []string{"localhost:9092"})
	check(t, "client options", len(got.ClientOptions), 1)
	check(t, "group", got.Group, "orders")
	check(t, "concurrency", got.Concurrency, 64)
	check(t, "ordering", got.Ordering, consumer.ByKey)
	check(t, "window", got.Window, consumer.Window{Records: 10000, Bytes: 64 << 20})
	check(t, "dead letters", got.DeadLetters, consumer.DeadLetters{Burst: 1000, PerSuccess: 4})
	check(t, "breaker", got.Breaker, got.Breaker.WithDefaults())
	check(t, "rules", len(got.Classify), 2)
	check(t, "topic settings", got.TopicSettings, consumer.TopicSettings{})

	c = mustParse(t, strings.Replace(inPipeline(`
ordering: none
start: latest
on_data_loss: skip
breaker: {enabled: false, window: 50, slow_call: 0}
dlq: {enabled: false, exhausted: drop, admission: {enabled: false}}
retry: {max_retries: 0, jitter: false}`), "[orders]", "[orders, /clicks-.*/]", 1)+"topics: {create: false, replication_factor: 2}\n", nil)
	all, err = c.Consumers(func(*Pipeline) (consumer.Handler, error) { return none, nil })
	if err != nil {
		t.Fatal(err)
	}
	got = all[0]
	check(t, "ordering", got.Ordering, consumer.Unordered)
	check(t, "start", got.Start == consumer.Latest(), true)
	check(t, "on_data_loss", got.OnDataLoss, consumer.SkipDataLoss)
	check(t, "breaker off", got.Breaker.Mode, breaker.Disabled)
	check(t, "no parts", got.Parts.By == nil, true)
	check(t, "slow calls off", got.Breaker.SlowCall < 0, true)
	check(t, "a window of calls", got.Breaker.WindowCalls, 50)
	check(t, "dead letters", got.DeadLetters, consumer.DeadLetters{Disabled: true, Drop: true, Burst: -1, PerSuccess: 4})
	check(t, "no retries", got.Retry.MaxRetries, retrytopics.NoRetries)
	check(t, "no jitter", got.Retry.NoJitter, true)
	check(t, "topics", got.Topics, []string{"orders"})
	check(t, "patterns", got.TopicPatterns[0].String(), "clicks-.*")
	check(t, "topic settings", got.TopicSettings, consumer.TopicSettings{Manual: true, ReplicationFactor: 2})
}

func TestBreakersBecomeDependencies(t *testing.T) {
	c := mustParse(t, inPipeline(`
breaker: {by: "host:callback", parts: 5}
breakers: [{dependency: ledger, ignore: [system], half_open_for: 0}, {dependency: mail, by: tenant}, {dependency: crm, by: "header:region"}]`), nil)
	all, err := c.Consumers(func(*Pipeline) (consumer.Handler, error) {
		return consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return nil }), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := all[0]
	check(t, "parts of the first", got.Parts.By != nil && got.Parts.Most == 5, true)
	check(t, "dependencies", len(got.Dependencies), 3)
	ledger := got.Dependencies[0]
	check(t, "name", ledger.Breaker.Dependency, "ledger")
	check(t, "no limit", ledger.Breaker.HalfOpenFor < 0, true)
	check(t, "counts", len(ledger.CountsAgainst) == 4 && !slices.Contains(ledger.CountsAgainst, classify.System), true)
	check(t, "whole", ledger.Parts.By == nil, true)
	check(t, "by tenant", got.Dependencies[1].Parts.By != nil && got.Dependencies[2].Parts.By != nil, true)
	if _, err := consumer.New(all[0]); err != nil {
		t.Errorf("the engine refuses it: %v", err)
	}
}

func TestAHandlerThatCannotBeMadeNamesItsPlace(t *testing.T) {
	c := mustParse(t, inPipeline("drain: 30s"), nil)
	_, err := c.Consumers(func(*Pipeline) (consumer.Handler, error) { return nil, os.ErrInvalid })
	if !errors.Is(err, os.ErrInvalid) || !strings.HasPrefix(err.Error(), "config.yaml:5:14: pipeline orders: ") {
		t.Errorf("got %v", err)
	}
}

func TestOverridesTakeTheRestFromThePolicy(t *testing.T) {
	c := mustParse(t, inPipeline(`
retry:
  strategy: exponential
  initial_delay: 2s
  max_retries: 4
  overrides:
    - {class: network, initial_delay: 5s}
    - {status: 429, strategy: fixed, initial_delay: 10s}
    - {class: system, max_retries: 0}
    - {topic: orders, tenant: acme, jitter: false, total_timeout: 0}
    - {status: [409, 5xx], strategy: custom, custom: fibonacci, total_timeout: 1h}`), nil)
	got := c.Pipelines[0].Policy().Overrides
	check(t, "another delay of the same strategy keeps the retries", got[0], retrytopics.Override{Class: 3, Strategy: retrytopics.Exponential{Initial: 5 * time.Second, Multiplier: 3}, MaxRetries: 4})
	check(t, "another strategy has its own", got[1], retrytopics.Override{Status: classify.StatusesOf(429), Strategy: retrytopics.Fixed{Wait: 10 * time.Second}})
	check(t, "none", got[2].MaxRetries, retrytopics.NoRetries)
	check(t, "jitter off", got[3].NoJitter, true)
	check(t, "whose", got[3].Name(), "topic:orders+tenant:acme")
	check(t, "no time-out", got[3].TotalTimeout, -1)
	check(t, "several statuses", got[4].Name(), "409/5xx")
	check[retrytopics.Strategy](t, "a registered strategy, with the pipeline's delay", got[4].Strategy, retrytopics.Fibonacci{Initial: 2 * time.Second})
	check(t, "another time-out", got[4].TotalTimeout, time.Hour)
}

func TestAPasswordFileIsReadAtEveryConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	s := SASL{PasswordFile: path}
	for _, password := range []string{"one\n", "two\r\n"} {
		if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := secret(s.Password, s.PasswordFile)
		if err != nil {
			t.Fatal(err)
		}
		check(t, "password", got, strings.TrimSpace(password))
	}
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// places returns line:column of all problems.
func places(err error) []string {
	var problems Problems
	errors.As(err, &problems)
	var all []string
	for _, p := range problems {
		all = append(all, strings.TrimPrefix(placeText("", Place{p.Line, p.Column}), ":"))
	}
	return all
}

// One key that cannot be read does not hide what is wrong with others beside it.
func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	_, err := Parse("config.yaml", []byte(`kafka: {brokers: [a:9092]}
pipelines:
  - name: orders
    topics: [orders]
    handler: {http: {url: "http://h"}}
    retry: {tiers: [10s, 1s], topic: "{group}.x", jitter: maybe, hold_key: true}
`), options(nil))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	for _, want := range []string{"tiers ascend", "needs {delay}", `"maybe" is not true or false`, "retry.hold_key needs delivery"} {
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("%q is missing in\n%s", want, problems.Error())
		}
	}
}
