package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics are the figures of /metrics that are compared.
type metrics struct {
	outcomes map[outcome]int
	attempts map[string]int
	letters  map[letterKind]int
	calls    int
}

// scrape reads /metrics as Prometheus would.
func scrape(ctx context.Context, url string) (metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return metrics{}, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy: it is this process
	response, err := client.Do(request)
	if err != nil {
		return metrics{}, fmt.Errorf("read the metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return metrics{}, fmt.Errorf("read the metrics: %s answers %s", url, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return metrics{}, fmt.Errorf("read the metrics: %w", err)
	}
	return readMetrics(families), nil
}

// readMetrics takes what is compared. Counters at 0 are left out, as what never happened is in the other counts.
func readMetrics(families map[string]*dto.MetricFamily) metrics {
	m := metrics{outcomes: map[outcome]int{}, attempts: map[string]int{}, letters: map[letterKind]int{}}
	each := func(name string, add func(labels map[string]string, m *dto.Metric)) {
		for _, sample := range families[name].GetMetric() {
			labels := make(map[string]string)
			for _, l := range sample.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["pipeline"] == groupName {
				add(labels, sample)
			}
		}
	}
	each("redeliver_records_total", func(l map[string]string, s *dto.Metric) {
		if n := int(s.GetCounter().GetValue()); n > 0 {
			m.outcomes[outcome{l["topic"], l["outcome"]}] += n
		}
	})
	each("redeliver_attempts_total", func(l map[string]string, s *dto.Metric) {
		if n := int(s.GetCounter().GetValue()); n > 0 {
			m.attempts[l["class"]] += n
		}
	})
	each("redeliver_dead_letters_total", func(l map[string]string, s *dto.Metric) {
		if n := int(s.GetCounter().GetValue()); n > 0 {
			m.letters[letterKind{l["class"], l["reason"]}] += n
		}
	})
	each("redeliver_handler_seconds", func(_ map[string]string, s *dto.Metric) {
		m.calls += int(s.GetHistogram().GetSampleCount())
	})
	return m
}
