package telemetry

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// clientMetrics returns the metrics of Kafka clients. Those of kprom tell what they are when something has been counted.
func clientMetrics() []Metric {
	m, err := NewClientMetrics("orders")
	if err != nil {
		panic("telemetry: a Kafka client without options: " + err.Error())
	}
	broker := kgo.BrokerMetadata{NodeID: 1}
	m.OnBrokerConnect(broker, 0, nil, nil)
	m.OnBrokerConnect(broker, 0, nil, errors.New("refused"))
	m.OnBrokerDisconnect(broker, nil)
	m.OnBrokerThrottle(broker, 0, false)
	m.OnBrokerE2E(broker, 0, kgo.BrokerE2E{})
	m.OnBrokerE2E(broker, 0, kgo.BrokerE2E{WriteErr: io.EOF})
	m.OnBrokerE2E(broker, 0, kgo.BrokerE2E{ReadErr: io.EOF})
	m.OnProduceBatchWritten(broker, "orders", 0, kgo.ProduceBatchMetrics{})
	m.OnFetchBatchRead(broker, "orders", 0, kgo.FetchBatchMetrics{})

	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		panic("telemetry: metrics of a Kafka client: " + err.Error())
	}
	var all []Metric
	for _, f := range families {
		one := Metric{Name: f.GetName(), Kind: Kind(strings.ToLower(f.GetType().String())), Help: strings.TrimSuffix(f.GetHelp(), ".") + "."}
		for _, l := range f.Metric[0].Label {
			one.Labels = append(one.Labels, l.GetName())
		}
		all = append(all, one)
	}
	return all
}

// Document returns docs/metrics.md, which is made from the descriptions that Prometheus gets.
func Document() string {
	var b strings.Builder
	b.WriteString(`# Metrics

<!-- Made from the code by "make docs"; a test holds it to the code. -->

A process serves these at ` + "`/metrics`" + ` on ` + "`admin.listen`" + `. Counts are of this process and begin at 0 when it starts, those of dead letters of every kind too; what waits is that of the
partitions that it has.

Histograms of Redeliver's own are sent with classic buckets, whose bounds are the powers of two from 61 microseconds to 1024 seconds, so that ` + "`le=\"1\"`, `le=\"0.25\"` and `le=\"8\"`" + ` are exact;
and with native buckets of schema 3 (a quantile is off by less than 9 %), which a Prometheus that has native histograms on asks for. Those of
Kafka clients have classic buckets alone.

The number of series is bounded. A label holds names out of the configuration or one of the words below. Topics and tenants are open sets: the first ` +
		fmt.Sprintf("%d topics and the first %d tenants", maxTopics, maxTenants) + ` of a
pipeline have series of their own for as long as the process runs, and the rest are counted as ` + "`" + other + "`" + `. Parts of a dependency (breakers by tenant or host) are only counted by state. Kafka clients
are counted by broker and not by topic.
`)
	write := func(title, text string, all []Metric) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| metric | type | labels | |\n|---|---|---|---|\n", title, text)
		for _, m := range all {
			labels := "`" + strings.Join(m.Labels, "`, `") + "`"
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, labels, strings.ReplaceAll(m.Help, "|", "\\|"))
		}
	}
	write("Pipelines", "What the engine does with records.", ofPipelines.described)
	write("Dead letters", "What stands in the dead-letter topics of the pipelines, counted every five minutes.", ofDeadLetters.described)
	write("A fleet", "Where breakers or orders are shared between processes.", ofFleet.described)
	write("Kafka clients", "All clients of a pipeline together, by broker; `seed_n` is a broker of the configuration before its number is known.", clientMetrics())
	b.WriteString("\nBeside these there are `go_*` and `process_*` of Prometheus's library, and `go_build_info`.\n\n## Label values\n\n| label | values |\n|---|---|\n")
	for _, l := range labelValues() {
		fmt.Fprintf(&b, "| %s | %s |\n", l.label, l.values)
	}
	return b.String()
}

type labelValue struct{ label, values string }

// labelValues returns what labels may hold.
func labelValues() []labelValue {
	var outcomes []consumer.Outcome
	for o := range (consumer.TopicStats{}).Outcomes {
		outcomes = append(outcomes, consumer.Outcome(o))
	}
	return []labelValue{
		{"`class`", words(slices.Concat([]classify.Class{classify.None}, classify.Classes()))},
		{"`dependency`", "names out of `breaker.dependency` and `breakers`; the pipeline's where none is given"},
		{"`doing`", words(consumer.FaultNames())},
		{"`experiment`, `variant`", "names out of `retry.experiment`"},
		{"`limit`", "names out of `limits`"},
		{"`node_id`", "numbers of brokers, `seed_0` and so on"},
		{"`outcome` of records", words(outcomes)},
		{"`outcome` of others", "as its metric says"},
		{"`pipeline`", "names out of the configuration"},
		{"`reason` of dead letters", words(retrytopics.Reasons())},
		{"`reason` of pauses", words(consumer.PauseReasons())},
		{"`severity`", words(slices.Concat([]classify.Severity{classify.SeverityNone}, classify.Severities()))},
		{"`state` of breakers", words(breaker.States())},
		{"`state` of held keys", "`waiting`, `closed`"},
		{"`status`", words([]consumer.Health{consumer.Healthy, consumer.Degraded, consumer.Unhealthy})},
		{"`tenant`", "values of the tenant header; empty: records without it; `other`: those beyond the bound"},
		{"`tier`", "`source`, a delay such as `60s`, or `park`"},
		{"`topic`", "source, retry and dead-letter topics; `other`: those beyond the bound"},
	}
}

func words[T any](all []T) string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = fmt.Sprintf("`%v`", v)
	}
	return strings.Join(texts, ", ")
}
