package config

import (
	"errors"
	"strings"
	"testing"
)

// Whatever stands in a file, reading it ends with a configuration that can be printed and used, or with problems that
// point into the file.
func FuzzParse(f *testing.F) {
	f.Add(Example)
	for _, row := range mistakes {
		if len(row.text) < 4096 {
			f.Add(strings.Replace(row.text, mark, "", 1))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") {
			return // it would open any file of this machine
		}
		c, err := Parse("config.yaml", []byte(text), options(map[string]string{"A": "a", "B": "1s"}))
		if err == nil {
			if _, err := c.YAML(); err != nil {
				t.Fatal(err)
			}
			for i := range c.Pipelines {
				if _, err := c.Pipelines[i].Wanted(c.Topics, c.Pipelines[i].Sources(nil)); err != nil {
					t.Fatal(err)
				}
			}
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 || c != nil {
			t.Fatalf("neither a configuration nor problems: %v", err)
		}
		lines := len(splitLines(text))
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Fatalf("points nowhere: %d:%d of %d lines: %q", p.Line, p.Column, lines, p.Message)
			}
			_ = p.Error()
		}
	})
}
