package telemetry

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
)

// buffers are those metrics of Kafka clients that kprom does not add up over several clients.
var buffers = []struct {
	name, help string
	of         func(*kgo.Client) int64
}{
	{"fetch_records", "Records that Kafka clients have fetched and that were not taken yet.", (*kgo.Client).BufferedFetchRecords},
	{"fetch_bytes", "Bytes of the records that Kafka clients have fetched and that were not taken yet.", (*kgo.Client).BufferedFetchBytes},
	{"produce_records", "Records that wait in Kafka clients to be written.", (*kgo.Client).BufferedProduceRecords},
	{"produce_bytes", "Bytes of the records that wait in Kafka clients to be written.", (*kgo.Client).BufferedProduceBytes},
}

const (
	clientNamespace = "redeliver_kafka"
	bufferedPrefix  = clientNamespace + "_buffered_"
)

// ClientMetrics counts what the Kafka clients of one pipeline do: connections, bytes, requests by time, throttling, by broker and
// not by topic, so that the series are bounded. It is a hook of these clients ([kgo.WithHooks]) and a [prometheus.Collector],
// and may be used concurrently.
type ClientMetrics struct {
	*kprom.Metrics
	buffered []*prometheus.Desc // as buffers

	mu   sync.Mutex
	live map[*kgo.Client]bool
}

// NewClientMetrics returns the metrics of the clients of the pipeline.
func NewClientMetrics(pipeline string) (*ClientMetrics, error) {
	labels := prometheus.Labels{"pipeline": pipeline}
	m := kprom.NewMetrics(clientNamespace,
		kprom.Registry(nil),
		kprom.WithStaticLabel(labels),
		kprom.FetchAndProduceDetail(kprom.ByNode, kprom.Records, kprom.Batches, kprom.UncompressedBytes, kprom.CompressedBytes, kprom.ConsistentNaming),
		kprom.Histograms(kprom.RequestDurationE2E, kprom.RequestThrottled),
	)
	// kprom makes its metrics when a client is made, anew for each, and a pipeline has several. It needs one for the buffers
	// only, which are left out here.
	idle, err := kgo.NewClient()
	if err != nil {
		return nil, err
	}
	m.OnNewClient(idle)
	idle.Close()
	c := &ClientMetrics{Metrics: m, live: make(map[*kgo.Client]bool)}
	for _, b := range buffers {
		c.buffered = append(c.buffered, prometheus.NewDesc(bufferedPrefix+b.name, b.help, nil, labels))
	}
	return c, nil
}

// OnNewClient notes a client. It is called by the client.
func (m *ClientMetrics) OnNewClient(client *kgo.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live[client] = true
}

// OnClientClosed forgets a client. It is called by the client.
func (m *ClientMetrics) OnClientClosed(client *kgo.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.live, client)
}

// Describe sends the descriptions of all metrics.
func (m *ClientMetrics) Describe(ch chan<- *prometheus.Desc) {
	passing(m.Metrics.Describe, func(d *prometheus.Desc) {
		if !ofOneClient(d) {
			ch <- d
		}
	})
	for _, d := range m.buffered {
		ch <- d
	}
}

// Collect sends what the clients have counted, those included that are gone, and what those that live have buffered.
func (m *ClientMetrics) Collect(ch chan<- prometheus.Metric) {
	passing(m.Metrics.Collect, func(metric prometheus.Metric) {
		if !ofOneClient(metric.Desc()) {
			ch <- metric
		}
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, b := range buffers {
		var sum int64
		for client := range m.live {
			sum += b.of(client)
		}
		ch <- prometheus.MustNewConstMetric(m.buffered[i], prometheus.GaugeValue, float64(sum))
	}
}

// ofOneClient reports whether kprom's metric is that of the client it was made for, and of no other.
func ofOneClient(d *prometheus.Desc) bool {
	return strings.Contains(d.String(), `"`+bufferedPrefix)
}

// passing hands to each what send sends.
func passing[T any](send func(chan<- T), each func(T)) {
	ch := make(chan T)
	go func() {
		defer close(ch)
		send(ch)
	}()
	for v := range ch {
		each(v)
	}
}
