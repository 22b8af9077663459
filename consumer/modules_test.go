package consumer_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Who imports the engine gets these modules, and no more: no YAML, no web, no metrics, no tracing. Another one is a decision, which is made here.
func TestTheEngineLinksFewModules(t *testing.T) {
	want := []string{
		"github.com/klauspost/compress", // of franz-go
		"github.com/pierrec/lz4/v4",     // of franz-go
		"github.com/redeliver/redeliver",
		"github.com/twmb/franz-go",
		"github.com/twmb/franz-go/pkg/kadm",
		"github.com/twmb/franz-go/pkg/kmsg",
		"golang.org/x/time",
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("consumer links %q, want %q", got, want)
	}
}
