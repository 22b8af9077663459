// Package harness runs scenarios: contenders side by side on one broker, each round of each in a process of its own, interleaved,
// so that what else the machine does strikes all of them.
package harness

import (
	"context"
	"math"
	"time"

	"github.com/redeliver/redeliver/bench/contract"
)

// Scenario is a question that contenders answer side by side.
type Scenario struct {
	Letter     string // by which the page and the command line know it
	Name       string
	About      string // what is measured, in a sentence or two, for the page
	Unit       string // what is counted. "": records
	Plot       string // the figure that the scenario is about and its plot draws, such as "flowing s". "": the rate
	Apart      bool   // each of what its cases' names begin with, to the first comma, has a plot of its own
	Contenders []Contender
	// Cases returns what is varied, with so many records as scale says: 1 is a measurement, less shows that it works.
	Cases func(scale float64) []Case
}

// Contender is one of those that are compared.
type Contender struct {
	Name string
	// Against is whom its rate is divided by, round by round. "": nobody.
	Against string
	// Behind is who is to be ahead of it, a contender whose rate is divided by its own, round by round. "": nobody.
	Behind string
	// Run does a task once. nil: it is a peer, a program of that name.
	Run func(context.Context, contract.Task, *contract.Meter) error
}

// Case is one setting of a scenario.
type Case struct {
	Name string
	Task contract.Task // what is the same in every round; Records and Parts at least
	Size int           // bytes a value
	// Failures returns how many attempts of record i fail. nil: none.
	Failures func(i int) int
	// Prepare makes what all rounds read. nil: topic Task.Topic with Task.Records records.
	Prepare func(context.Context, *Cluster, *Case) error
	// Round makes what one round of one contender needs, and may change its task. stop ends what was started beside it.
	// nil: nothing.
	Round func(ctx context.Context, c *Cluster, contender string, t *contract.Task) (stop func() error, err error)
	// Learn is told what a round of a contender came to, the one that warms up included. nil: nobody is.
	Learn func(contender string, r contract.Result)
	// Only names the contenders that take part. nil: all.
	Only []string
}

// Contender returns the contender of a name. One that there is no more has nothing but that.
func (s Scenario) Contender(name string) Contender {
	for _, c := range s.Contenders {
		if c.Name == name {
			return c
		}
	}
	return Contender{Name: name}
}

// Scaled returns n by scale, at least least. What would not fit into an int is as much as does.
func Scaled(n int, scale float64, least int) int {
	scaled := float64(n) * scale
	if scaled >= math.MaxInt32 {
		return math.MaxInt32
	}
	return max(int(scaled), least)
}

// leastLimit is what a round of a small run may take: that a contender handles records can be seen in it, for it counts from the first of them.
const leastLimit = time.Second

// Limit returns the limit of a round by scale: a small run is not to take as long as a measurement where somebody is slow.
func Limit(full time.Duration, scale float64) time.Duration {
	return min(full, max(time.Duration(float64(full)*min(scale, 1)), leastLimit))
}
