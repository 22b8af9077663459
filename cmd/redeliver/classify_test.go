package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

// rulesFile is a configuration with rules; its brokers are nowhere.
func rulesFile(t *testing.T) string {
	return configFile(t, pipelineOn([]string{"127.0.0.1:1"},
		"retry:",
		"  jitter: false",
		"  overrides: [{status: [409, 5xx], strategy: exponential, max_retries: 2}]",
		"classify:",
		"  rules:",
		"    - {match: quota, status: 429, class: rate_limited, notify: true}",
		"    - {status: [503, 504], tenant: acme, class: network, severity: critical}",
		"    - {when: 'attempt > 2 and header(\"region\") == \"eu\"', class: permanent, handling: hold}",
		"    - {sqlstate: \"40\", class: transient, handling: drop}",
		"  classes: {validation: {handling: retry}, system: {handling: dead_letter}}",
		"  notify: {url: \"http://127.0.0.1:9000/notices\"}",
	))
}

func TestClassifySaysWhichRuleMatched(t *testing.T) {
	config := rulesFile(t)
	for _, tt := range []struct {
		args  []string
		class string
		rule  int
		by    string
		then  string
	}{
		{[]string{"over quota", "--status", "429"}, "rate_limited", 1, `user rule 1: match "quota" and status 429`, "attempt 2 follows after 1s (the policy)"},
		{[]string{"over quota"}, "transient", 0, "default", "attempt 2 follows after 1s (the policy)"},
		{[]string{"--status", "503", "--tenant", "acme"}, "network", 2, "user rule 2: status 503/504 and tenant acme", "attempt 2 follows after 1s (override 1, 409/5xx)"},
		{[]string{"--status", "503", "--header", "redeliver-tenant=acme", "--attempt", "2"}, "network", 2, "", "attempt 3 follows after 3s (override 1, 409/5xx)"},
		{[]string{"--status", "503", "--attempt", "3"}, "transient", 0, "built-in: HTTP status 503", "the record becomes a dead letter (exhausted, by override 1, 409/5xx)"},
		{[]string{"x", "--attempt", "3", "--header", "region=eu"}, "permanent", 3, "", "the record is held until it is released or skipped (handling: hold)"},
		{[]string{"x", "--sqlstate", "40001"}, "transient", 4, "", "the record is dropped (handling: drop)"},
		{[]string{"--status", "400"}, "validation", 0, "", "attempt 2 follows after 1s (the policy)"},
		{[]string{"--status", "404"}, "permanent", 0, "", "the record becomes a dead letter (not_retriable, by the policy)"},
		{[]string{"panic: boom", "--type", "*consumer.PanicError"}, "system", 0, "marked system", "the record becomes a dead letter (handling: dead_letter)"},
		{[]string{"x", "--retry-after", "7s"}, "transient", 0, "default", "attempt 2 follows after 7s (the policy)"},
		{[]string{"--grpc", "PERMISSION_DENIED"}, "authentication", 0, "built-in: gRPC PERMISSION_DENIED", ""},
		{[]string{"dial tcp: connection refused", "--type", "syscall.Errno"}, "network", 0, "built-in: ECONNREFUSED", ""},
		{[]string{"read: EOF", "--type", "*errors.errorString"}, "network", 0, "built-in: io.EOF", ""},
		{[]string{"--type", "*net.DNSError"}, "network", 0, "built-in: net.DNSError", ""},
		{[]string{"x", "--type", "*vendor.CardError"}, "transient", 0, "default", ""},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			e := run(t, append([]string{"classify", "-c", config, "-o", "json"}, tt.args...)...)
			e.want(t, exitDone)
			var got tried
			if err := json.Unmarshal([]byte(e.out), &got); err != nil {
				t.Fatalf("%v in %s", err, e.out)
			}
			if got.Class != tt.class || got.Rule != tt.rule || tt.by != "" && got.Decided != tt.by || tt.then != "" && got.Then != tt.then {
				t.Errorf("got %s, rule %d, by %q, then %q", got.Class, got.Rule, got.Decided, got.Then)
			}
			if len(got.Rules) != 4 || got.Pipeline != "orders" {
				t.Errorf("got %d rules of pipeline %s", len(got.Rules), got.Pipeline)
			}
		})
	}
}

func TestClassifyShowsEveryRule(t *testing.T) {
	config := rulesFile(t)
	e := run(t, "classify", "-c", config, "over quota", "--status", "503", "--tenant", "acme")
	e.want(t, exitDone,
		"decided by  user rule 2: status 503/504 and tenant acme\n            "+config+":12:11\nwithout it  transient, built-in: HTTP status 503\n",
		"severity    critical\n",
		"RULE  CLASS         CONDITION       HOLDS  FOUND\n"+
			"1     rate_limited  match \"quota\"   yes    the text is \"over quota\"\n"+
			"                    status 429      no     the status is 503\n"+
			"2 *   network       status 503/504  yes    the status is 503\n"+
			"                    tenant acme     yes    it is \"acme\"\n"+
			"3     permanent     not asked              what came before has decided\n",
	)
	run(t, "classify", "-c", config, "odd").want(t, exitDone, "note        built-in rules know errors by type and codes, hardly by text")
	run(t, "classify", "-c", config, "over quota", "--status", "429").want(t, exitDone, "notified    whoever is named by classify.notify.url")
	bare := configFile(t, pipelineOn([]string{"127.0.0.1:1"}))
	run(t, "classify", "-c", bare, "--status", "503").want(t, exitDone, "The pipeline has no rules of its own (classify.rules).")
}

// A dependency that nobody declares is tried all the same, as a failure may name one, and told.
func TestClassifyTellsOfADependencyThatIsNotDeclared(t *testing.T) {
	config := configFile(t, pipelineOn([]string{"127.0.0.1:1"},
		"breaker: {dependency: shop}",
		"breakers: [{dependency: ledger}]",
		"classify: {rules: [{dependency: [ledger, bank], class: system}]}",
	))
	for dependency, want := range map[string]string{
		"shop": "default", "ledger": "user rule 1: dependency ledger/bank",
		"bank": "user rule 1: dependency ledger/bank", "legder": "default",
	} {
		e := run(t, "classify", "-c", config, "--status", "200", "--dependency", dependency, "-o", "json")
		e.want(t, exitDone)
		var got tried
		if err := json.Unmarshal([]byte(e.out), &got); err != nil {
			t.Fatalf("%v in %s", err, e.out)
		}
		note := ""
		if dependency == "bank" || dependency == "legder" {
			note = "no breaker is declared for " + dependency + ": a failure that names it counts against shop; the declared ones are shop, ledger"
		}
		if got.Decided != want || got.Note != note {
			t.Errorf("%s: decided by %q, note %q; want %q, %q", dependency, got.Decided, got.Note, want, note)
		}
	}
}

func TestClassifyRefusesWhatNoErrorCanBe(t *testing.T) {
	config := rulesFile(t)
	for args, want := range map[string]string{
		"":                               "describe an error: its text, --type, --status, --grpc or --sqlstate, or name a dead letter with --id",
		"x --id orders/0/1":              "not both",
		"--status 42":                    "want an HTTP status from 100 to 599",
		"--status many":                  `--status: "many" is no number`,
		"--grpc unavailable":             "did you mean UNAVAILABLE?",
		"--sqlstate 40":                  "want five digits and capital letters",
		"x --header region":              "want name=value",
		"x --header redeliver-attempt=1": "which no rule can ask for",
		"x --attempt 0":                  "from 1",
		"--id nothing":                   "nothing",
		"x y":                            "takes the text of an error, once",
		"x --pipeline nobody":            "nobody",
		"x --queue orders-dlt":           "--queue: it is where a dead letter is",
		"x --statsu 1":                   "did you mean --status?",
	} {
		run(t, append([]string{"classify", "-c", config}, strings.Fields(args)...)...).want(t, exitUsage, want)
	}
}

func TestClassifyTriesADeadLetter(t *testing.T) {
	m := newMorgue(t)
	e := m.run("classify", "--id", "orders/0/2", "-o", "json")
	e.want(t, exitDone)
	var got tried
	m.decode(e, &got)
	if got.Was != "network" || got.Class != "transient" || got.Error != "the shop is closed" || got.Type != "*errors.errorString" || got.ID == "" {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(got.Note, "it was network when it died") || !strings.Contains(got.Then, "becomes a dead letter (exhausted") {
		t.Errorf("got the note %q and then %q", got.Note, got.Then)
	}
	m.run("classify", "--id", "orders/0/2", "--status", "503").want(t, exitDone, "built-in: HTTP status 503")
	m.run("classify", "--id", "orders/0/99").want(t, exitFailed, "there is no such dead letter")
}

func TestWhatADeadLetterTellsOfItsError(t *testing.T) {
	for header, want := range map[string]described{
		"syscall.Errno: dial tcp: connection refused":           {typ: "syscall.Errno", text: "dial tcp: connection refused"},
		"*webhook.StatusError: 503 Service Unavailable: closed": {typ: "*webhook.StatusError", text: "503 Service Unavailable: closed", status: 503},
		"*fmt.wrapError: 503 is no status here":                 {typ: "*fmt.wrapError", text: "503 is no status here"},
		"no type: here":                                         {text: "no type: here"},
		"*a.B: two\nlines: x":                                   {typ: "*a.B", text: "two\nlines: x"},
		"":                                                      {},
	} {
		if got := (described{}).orOf(header); got != want {
			t.Errorf("%q: got %+v, want %+v", header, got, want)
		}
	}
	if got := (described{typ: "*x.Y", status: 409}).orOf("*webhook.StatusError: 503 x"); got.typ != "*x.Y" || got.status != 409 {
		t.Errorf("flags are not above the dead letter: %+v", got)
	}
}

// Every stand-in is of a type that the built-in rules know: else it would stand in for nothing.
func TestStandInsAreKnown(t *testing.T) {
	for _, err := range append(standIns, sentinels...) {
		if f := classify.New(nil).Classify(err); f.Rule == "default" {
			t.Errorf("no built-in rule knows %T", err)
		}
	}
}
