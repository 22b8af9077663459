package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// NewClosedPlan makes a plan from a seed whose members hold keys, and keep them closed behind dead letters. More of its records
// die, and operators replay and discard dead letters while it runs, some of them or all. In the end all are dealt with, and
// each key is tried: it must be open.
func NewClosedPlan(seed uint64) *Plan {
	p := NewHeldPlan(seed)
	c := &p.Setup.Config
	c.OnDeadLetter, c.DeadLetters.Disabled, c.DeadLetters.Drop = consumer.HoldOnDeadLetter, false, false
	if c.Window.Records > 0 { // see crowd: or dead letters, which wait for their operator till the end, fill the memory for keys, and their source is paused
		c.Window.Records = max(c.Window.Records, 300)
	}
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 20261128))}
	for _, r := range p.Records {
		if g.chance(0.04) {
			r.Fate = Fate{Kind: Fail, Class: classify.Permanent, Times: pick(g, 1, 1, 2, ForEver), Work: r.Fate.Work}
		}
	}
	for range 4 + g.IntN(6) {
		at, source, most := g.between(time.Second, p.Lasts), pick(g, p.sources()...), pick(g, 0, 1, 3, 10)
		e := Event{After: at, What: fmt.Sprintf("dead letters of %s are replayed, at most %d", source, most), Do: func(w *World) { w.replayAside(source, 0, most) }}
		if g.chance(0.4) {
			e.What = fmt.Sprintf("dead letters of %s are discarded, at most %d", source, most)
			e.Do = func(w *World) { w.DiscardAside(source, most) }
		}
		p.Events = append(p.Events, e)
	}
	slices.SortStableFunc(p.Events, func(a, b Event) int { return int(a.After - b.After) })
	p.finally = tryKeys
	if c.Breaker.Disabled && g.chance(0.4) {
		g.crowd(p)
	}
	return p
}

// crowd has a plan close keys behind more dead letters than its members remember: they have the memory for few, and records of as
// many keys die at once, with others behind them. Operators deal with dead letters until everything is settled, or sources would
// be paused for ever.
func (g *generator) crowd(p *Plan) {
	p.Setup.Config.Window.Records = pick(g, 5, 10)
	p.Setup.Config.DeadLetters.Burst = 0 // with credit for few, a small window is soon full of those that may not die, and nothing is left to succeed and earn more
	for range 2 + g.IntN(3) {
		topic, at := pick(g, p.sources()...), g.between(0, p.Lasts*3/4)
		partition, keys := int32(g.IntN(int(p.partitionsAt(topic, at)))), pick(g, 2, 10, 60)
		for i := range 60 + g.IntN(60) {
			r := &Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "crowd-%d", i%keys), After: at}
			if i < keys {
				r.Fate = Fate{Kind: Fail, Class: classify.Permanent, Times: pick(g, 1, 2, ForEver)}
			}
			p.Records = append(p.Records, r)
		}
	}
	slices.SortStableFunc(p.Records, func(a, b *Record) int { return int(a.After - b.After) })
	rounds := 0
	p.tend = func(w *World) {
		for _, source := range w.h.Terms.Sources {
			if rounds%2 == 0 {
				w.replayAside(source, 0, 0)
			} else {
				w.DiscardAside(source, 0)
			}
		}
		rounds++
	}
}

const (
	// replayRounds is how often what is dead is replayed in the end, before the rest is discarded.
	replayRounds = 2
	// markTime is how long a member may take to learn of marks.
	markTime = time.Minute
)

// tryKeys deals with all dead letters, and then produces one record of each key that there was.
func tryKeys(p *Plan, w *World, patience time.Duration) {
	for range replayRounds {
		for _, source := range w.h.Terms.Sources {
			w.replayAside(source, 0, 0)
		}
		w.Heal()
		w.Sleep(markTime)
		w.settleWithTraffic(patience)
	}
	for _, source := range w.h.Terms.Sources {
		w.DiscardAside(source, 0)
	}
	w.Heal()
	w.Sleep(markTime)
	w.settleWithTraffic(patience)
	type key struct {
		Partition
		key string
	}
	tried := make(map[key]bool)
	for _, r := range p.Records {
		if r.Key == nil || tried[key{Partition{r.Topic, r.Partition}, string(r.Key)}] {
			continue
		}
		tried[key{Partition{r.Topic, r.Partition}, string(r.Key)}] = true
		w.Produce(&Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Headers: []Header{{Key: triedHeader, Value: []byte("1")}}})
	}
	w.settleWithTraffic(patience)
}

// triedHeader marks the records that try a key.
const triedHeader = "sim-tried"
