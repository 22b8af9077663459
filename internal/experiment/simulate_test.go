package experiment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/retrytopics"
)

// behaviour is how the records of a variant fare.
type behaviour struct {
	succeeds float64 // each retry, but for its key's luck
	retries  int
	delay    float64 // seconds before each retry
}

// a trial is an experiment that goes on and on.
type trial struct {
	counts   Counts
	schedule *retrytopics.Schedule
	random   *rand.Rand
	luck     map[int]float64
	keys     *rand.Zipf
}

func newTrial(t *testing.T, seed uint64) *trial {
	t.Helper()
	policy := retrytopics.Policy{Experiment: &retrytopics.Experiment{Name: fmt.Sprintf("e%d", seed), Variants: []retrytopics.Variant{{Name: "a"}, {Name: "b"}}}}
	schedule, err := policy.Compile()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 4))
	// The most frequent of the keys has about one record in fifty.
	x := &trial{schedule: schedule, random: random, luck: make(map[int]float64), keys: rand.NewZipf(random, 1.5, 20, 5000)}
	x.counts = Counts{Experiment: "e", By: "key", Variants: []Variant{{Variant: "a", Weight: 1}, {Variant: "b", Weight: 1}}}
	for i := range x.counts.Variants {
		v := &x.counts.Variants[i]
		v.Clusters, v.Recovery = make([]Cluster, consumer.ExperimentClusters), make([]Bin, 80)
		for n := range v.Recovery {
			v.Recovery[n] = Bin{From: math.Exp2(float64(n-1) / 8), To: math.Exp2(float64(n) / 8)}
		}
	}
	return x
}

// run fails so many records. Records of a key share their luck.
func (x *trial) run(records int, behaviours ...behaviour) {
	for range records {
		id := int(x.keys.Uint64())
		if _, known := x.luck[id]; !known {
			x.luck[id] = math.Exp(x.random.NormFloat64() / 2)
		}
		key := fmt.Appendf(nil, "key-%d", id)
		i := 0
		if x.schedule.Assign(key, "", noJob) == x.schedule.Variants()[1].Label {
			i = 1
		}
		v, how := &x.counts.Variants[i], behaviours[i]
		c := &v.Clusters[x.schedule.Cluster(key, "", consumer.ExperimentClusters)]
		v.Failed++
		attempts, took, succeeded := 1, 0.0, false
		for range how.retries {
			attempts++
			took += how.delay * (1 + x.random.Float64()/4)
			if x.random.Float64() < min(how.succeeds*x.luck[id], 0.98) {
				succeeded = true
				break
			}
		}
		c.Attempts += uint64(attempts)
		if succeeded {
			c.Succeeded++
			c.Seconds += took
			v.Recovery[int(math.Ceil(8*math.Log2(took)))].Count++
		} else {
			c.Dead++
		}
	}
}

var usual = behaviour{succeeds: 0.5, retries: 3, delay: 10}

// Two variants that are the same policy are told apart in one experiment of twenty at most, although the records of a key share their fate and the
// verdict is looked at twenty times.
func TestVariantsThatAreAlikeAreNotToldApart(t *testing.T) {
	const trials, looks = 200, 20
	wrong := 0
	for seed := range uint64(trials) {
		x := newTrial(t, seed)
		for range looks {
			x.run(100, usual, usual)
			if o := Judge(x.counts).Comparisons[0].Outcome; o != Unknown && o != Alike {
				wrong++
				break
			}
		}
	}
	t.Logf("%d of %d were told apart", wrong, trials)
	if wrong > trials/20 {
		t.Errorf("%d of %d were told apart, more than one of twenty", wrong, trials)
	}
}

// The intervals that are shown hold the truth about as often as they say.
func TestIntervalsHoldTheTruth(t *testing.T) {
	const trials = 200
	var all Counts
	var results []Result
	for seed := range uint64(trials) {
		x := newTrial(t, seed)
		x.run(2000, usual, usual)
		results = append(results, Judge(x.counts).Results[0])
		for _, v := range x.counts.Variants {
			if all.Variants == nil {
				all = Counts{Variants: []Variant{{Clusters: make([]Cluster, consumer.ExperimentClusters)}}}
			}
			all.Variants[0].add(v)
		}
	}
	want := Judge(all).Results[0]
	for _, m := range []struct {
		name string
		of   func(Result) *Interval
	}{
		{"attempts", func(r Result) *Interval { return r.Attempts }},
		{"mean", func(r Result) *Interval { return r.Mean }},
		{"median", func(r Result) *Interval { return r.Median }},
		{"dead", func(r Result) *Interval { return r.DeadShare }},
	} {
		held := 0
		for _, r := range results {
			if i := m.of(r); i.Low <= m.of(want).Value && m.of(want).Value <= i.High {
				held++
			}
		}
		t.Logf("%s: %d of %d held", m.name, held, trials)
		if held < trials*90/100 {
			t.Errorf("%s: %d of %d intervals of 95 %% hold the truth", m.name, held, trials)
		}
	}
}

// A variant that is better by a quarter is found.
func TestAVariantThatIsBetterIsFound(t *testing.T) {
	const trials = 50
	found := 0
	for seed := range uint64(trials) {
		x := newTrial(t, seed)
		x.run(10_000, behaviour{succeeds: 0.3, retries: 5, delay: 10}, behaviour{succeeds: 0.5, retries: 5, delay: 10})
		if Judge(x.counts).Comparisons[0].Outcome == Better {
			found++
		}
	}
	t.Logf("%d of %d were found", found, trials)
	if found < trials*8/10 {
		t.Errorf("%d of %d were found", found, trials)
	}
}
