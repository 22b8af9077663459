package main

import (
	"os"
	"strings"
	"testing"
)

func TestWrongUsageIsStatus2AndSaysWhatIsRight(t *testing.T) {
	for line, want := range map[string]string{
		"valdate":                       `there is no command "redeliver valdate"; did you mean "redeliver validate"?`,
		"frobnicate":                    `there is no command "redeliver frobnicate"; there are `,
		"topics pln":                    `did you mean "redeliver topics plan"?`,
		"replay strat":                  `redeliver replay takes no argument, got "strat"; did you mean "redeliver replay start"?`,
		"topics destroy":                `there is no command "redeliver topics destroy"; there are acls, apply, plan`,
		"config x":                      `there are example, keys, schema, show`,
		"replay k7qp-3-1042":            `redeliver replay takes no argument, got "k7qp-3-1042"; did you mean --id k7qp-3-1042?`,
		"replay 20251123-121320-5f1c":   `redeliver replay takes no argument, got "20251123-121320-5f1c"`,
		"validate x":                    `redeliver validate takes no argument, got "x"`,
		"validate --conect":             `unknown flag: --conect; did you mean --connect?`,
		"validate --zzzzz":              `unknown flag: --zzzzz`,
		"validate -z":                   `unknown shorthand flag: 'z'`,
		"validate -o xml":               `want one of table, json, jsonl`,
		"validate --connect --embedded": `--connect and --embedded exclude each other`,
		"validate -c":                   `flag needs an argument`,
		"topics apply --pipeline":       `flag needs an argument`,
	} {
		t.Run(line, func(t *testing.T) {
			e := run(t, strings.Fields(line)...)
			e.want(t, exitUsage, want)
			if e.out != "" {
				t.Errorf("standard output is for data only, got %q", e.out)
			}
		})
	}
}

func TestWithoutACommandTheFirstStepsAreShown(t *testing.T) {
	run(t).want(t, exitDone, "redeliver demo", "redeliver validate", "Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 done in part.")
	run(t, "topics").want(t, exitDone, "plan", "apply")
}

func TestAnAbsentConfigurationSaysWhereItWasLookedForAndHowToBeginOne(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, line := range []string{"validate", "topics plan", "config show"} {
		run(t, strings.Fields(line)...).want(t, exitUsage,
			"there is no configuration file config.yaml (looked for "+dir, "begin one with: redeliver config example > config.yaml")
	}
	// And that is all it takes.
	example := run(t, "config", "example")
	example.want(t, exitDone)
	if err := os.WriteFile("config.yaml", []byte(example.out), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "validate").want(t, exitDone, "config.yaml is valid: 1 pipeline (orders)")
}

func TestAConfigurationComesFromStandardInputToo(t *testing.T) {
	e := session{answer: pipelineOn([]string{"a:1"}, "drain: 1")}.run(t, "validate", "-c", "-")
	e.want(t, exitUsage, "standard input:6:12: drain")
}

func TestSeveralPipelinesAreToldApartByName(t *testing.T) {
	two := pipelineOn([]string{"127.0.0.1:1"}) + "  - name: clicks\n    topics: [clicks]\n    handler: {http: {url: 'http://h'}}\n"
	e := run(t, "-c", configFile(t, two), "topics", "plan", "--pipeline", "click")
	e.want(t, exitUsage, `has no pipeline "click"; its pipelines are orders, clicks`)

	e = run(t, "-c", configFile(t, two), cobraComplete, "topics", "plan", "--pipeline", "")
	e.want(t, exitDone, "orders\n", "clicks\n")
}

func TestAFlagThatIsNoNumberIsToldPlainly(t *testing.T) {
	run(t, "resume", "orders", "--admit", "x").want(t, exitUsage, `--admit: "x" is no number`, "See 'redeliver resume --help'")
}

const cobraComplete = "__complete"

func TestCompletionKnowsCommandsFlagsAndFormats(t *testing.T) {
	run(t, cobraComplete, "to").want(t, exitDone, "topics\t")
	run(t, cobraComplete, "validate", "--ex").want(t, exitDone, "--explain")
	run(t, cobraComplete, "validate", "-o", "").want(t, exitDone, "table\n", "json\n", "jsonl\n")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		run(t, "completion", shell).want(t, exitDone, "redeliver")
	}
}

func TestVersionIsOneLineOrAnObject(t *testing.T) {
	line := run(t, "version")
	line.want(t, exitDone, "redeliver ", "go1.")
	if strings.Count(line.out, "\n") != 1 {
		t.Errorf("not one line: %q", line.out)
	}
	if flag := run(t, "--version"); flag.out != line.out {
		t.Errorf("--version prints %q, version %q", flag.out, line.out)
	}
	run(t, "version", "-o", "json").want(t, exitDone, `"version"`, `"platform"`)
}
