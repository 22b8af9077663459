package retrytopics

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Assignment says how the records of an [Experiment] come to their variants.
type Assignment uint8

const (
	// AssignByKey gives each key one variant, at random and by weight. A record
	// without a key goes by its id. Variants can be compared: they differ in nothing
	// but the policy.
	AssignByKey Assignment = iota
	// AssignByJobType gives each job type the variant that names it. A job type
	// that no variant names is not in the experiment.
	AssignByJobType
)

// String returns the assignment's name in config.yaml: key or job_type.
func (a Assignment) String() string {
	if a > AssignByJobType {
		return fmt.Sprintf("Assignment(%d)", uint8(a))
	}
	return [...]string{"key", "job_type"}[a]
}

// Experiment has some records retried by other policies, to find out which is best.
//
// A record is assigned when it first fails, and keeps its variant for all of its
// attempts: it travels in [HeaderVariant]. So a change of the weights, or the end of the experiment, changes
// nothing for a key's records that wait but what is said at [Schedule.Under].
type Experiment struct {
	// Name tells experiments apart: records of another one are not counted. Another
	// name draws the assignment anew. Letters, digits and '-', at most 64.
	Name string
	// By says how records are assigned. Defaults to AssignByKey.
	By Assignment
	// Variants are 2 to 8. The first is what the others are compared with.
	Variants []Variant
}

// Variant is one of the policies of an [Experiment].
type Variant struct {
	// Name tells the variants apart, as that of the experiment does.
	Name string
	// Weight is which part of the keys it gets, of the sum of all weights. Another
	// weight moves no more keys than it has to. Above 0, at most 1,000,000. Defaults to 1.
	Weight float64
	// JobTypes it is for, with AssignByJobType.
	JobTypes []string
	// Policy of its records. Where it has no Tiers and no AutoTiers they are those of
	// the policy that the experiment is in. There are topics for the tiers of all variants, and
	// every delay travels over all of them. It has no Experiment.
	Policy Policy
}

const (
	maxVariants    = 8
	maxVariantName = 64
	// maxVariantLabel bounds what travels: both names, and what is between them.
	maxVariantLabel = 2*maxVariantName + 1
	maxWeight       = 1_000_000
)

var variantName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

// VariantSchedule is a variant of a compiled policy.
type VariantSchedule struct {
	Variant string // its name
	Label   string // what [State.Variant] is: experiment/variant
	Weight  float64
	// JobTypes it is for, with AssignByJobType.
	JobTypes []string
	*Schedule
}

// experiment is an Experiment with every default filled in.
type experiment struct {
	name     string
	by       Assignment
	variants []VariantSchedule
}

// Experiment returns the name of the policy's experiment and how it assigns, "" for none.
func (s *Schedule) Experiment() (name string, by Assignment) {
	if s.experiment == nil {
		return "", 0
	}
	return s.experiment.name, s.experiment.by
}

// Variants returns the variants of the policy's experiment, in their order. Do not change it.
func (s *Schedule) Variants() []VariantSchedule {
	if s.experiment == nil {
		return nil
	}
	return s.experiment.variants
}

// Assign returns the variant, as [State.Variant] has it, of a record that fails for the
// first time; "" where it is in no experiment. It is the same in every process. A nil key is none.
func (s *Schedule) Assign(key []byte, id string, job classify.Job) string {
	if s.experiment == nil {
		return ""
	}
	if v := s.experiment.assign(key, id, job); v != nil {
		return v.Label
	}
	return ""
}

// Under returns the schedule for records of a variant, as [State.Variant] has it: s itself
// for those in no experiment, and for what was assigned by an experiment that is over or to a variant
// that is gone. Whoever counts leaves these out: they have been treated by two policies.
func (s *Schedule) Under(variant string) *Schedule {
	if variant == "" || s.experiment == nil {
		return s
	}
	for i := range s.experiment.variants {
		if v := &s.experiment.variants[i]; v.Label == variant {
			return v.Schedule
		}
	}
	return s
}

// assign gives the variant with the highest score: the weights' rendezvous hashing of Schindelhauer and
// Schomaker (2005). A variant whose weight grows takes keys from the others, and no other key moves.
func (e *experiment) assign(key []byte, id string, job classify.Job) *VariantSchedule {
	if e.by == AssignByJobType {
		for i := range e.variants {
			if slices.Contains(e.variants[i].JobTypes, job.Type) {
				return &e.variants[i]
			}
		}
		return nil
	}
	var best *VariantSchedule
	highest := math.Inf(-1)
	for i := range e.variants {
		v := &e.variants[i]
		u := (float64(hashOf(v.Label, key, id)>>11) + 0.5) / (1 << 53)
		if score := v.Weight / -math.Log(u); score > highest {
			best, highest = v, score
		}
	}
	return best
}

// Cluster puts a record into one of n clusters by its key, or by its id without one: records of a key are in one. It has nothing
// to do with the variants, and is the same in every process.
func (s *Schedule) Cluster(key []byte, id string, n int) int {
	name, _ := s.Experiment()
	return int(hashOf(name, key, id) % uint64(n))
}

// hashOf is the same on every machine and in every release: another one would move keys that wait to other variants.
func hashOf(label string, key []byte, id string) uint64 {
	kind := byte('k')
	if key == nil {
		kind, key = 'i', []byte(id)
	}
	text := make([]byte, 0, 256)
	text = append(append(append(text, label...), 0, kind), key...)
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:8])
}

// experiment compiles the variants, and brings the tiers of all together.
func (c *compiler) experiment() {
	x := c.policy.Experiment
	if x == nil {
		return
	}
	if !variantName.MatchString(x.Name) || len(x.Name) > maxVariantName {
		c.wrong("experiment.name", "%q is no name: want letters, digits and '-', at most %d", cutText(x.Name, 80), maxVariantName)
	}
	if x.By > AssignByJobType {
		c.wrong("experiment.by", "%d is none: AssignByKey or AssignByJobType", x.By)
	}
	if n := len(x.Variants); n < 2 || n > maxVariants {
		c.wrong("experiment.variants", "there are %d; give 2 to %d, the one first that the others are compared with", n, maxVariants)
	}
	e := &experiment{name: x.Name, by: x.By}
	seen, jobs := map[string]int{}, map[string]string{}
	for i, v := range x.Variants {
		at := fmt.Sprintf("experiment.variants[%d].", i)
		c.variant(at, x.By, v, i, seen, jobs)
		e.variants = append(e.variants, VariantSchedule{
			Variant: v.Name, Label: x.Name + "/" + v.Name, Weight: orDefault(v.Weight, 1), JobTypes: v.JobTypes, Schedule: c.variantSchedule(at, v.Policy),
		})
	}
	if len(c.problems) > 0 {
		return
	}
	c.schedule.experiment = e
	c.shareTiers()
}

// variant checks what a variant says beside its policy.
func (c *compiler) variant(at string, by Assignment, v Variant, i int, seen map[string]int, jobs map[string]string) {
	if !variantName.MatchString(v.Name) || len(v.Name) > maxVariantName {
		c.wrong(at+"name", "%q is no name: want letters, digits and '-', at most %d", cutText(v.Name, 80), maxVariantName)
	} else if j, dup := seen[v.Name]; dup {
		c.wrong(at+"name", "%s is the name of variants[%d] already", v.Name, j)
	} else {
		seen[v.Name] = i
	}
	if v.Weight != 0 && !(v.Weight > 0 && v.Weight <= maxWeight) {
		c.wrong(at+"weight", "%s is out of range, above 0 to %d", factorText(v.Weight), maxWeight)
	}
	if by != AssignByJobType {
		if len(v.JobTypes) > 0 {
			c.wrong(at+"job_types", "is for an experiment by job_type, and this one is by %s", by)
		}
		return
	}
	if v.Weight != 0 {
		c.wrong(at+"weight", "is for an experiment by key, and this one is by job_type: which records a variant gets is said by job_types")
	}
	if len(v.JobTypes) == 0 {
		c.wrong(at+"job_types", "names none: say which job types the variant is for")
	}
	for _, job := range v.JobTypes {
		switch other, dup := jobs[job]; {
		case job == "":
			c.wrong(at+"job_types", "has an empty name: what has no job type is not in the experiment")
		case dup:
			c.wrong(at+"job_types", "%q is one of the variant %s already", job, other)
		}
		jobs[job] = v.Name
	}
}

// variantSchedule compiles the policy of a variant, whose problems are told with its place.
func (c *compiler) variantSchedule(at string, p Policy) *Schedule {
	if p.Experiment != nil {
		c.wrong(at+"experiment", "is in the policy of a variant: there is one experiment at a time")
		p.Experiment = nil
	}
	if len(p.Tiers) == 0 && !p.AutoTiers {
		p.Tiers, p.AutoTiers = c.policy.Tiers, c.policy.AutoTiers
	}
	inner := compiler{policy: p}
	inner.compile()
	for _, problem := range inner.problems {
		if field, ok := problem.(*FieldError); ok {
			c.wrong(at+field.Field, "%s", field.Problem)
		}
	}
	return &inner.schedule
}

// shareTiers makes the tiers of all schedules those of all together: a copy must find its way whatever its variant is, also when
// that changes. The delays of tiered stay those of its own tiers.
func (c *compiler) shareTiers() {
	all := slices.Clone(c.schedule.tiers)
	for _, v := range c.schedule.experiment.variants {
		all = append(all, v.Schedule.tiers...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > maxTiers {
		c.wrong("experiment.variants", "the variants have %d tiers together, at most %d: every tier is a topic for each source", len(all), maxTiers)
		return
	}
	c.schedule.tiers = all
	for _, v := range c.schedule.experiment.variants {
		v.Schedule.tiers = all
	}
}

// OwnTiers are the tiers that the policy itself asked for, without those of its variants.
func (p Policy) OwnTiers() ([]time.Duration, error) {
	p.Experiment = nil
	s, err := p.Compile()
	if err != nil {
		return nil, err
	}
	return s.tiers, nil
}
