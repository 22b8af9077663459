package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/redeliver/redeliver/fleet"
)

// ofFleet are the metrics of a process's part in a fleet.
var ofFleet metrics

var (
	fleetReachable = ofFleet.gauge("redeliver_fleet_reachable",
		"1 while the fleet's control topic can be reached and is read to its end, else 0: the last state holds then.", "topic")
	fleetRecords = ofFleet.counter("redeliver_fleet_records_total",
		"Records of the control topic that were read, by outcome: applied, void (too late), ignored (of somebody else or a later version).", "outcome")
	fleetWrites = ofFleet.counter("redeliver_fleet_writes_total",
		"Records that this process wrote to the control topic, by outcome: written, failed.", "outcome")
	fleetProbing = ofFleet.gauge("redeliver_fleet_probing",
		"1 while this process probes the dependency for the fleet, else 0.", "dependency")
)

// FleetCollector is a [prometheus.Collector] over a process's part in a fleet. It may be used concurrently.
type FleetCollector struct {
	status func() fleet.Status
}

// NewFleetCollector returns a collector over what status returns, which is asked at each scrape.
func NewFleetCollector(status func() fleet.Status) *FleetCollector { return &FleetCollector{status} }

// Describe sends the descriptions of all metrics.
func (c *FleetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range ofFleet.descriptions {
		ch <- d
	}
}

// Collect reads the status.
func (c *FleetCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.status()
	number := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	ch <- prometheus.MustNewConstMetric(fleetReachable, prometheus.GaugeValue, number(s.Reachable), s.Topic)
	for outcome, n := range map[string]uint64{"applied": s.Counts.Applied, "void": s.Counts.Void, "ignored": s.Counts.Ignored} {
		ch <- prometheus.MustNewConstMetric(fleetRecords, prometheus.CounterValue, float64(n), outcome)
	}
	for outcome, n := range map[string]uint64{"written": s.Counts.Written, "failed": s.Counts.Failed} {
		ch <- prometheus.MustNewConstMetric(fleetWrites, prometheus.CounterValue, float64(n), outcome)
	}
	for _, b := range s.Breakers {
		ch <- prometheus.MustNewConstMetric(fleetProbing, prometheus.GaugeValue, number(b.Probing), b.Dependency)
	}
}
