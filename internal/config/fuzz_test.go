package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/webhook"
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
			if err := canBeRun(c); err != nil {
				t.Fatalf("it is accepted and cannot be run: %v", err)
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

// canBeRun makes the pipelines as `redeliver run` does, without connecting.
func canBeRun(c *Config) error {
	if _, err := c.Kafka.ClientOptions(); err != nil && len(c.Kafka.Brokers) > 0 {
		return err
	}
	breakers := breaker.NewRegistry()
	defer breakers.Close()
	configs, err := c.Consumers(func(p *Pipeline) (consumer.Handler, error) {
		w, err := webhook.New(webhook.Config{URL: p.Handler.HTTP.URL, Headers: p.Handler.HTTP.Headers, BatchMax: p.Handler.HTTP.Batch.Max, Concurrency: p.Concurrency})
		if err != nil {
			return nil, err
		}
		defer w.Close()
		return w.Handler(), nil
	})
	if err != nil {
		return err
	}
	for _, one := range configs {
		one.Breakers, one.Brokers = breakers, []string{"localhost:9092"} // the embedded one's, else
		if _, err := consumer.New(one); err != nil {
			return err
		}
	}
	return nil
}
