package consumer

import (
	"sync"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
)

// ExperimentClusters is into how many clusters the records of an experiment are counted, by their keys. All records of a key are in
// one, so that what is read from the spread of the clusters allows for keys whose records share their fate.
const ExperimentClusters = 64

// ExperimentStats are the counts of an experiment in this process: of records that failed first since it began to count, and
// were never replayed. Those of several processes can be added, cluster by cluster.
type ExperimentStats struct {
	Name     string
	By       retrytopics.Assignment
	Since    time.Time
	Variants []VariantStats
}

// VariantStats are the counts of one variant.
type VariantStats struct {
	Variant  string
	Weight   float64
	JobTypes []string
	Failed   uint64                           // records that failed a first time, here
	Clusters [ExperimentClusters]ClusterStats // of records that came to their end here
	Recovery Histogram                        // seconds from the first failure to the success
}

// ClusterStats count the records of a cluster that came to their end.
type ClusterStats struct {
	Succeeded uint64
	Dead      uint64 // given up: dead letters, and what is held or dropped where none are kept
	Other     uint64 // dropped by the handler, or skipped by an operator
	Attempts  uint64 // of all of them
	Seconds   float64
}

// experiment counts what becomes of the records of an experiment. A nil experiment does nothing. It is asked about records
// that have failed only.
type experiment struct {
	schedule *retrytopics.Schedule
	since    time.Time
	variants map[string]*variantMeter // by label
}

type variantMeter struct {
	mu       sync.Mutex
	failed   uint64
	clusters [ExperimentClusters]ClusterStats
	recovery histogram
}

// newExperiment returns nil when the policy has no experiment.
func newExperiment(s *retrytopics.Schedule, now time.Time) *experiment {
	variants := s.Variants()
	if len(variants) == 0 {
		return nil
	}
	x := &experiment{schedule: s, since: now.Truncate(time.Millisecond), variants: make(map[string]*variantMeter, len(variants))}
	for _, v := range variants {
		x.variants[v.Label] = new(variantMeter)
	}
	return x
}

// assign gives an entry that fails for the first time its variant, before the failure is counted in its state. What failed
// before the experiment began is left to the policy.
func (x *experiment) assign(e *entry, f *failedCall) (assigned bool) {
	if x == nil || !e.state.FirstFailed.IsZero() {
		return false
	}
	e.state.Variant = x.schedule.Assign(e.record.Key, e.state.ID, f.job)
	return true
}

// failed counts an entry that has failed for the first time.
func (x *experiment) failed(e *entry) {
	if v := x.meter(e); v != nil {
		v.mu.Lock()
		v.failed++
		v.mu.Unlock()
	}
}

// fate is how a record came to its end.
type fate uint8

const (
	fateSucceeded fate = iota
	fateDead
	fateOther
)

// ended counts an entry that came to its end. attempts are all that were made.
func (x *experiment) ended(e *entry, how fate, attempts int, now time.Time) {
	v := x.meter(e)
	if v == nil {
		return
	}
	e.told = true
	took := max(now.Sub(e.state.FirstFailed), 0)
	v.mu.Lock()
	defer v.mu.Unlock()
	c := &v.clusters[x.schedule.Cluster(e.record.Key, e.state.ID, ExperimentClusters)]
	c.Attempts += uint64(attempts)
	switch how {
	case fateSucceeded:
		c.Succeeded++
		c.Seconds += took.Seconds()
		v.recovery.observe(took)
	case fateDead:
		c.Dead++
	default:
		c.Other++
	}
}

// meter returns where an entry is counted; nil: nowhere. A replay is not: a variant with more dead letters would have more of
// them. Neither is what failed first before the counting began: of what waits longest more would be seen than its share.
func (x *experiment) meter(e *entry) *variantMeter {
	if x == nil || e.told || e.state == nil || e.state.Variant == "" || e.state.Replays > 0 || e.state.FirstFailed.Before(x.since) {
		return nil
	}
	return x.variants[e.state.Variant]
}

// stats are the counts; nil without an experiment.
func (x *experiment) stats() *ExperimentStats {
	if x == nil {
		return nil
	}
	s := &ExperimentStats{Since: x.since}
	s.Name, s.By = x.schedule.Experiment()
	for _, v := range x.schedule.Variants() {
		m := x.variants[v.Label]
		m.mu.Lock()
		s.Variants = append(s.Variants, VariantStats{
			Variant: v.Variant, Weight: v.Weight, JobTypes: v.JobTypes, Failed: m.failed, Clusters: m.clusters, Recovery: m.recovery.snapshot(),
		})
		m.mu.Unlock()
	}
	return s
}
