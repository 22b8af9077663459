package config

import (
	"errors"
	"strings"
	"testing"
)

// What validate accepts, run can make: no rule of the packages that the configuration is for is missing among the rules here,
// which say where the mistake stands.
func TestWhatIsAcceptedCanBeRun(t *testing.T) {
	bases := map[string]string{
		"tiered":      "",
		"exponential": "strategy: exponential",
		"linear":      "strategy: linear, tiers: auto",
		"fixed":       "strategy: fixed, max_retries: 7",
		"immediate":   "strategy: immediate",
		"overridden":  "overrides: [{class: network, strategy: linear}, {status: 429, strategy: fixed, initial_delay: 10s}]",
	}
	values := strings.Fields(`0 1 2 3 20 32 33 100 599 1000 10000 100000 1000000 -1 0.001 0.5 1.5 999.5
		1ns 1us 0.5ms 1ms 2ms 99ms 100ms 1s 1500ms 5s 24s 25s 29999ms 30s 59s 60s 61s 2m 30m 1h 12h 23h 1d 7d 29d 30d 3650d 36500d
		2KiB 3KiB 1MiB 64MiB 1GiB true false auto [1s] [1ms,2ms] [1s,30d] [] [orders] [/orders.*/] ["/o(a|b)/",orders] [orders.retry-1s] [orders-again-7s] [a.b.dlq]
		x . .. a.b a_b orders {} {"X-A":1} "{group}-again-{delay}" "{group}.{topic}.{delay}" "{topic}{delay}{group}" "{group}.{topic}" "{group}.dlq" "{group}-again-1s"
		drop hold release retry key none partition skip latest exactly_once_routing warn json network rate_limited scram-sha-256 plain
		http://h/ https://u:p@h/x?y http://[::1]:1/ :0 127.0.0.1:0 "[::1]:9" localhost:1 2026-01-31T00:00:00Z`)
	read := make(map[string]*value)
	for _, text := range values {
		read[text] = parsed(text)
	}
	tried, accepted := 0, 0
	for name, retry := range bases {
		walk(fileKeys(new(Config)), "", func(path string, k key) {
			if k.read == nil || !strings.HasPrefix(path, "pipelines[].") || retry != "" && !strings.Contains(path, ".retry.") {
				return
			}
			for _, text := range values {
				if k.read(read[text]) != nil {
					continue // no such value, whatever stands around it
				}
				file := withValue(path, text, retry)
				tried++
				c, err := Parse("config.yaml", []byte(file), Options{Embedded: true, Lookup: options(nil).Lookup})
				if problems := (Problems)(nil); errors.As(err, &problems) {
					continue
				}
				accepted++
				if err := canBeRun(c); err != nil {
					t.Errorf("%s: %s: %s is accepted and cannot be run: %v\n%s", name, path, text, err, file)
				}
			}
		})
	}
	if accepted < tried/4 {
		t.Errorf("of %d files only %d were accepted: is the file around the values right?", tried, accepted)
	}
	t.Logf("%d files, %d accepted", tried, accepted)
}

// withValue is a good file with the value at a path in its one pipeline. What else a pipeline needs comes from defaults.
func withValue(path, value, retry string) string {
	inner := strings.TrimPrefix(path, "pipelines[].")
	parts := strings.Split(inner, ".")
	line := parts[len(parts)-1] + ": " + value
	switch needs := map[string]string{"match": "class: network", "class": "match: x", "status": "class: network"}; {
	case strings.Contains(inner, "rules[]."):
		line += ", " + needs[parts[len(parts)-1]]
	case strings.Contains(inner, "overrides[].") && needs[parts[len(parts)-1]] == "":
		line += ", class: network"
	}
	for i := len(parts) - 2; i >= 0; i-- {
		if list, is := strings.CutSuffix(parts[i], "[]"); is {
			line = list + ": [{" + line + "}]"
		} else {
			line = parts[i] + ": {" + line + "}"
		}
	}
	name := "name: orders"
	if inner == "name" {
		name = "group: orders"
	}
	return "defaults:\n  topics: [orders]\n  handler: {http: {url: \"http://127.0.0.1:9000/orders\"}}\n  retry: {" + retry + "}\n" +
		"pipelines:\n  - " + name + "\n    " + line + "\n"
}
