package deploy

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ruleFile is as much of a rule file as there is in ours.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert       string
	Expr        string
	For         string `yaml:"for,omitempty"`
	Labels      map[string]string
	Annotations map[string]string
}

const alertsFile = "prometheus/alerts.yaml"

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func alerts(t *testing.T) (all []rule) {
	t.Helper()
	var file ruleFile
	readYAML(t, alertsFile, &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func TestAlertsSpeakOfWhatIsExported(t *testing.T) {
	for _, a := range alerts(t) {
		exported(t, a.Alert, parsed(t, a.Alert, a.Expr))
	}
}

// runbook is where annotations lead.
const runbook = "https://github.com/redeliver/redeliver/blob/main/docs/runbook.md#"

// Who is woken at night reads what to do, and the first thing there is a command.
func TestEveryAlertHasASectionInTheRunbookThatBeginsWithACommand(t *testing.T) {
	page, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		sections[name] = strings.TrimSpace(text)
	}
	for _, a := range alerts(t) {
		if text, ok := sections[a.Alert]; !ok || !strings.HasPrefix(text, "```sh\nredeliver ") {
			t.Errorf("%s: docs/runbook.md has no section of that name which begins with a command of redeliver", a.Alert)
		}
		delete(sections, a.Alert)
		if got, want := a.Annotations["runbook_url"], runbook+strings.ToLower(a.Alert); got != want {
			t.Errorf("%s: runbook_url is %s, want %s", a.Alert, got, want)
		}
		if a.Labels["severity"] != "page" && a.Labels["severity"] != "ticket" {
			t.Errorf("%s: severity is %q, want page or ticket", a.Alert, a.Labels["severity"])
		}
	}
	for name := range sections {
		t.Errorf("docs/runbook.md has a section %s, and there is no such alert", name)
	}
}

// requirePrometheus skips the test where one of Prometheus's programs is missing.
func requirePrometheus(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("REDELIVER_REQUIRE_PROMETHEUS") == "1" {
			t.Fatalf("there is no %s, and REDELIVER_REQUIRE_PROMETHEUS asks for it (Debian: apt-get install prometheus)", program)
		}
		t.Skipf("there is no %s (Debian: apt-get install prometheus)", program)
	}
	return path
}

func TestAlertsFireAndEndInTheirStories(t *testing.T) {
	out, err := exec.Command(requirePrometheus(t, "promtool"), "test", "rules", "prometheus/alerts_test.yaml").CombinedOutput()
	if err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func TestEveryAlertHasAStoryInWhichItFiresAndOneMomentInWhichItDoesNot(t *testing.T) {
	var stories struct {
		Tests []struct {
			Checks []struct {
				Alert string `yaml:"alertname"`
				Want  []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "prometheus/alerts_test.yaml", &stories)
	fires, quiet := make(map[string]bool), make(map[string]bool)
	for _, story := range stories.Tests {
		for _, check := range story.Checks {
			if len(check.Want) > 0 {
				fires[check.Alert] = true
			} else {
				quiet[check.Alert] = true
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s: it fires in a story: %v, and is quiet in one: %v; want both", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
	}
}
