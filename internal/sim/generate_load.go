package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/redeliver/redeliver/classify"
)

// load draws records in bursts, some of which are transactions, beside those that come with events.
func (g *generator) load(p *Plan) []*Record {
	records := p.rush
	for range 1 + g.IntN(12) {
		at := g.between(0, p.Lasts*3/4)
		if p.Temper != Calm && g.chance(0.05) { // it takes all slots
			records = append(records, g.striped(p, at)...)
			continue
		}
		transaction, apart := g.transaction(p), 300*time.Millisecond
		if transaction != nil {
			apart = 0
		}
		burst := g.burst(p, at, 1+g.IntN(40), apart)
		for _, r := range burst {
			r.Transaction = transaction
		}
		records = append(records, burst...)
	}
	slices.SortStableFunc(records, func(a, b *Record) int { return int(a.After - b.After) })
	return records
}

// burst draws so many records from a time on, each no longer than that after the one before it.
func (g *generator) burst(p *Plan, at time.Duration, n int, apart time.Duration) (records []*Record) {
	for range n {
		records = append(records, g.record(p, at))
		at += g.between(0, apart)
	}
	return records
}

// striped draws a burst in one partition of which every other record takes long: what is done then is no run of offsets, but
// many.
func (g *generator) striped(p *Plan, at time.Duration) (records []*Record) {
	topic := pick(g, p.sources()...)
	partition := int32(g.IntN(int(p.partitionsAt(topic, at))))
	for i := range 40 + g.IntN(160) {
		r := &Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "stripe-%d", i), After: at}
		if i%2 == 0 {
			r.Fate.Work = g.between(time.Second, 4*time.Second)
		}
		records = append(records, r)
	}
	return records
}

// joined is when the members that a plan begins with disturb each other no more.
const joined = 80 * time.Second

// quiet has the load of a plan come when promptness can be expected, and adds calls that take long, with others beside them.
func (g *generator) quiet(p *Plan) {
	p.Lasts += joined
	for _, r := range p.Records {
		r.After += joined
	}
	for range 2 + g.IntN(4) {
		at := g.between(joined, p.Lasts-10*time.Second)
		for range 1 + g.IntN(2) {
			long := g.record(p, at)
			long.Key, long.Fate = fmt.Appendf(nil, "long-%d", g.IntN(1000)), Fate{Kind: Hang, Times: 1}
			p.Records = append(p.Records, long)
		}
		p.Records = append(p.Records, g.burst(p, at+g.between(0, time.Second), 5+g.IntN(20), 300*time.Millisecond)...)
	}
	slices.SortStableFunc(p.Records, func(a, b *Record) int { return int(a.After - b.After) })
}

func (g *generator) record(p *Plan, at time.Duration) *Record {
	topic := pick(g, p.sources()...)
	partitions := p.partitionsAt(topic, at)
	r := &Record{Topic: topic, Partition: int32(g.IntN(int(partitions))), After: at, Fate: g.fate(), Padding: g.IntN(200)}
	if !g.chance(0.1) {
		r.Key = fmt.Appendf(nil, "key-%d", g.IntN(p.keys))
		r.Partition = int32(r.Key[len(r.Key)-1]) % partitions
	}
	if g.chance(0.03) {
		r.Key = []byte{}
	}
	g.decorate(r)
	return r
}

// partitionsAt is how many partitions a source has at a time.
func (p *Plan) partitionsAt(topic string, at time.Duration) int32 {
	n := p.Setup.Sources[topic]
	for _, gr := range p.grown[topic] {
		if gr.after <= at {
			n = max(n, gr.partitions)
		}
	}
	return n
}

// transaction draws whether a burst is one, and what becomes of it.
func (g *generator) transaction(p *Plan) *Transaction {
	if p.Temper == Calm || !g.chance(0.3) {
		return nil
	}
	t := &Transaction{Abort: g.chance(0.5)}
	if g.chance(0.3) {
		t.Holds = g.between(time.Second, 15*time.Second)
	}
	return t
}

// decorate gives some records what is easily lost on the way.
func (g *generator) decorate(r *Record) {
	r.NullValue = g.chance(0.05)
	if g.chance(0.2) {
		r.Headers = append(r.Headers, Header{Key: "a", Value: []byte("1")}, Header{Key: "b", Value: nil}, Header{Key: "a", Value: []byte{}}, Header{Key: "a", Value: []byte("1")})
	}
	if g.chance(0.05) {
		r.Headers = append(r.Headers, Header{Key: "redeliver-job-type", Value: []byte("mail")}, Header{Key: "redeliver-unknown", Value: []byte("stays")})
	}
	if g.chance(0.05) { // from outside: nobody parks or exhausts records that way
		r.Headers = append(r.Headers, Header{Key: "redeliver-due", Value: []byte("99999999999999")}, Header{Key: "redeliver-attempt", Value: []byte("99")},
			Header{Key: "redeliver-group", Value: []byte("somebody")}, Header{Key: "redeliver-due", Value: []byte("1")})
	}
	switch n := g.IntN(100); { // a producer's clock need not be right
	case n < 5:
		r.Timestamp = time.Date(1999, 12, 25, 0, 0, 0, 0, time.UTC)
	case n < 8:
		r.Timestamp = time.Date(2031, 12, 25, 0, 0, 0, 0, time.UTC)
	}
}

func (g *generator) fate() Fate {
	f := Fate{Class: pick(g, classify.None, classify.None, classify.Network, classify.RateLimited, classify.System, classify.Permanent, classify.Validation, classify.Authentication)}
	f.Work = pick[time.Duration](g, 0, 0, 0, 5*time.Millisecond, 50*time.Millisecond)
	switch n := g.IntN(100); {
	case n < 55:
	case n < 80:
		f.Kind, f.Times = Fail, 1+g.IntN(4)
	case n < 83:
		f.Kind, f.Times = Fail, ForEver
	case n < 85:
		f.Kind, f.Times = Panic, 1+g.IntN(2)
	case n < 86:
		f.Kind, f.Times = Hang, 1
	case n < 90:
		f.Kind, f.Times, f.Delay = Snooze, 1+g.IntN(3), g.between(0, 40*time.Second)
	case n < 93:
		f.Kind, f.Times, f.Delay = Ask, 1+g.IntN(2), g.between(time.Millisecond, 100*time.Second)
	case n < 95:
		f.Kind = Drop
	case n < 97:
		f.Kind = Bury
	default:
		f.Work = g.between(100*time.Millisecond, 4*time.Second)
	}
	return f
}
