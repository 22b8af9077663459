package telemetry_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/redeliver/redeliver/fleet"
	"github.com/redeliver/redeliver/internal/telemetry"
)

func TestTheFleetIsTold(t *testing.T) {
	c := telemetry.NewFleetCollector(func() fleet.Status {
		return fleet.Status{
			Topic: "redeliver.control", Reachable: true, Counts: fleet.Counts{Applied: 5, Void: 4, Ignored: 3, Written: 2, Failed: 1},
			Breakers: []fleet.BreakerStatus{{BreakerState: fleet.BreakerState{Dependency: "payments-api"}, Probing: true}},
		}
	})
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	want := `
# HELP redeliver_fleet_probing 1 while this process probes the dependency for the fleet, else 0.
# TYPE redeliver_fleet_probing gauge
redeliver_fleet_probing{dependency="payments-api"} 1
# HELP redeliver_fleet_reachable 1 while the fleet's control topic can be reached and is read to its end, else 0: the last state holds then.
# TYPE redeliver_fleet_reachable gauge
redeliver_fleet_reachable{topic="redeliver.control"} 1
# HELP redeliver_fleet_records_total Records of the control topic that were read, by outcome: applied, void (too late), ignored (of somebody else or a later version).
# TYPE redeliver_fleet_records_total counter
redeliver_fleet_records_total{outcome="applied"} 5
redeliver_fleet_records_total{outcome="ignored"} 3
redeliver_fleet_records_total{outcome="void"} 4
# HELP redeliver_fleet_writes_total Records that this process wrote to the control topic, by outcome: written, failed.
# TYPE redeliver_fleet_writes_total counter
redeliver_fleet_writes_total{outcome="failed"} 1
redeliver_fleet_writes_total{outcome="written"} 2
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
