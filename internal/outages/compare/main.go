// Command compare holds the adaptive policy against fixed and exponential delays and the offline optimum. It writes the
// results of the evaluation seeds into docs/adaptive.md, and a plot beside it; with -training it prints those of the
// training seeds and writes nothing.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redeliver/redeliver/internal/outages"
)

const (
	beginMark = "<!-- results: make adaptive -->\n"
	endMark   = "<!-- end of results -->\n"
)

func main() {
	training := flag.Bool("training", false, "print the results of the training seeds")
	docs := flag.String("docs", "docs", "directory of adaptive.md")
	flag.Parse()
	if err := run(*training, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(training bool, docs string) error {
	seeds := outages.EvaluationSeeds()
	if training {
		seeds = outages.TrainingSeeds()
	}
	all := make(map[outages.Kind]map[string]*outages.Result)
	for _, kind := range outages.Kinds() {
		all[kind] = outages.Evaluate(kind, seeds, outages.Contenders())
	}
	results := table(all)
	if training {
		_, err := fmt.Print(results)
		return err
	}
	if err := os.WriteFile(filepath.Join(docs, "adaptive.svg"), []byte(plot(all)), 0o644); err != nil {
		return err
	}
	return insert(filepath.Join(docs, "adaptive.md"), results)
}

// insert puts the results between the marks of a page.
func insert(path, results string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(page), beginMark)
	_, after, closed := strings.Cut(rest, endMark)
	if !found || !closed {
		return fmt.Errorf("%s: the marks of the results are missing: %s and %s", path, strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
	}
	return os.WriteFile(path, []byte(before+beginMark+results+endMark+after), 0o644)
}

// table is the results in Markdown.
func table(all map[outages.Kind]map[string]*outages.Result) string {
	var b strings.Builder
	b.WriteString("| trace | policy | wasted retries a record | against exponential | median to recovery | 90 % | given up |\n|---|---|--:|--:|--:|--:|--:|\n")
	for _, kind := range outages.Kinds() {
		base := all[kind]["exponential"]
		for _, c := range outages.Contenders() {
			r := all[kind][c.Name]
			fmt.Fprintf(&b, "| %s | %s | %.2f | %+.0f %% | %s | %s | %.1f %% |\n", kind, c.Name,
				float64(r.Wasted)/float64(r.Records), 100*(float64(r.Wasted)/float64(base.Wasted)-1),
				wait(r.Wait(0.5)), wait(r.Wait(0.9)), 100*float64(r.Dead)/float64(r.Records))
		}
	}
	return b.String()
}

func wait(d time.Duration) string {
	if d == outages.Never {
		return "never"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
