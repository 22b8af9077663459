package dlq

import (
	"cmp"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// Problem is what entries with one [Fingerprint] have in common.
type Problem struct {
	Fingerprint Fingerprint
	Class       classify.Class
	// Error is the text of their failures with "<*>" where they differ; "" where they have none.
	Error   string
	Entries int64
	// First and Last are times of death.
	First, Last time.Time
	// Example is the id of the entry that died last.
	Example string
	// Trend counts the entries by time, oldest first, see [Stats.Trends].
	Trend []int64
}

// Trends are the times that the numbers of every problem's Trend are of: the first of those that died from Start on and
// before Start plus Step, and so on. They are the same for all problems, so that trends can be compared. A time before 1714 or after 9879, which a
// producer may have given by mistake, counts as the nearest in between.
type Trends struct {
	Start time.Time
	Step  time.Duration
}

const (
	maxProblems = 10_000 // that are kept apart
	trendSteps  = 32     // that a trend has at most
	coarsest    = 27     // steps have so many bits of minutes at most, 255 years: of twice that there is no time.Duration
)

// grouping puts entries together by problem, in memory that does not grow with the entries.
type grouping struct {
	problems  map[Fingerprint]*problem
	ungrouped int64
	// Steps of all trends are 1<<coarse minutes, counted from 1970; the first and the last one that has an entry, once one has.
	coarse      uint
	first, last int64
	begun       bool
}

type problem struct {
	Problem
	at    position        // of the entry that died last
	topic [16]byte        //
	steps map[int64]int64 // entries by step
}

func newGrouping() *grouping { return &grouping{problems: make(map[Fingerprint]*problem)} }

func (g *grouping) add(e *Entry) {
	print := e.Fingerprint()
	p := g.problems[print]
	if p == nil {
		if len(g.problems) == maxProblems {
			g.ungrouped++
			return
		}
		p = &problem{
			Problem: Problem{Fingerprint: print, Class: e.State.Class, Error: normalize(e.State.Error), First: e.At},
			steps:   make(map[int64]int64),
		}
		g.problems[print] = p
	}
	p.Entries++
	if e.At.Before(p.First) {
		p.First = e.At
	}
	if p.Entries == 1 || !e.At.Before(p.Last) {
		p.Last, p.topic, p.at = e.At, e.TopicID, position{e.Partition, e.Offset}
	}
	step := g.step(floorDiv(e.At.Unix(), 60)) // which may put new steps in the place of the problem's
	p.steps[step]++
}

// step is the one that a minute belongs to. Where there would be too many, two and two become one. What is said to have died before 1714, or after 9879, counts
// with the first ones after that, or the last before.
func (g *grouping) step(minute int64) int64 {
	minute = min(max(minute, -1<<coarsest), (trendSteps-1)<<coarsest-1)
	step := minute >> g.coarse
	if !g.begun { // step 0 is one like the others
		g.first, g.last, g.begun = step, step, true
	}
	g.first, g.last = min(g.first, step), max(g.last, step)
	for g.last-g.first >= trendSteps {
		g.coarse++
		g.first, g.last, step = g.first>>1, g.last>>1, step>>1
		for _, p := range g.problems {
			wider := make(map[int64]int64, len(p.steps))
			for n, entries := range p.steps {
				wider[n>>1] += entries
			}
			p.steps = wider
		}
	}
	return step
}

// sorted are the problems, the one with most entries first, and the times of their trends.
func (g *grouping) sorted() ([]Problem, Trends) {
	all := make([]Problem, 0, len(g.problems))
	for _, p := range g.problems {
		p.Example = Entry{TopicID: p.topic, Partition: p.at.partition, Offset: p.at.offset}.ID()
		p.Trend = make([]int64, g.last-g.first+1)
		for step, n := range p.steps {
			p.Trend[step-g.first] = n
		}
		all = append(all, p.Problem)
	}
	slices.SortFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(b.Entries, a.Entries), a.First.Compare(b.First), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	if len(all) == 0 {
		return all, Trends{}
	}
	return all, Trends{Start: time.Unix(g.first<<g.coarse*60, 0).UTC(), Step: time.Minute << g.coarse}
}
