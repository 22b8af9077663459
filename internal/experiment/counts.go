package experiment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// Counts are those of an experiment in one process or, added, in several.
type Counts struct {
	Pipeline   string    `json:"pipeline"`
	Group      string    `json:"group"`
	Experiment string    `json:"experiment"`
	By         string    `json:"by"` // key, job_type
	Since      time.Time `json:"since"`
	Variants   []Variant `json:"variants"`
}

// Variant are the counts of one variant.
type Variant struct {
	Variant  string    `json:"variant"`
	Weight   float64   `json:"weight"`
	JobTypes []string  `json:"job_types,omitempty"`
	Failed   uint64    `json:"failed"`   // records that failed a first time
	Clusters []Cluster `json:"clusters"` // of records that came to their end, by a hash of their key
	Recovery []Bin     `json:"recovery"` // of those that succeeded
}

// Cluster are the counts of records with some of the keys.
type Cluster struct {
	Succeeded uint64  `json:"succeeded"`
	Dead      uint64  `json:"dead"`
	Other     uint64  `json:"other"`
	Attempts  uint64  `json:"attempts"`
	Seconds   float64 `json:"seconds"` // from the first failure to the success, of all together
}

// Bin counts the records that took more than From and at most To seconds.
type Bin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count uint64  `json:"count"`
}

// Of takes the counts of a pipeline; ok is false where it has no experiment.
func Of(s consumer.Stats) (c Counts, ok bool) {
	x := s.Experiment
	if x == nil {
		return c, false
	}
	c = Counts{Pipeline: s.Pipeline, Group: s.Group, Experiment: x.Name, By: x.By.String(), Since: x.Since}
	for _, v := range x.Variants {
		one := Variant{Variant: v.Variant, Weight: v.Weight, JobTypes: v.JobTypes, Failed: v.Failed, Clusters: make([]Cluster, len(v.Clusters)), Recovery: bins(v.Recovery)}
		for i, cluster := range v.Clusters {
			one.Clusters[i] = Cluster(cluster)
		}
		c.Variants = append(c.Variants, one)
	}
	return c, true
}

func bins(h consumer.Histogram) []Bin {
	all := []Bin{}
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		b := Bin{Count: n}
		if i > 0 {
			b.From = h.Bounds[i-1]
		}
		b.To = 2 * b.From // what is beyond the last bound
		if i < len(h.Bounds) {
			b.To = h.Bounds[i]
		}
		all = append(all, b)
	}
	return all
}

// Add adds the counts of another process. The error says why they are not of the same experiment.
func (c *Counts) Add(other Counts) error {
	same := c.Group == other.Group && c.Experiment == other.Experiment && c.By == other.By && len(c.Variants) == len(other.Variants)
	for i := 0; same && i < len(c.Variants); i++ {
		a, b := &c.Variants[i], &other.Variants[i]
		same = a.Variant == b.Variant && a.Weight == b.Weight && slices.Equal(a.JobTypes, b.JobTypes) && len(a.Clusters) == len(b.Clusters)
	}
	if !same {
		return fmt.Errorf("the group %s has the experiment %s with other variants or weights in another process: bring all to one configuration, or ask them one by one", c.Group, c.Experiment)
	}
	if other.Since.Before(c.Since) {
		c.Since = other.Since
	}
	for i := range c.Variants {
		c.Variants[i].add(other.Variants[i])
	}
	return nil
}

func (v *Variant) add(other Variant) {
	v.Failed += other.Failed
	v.Clusters = slices.Clone(v.Clusters)
	for i, o := range other.Clusters {
		c := &v.Clusters[i]
		c.Succeeded, c.Dead, c.Other, c.Attempts, c.Seconds = c.Succeeded+o.Succeeded, c.Dead+o.Dead, c.Other+o.Other, c.Attempts+o.Attempts, c.Seconds+o.Seconds
	}
	all := append(slices.Clone(v.Recovery), other.Recovery...)
	slices.SortFunc(all, func(a, b Bin) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	v.Recovery = all[:0]
	for _, b := range all {
		if n := len(v.Recovery); n > 0 && v.Recovery[n-1].From == b.From && v.Recovery[n-1].To == b.To {
			v.Recovery[n-1].Count += b.Count
			continue
		}
		v.Recovery = append(v.Recovery, b)
	}
}

// ended is how many records of a cluster came to their end.
func (c Cluster) ended() uint64 { return c.Succeeded + c.Dead + c.Other }

// total adds all clusters.
func (v *Variant) total() (t Cluster) {
	for _, c := range v.Clusters {
		t.Succeeded, t.Dead, t.Other, t.Attempts, t.Seconds = t.Succeeded+c.Succeeded, t.Dead+c.Dead, t.Other+c.Other, t.Attempts+c.Attempts, t.Seconds+c.Seconds
	}
	return t
}
