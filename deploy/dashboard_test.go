package deploy

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// dashboard is as much of a Grafana dashboard as is checked.
type dashboard struct {
	UID    string
	Panels []struct {
		Title       string
		Type        string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr string }
		FieldConfig struct{ Defaults struct{ Unit string } }
	}
	Templating struct {
		List []struct{ Name string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("grafana/redeliver.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// query returns a panel's expression as Grafana sends it, with everything chosen.
func query(expr string) string {
	return strings.NewReplacer("$namespace", ".*", "$job", ".*", "$pipeline", ".*", "$__rate_interval", "1m").Replace(expr)
}

func TestEveryPanelAsksForWhatIsExported(t *testing.T) {
	asked := 0
	for _, panel := range readDashboard(t).Panels {
		if panel.Type == "row" {
			continue
		}
		if len(panel.Targets) == 0 {
			t.Errorf("%s: it asks for nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			text := query(target.Expr)
			if strings.Contains(text, "$") {
				t.Errorf("%s: a variable that the dashboard does not have: %s", panel.Title, text)
			}
			exported(t, panel.Title, parsed(t, panel.Title, text))
			asked++
		}
	}
	if asked < 20 {
		t.Errorf("%d queries, there must be more", asked)
	}
}

func TestPanelsDoNotLieOnEachOther(t *testing.T) {
	taken := make(map[[2]int]string)
	for _, panel := range readDashboard(t).Panels {
		g := panel.GridPos
		if g.X+g.W > 24 {
			t.Errorf("%s: it ends at %d, and there are 24 columns", panel.Title, g.X+g.W)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}
}
