package consumer

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// Tenants divide the handler slots between the values of a header, by weight: of those that have something to run, the one
// that uses least of its share is next. What nobody else wants, one may have.
type Tenants struct {
	// Header tells whose a record is. Defaults to redeliver-tenant. Records without it are one tenant's.
	Header string
	// DefaultWeight is the weight of a tenant that Weights does not name. Defaults to 1.
	DefaultWeight float64
	// Weights are the weights of tenants by the value of the header. Each is above 0.
	Weights map[string]float64
	// MaxInFlight bounds the handler calls of one tenant. Defaults to no bound but Concurrency.
	MaxInFlight int
	// MaxTenants bounds the tenants that are told apart at once; the rest are one. Defaults to 1000.
	MaxTenants int
}

// Priority lets records of a higher priority go first, of those that are ready in a process. It never reorders the records of
// a key that have not failed.
type Priority struct {
	// Header tells a record's priority, a number from 0 to 9. Defaults to redeliver-priority. A record without it, or with
	// something else in it, has Default.
	Header string
	// Default is the priority of a record that does not tell. Defaults to 0.
	Default int
	// Ageing is how long a record waits to be treated as one of the next higher priority: whatever comes, it waits no longer
	// for others than nine times that, and for what was ready before it then. Defaults to 10s.
	Ageing time.Duration
}

// Defaults of Tenants and Priority.
const (
	DefaultMaxTenants = 1000
	DefaultAgeing     = 10 * time.Second
	maxPriority       = 9
)

// flow is a tenant's part of the slots and of the window. The slots' mutex guards it but for what is atomic.
type flow struct {
	name   string
	weight float64
	limit  int // of calls in flight

	running int
	earned  int // how many it may run beyond its share, by what its calls have shown
	peak    int // the most it ran in this epoch
	before  int // the most it ran in the one before
	done    int // calls that ended since ticked
	ticked  time.Time
	rate    float64 // calls a second, of late
	horizon time.Time
	putOff  uint64 // records, each as often as it was
	seen    time.Time

	held  atomic.Int64 // records in the window that wait for a slot, or in line for their key
	bytes atomic.Int64
}

// flows are the tenants of a pipeline, or the one that all records are of where only priorities are told apart.
type flows struct {
	tenants  *Tenants
	priority *Priority
	slots    *slots

	all    map[string]*flow // under the slots' mutex
	putOff uint64           // records of any of them
	other  *flow
	began  time.Time // of the epoch that the peaks are of
}

// newFlows returns nil where neither tenants nor priorities are told apart.
func newFlows(c *Config, s *slots) *flows {
	if c.Tenants == nil && c.Priority == nil {
		return nil
	}
	fs := &flows{tenants: c.Tenants, priority: c.Priority, slots: s, all: make(map[string]*flow)}
	fs.other = fs.make("")
	s.flows = fs
	return fs
}

func (fs *flows) make(name string) *flow {
	f := &flow{name: name, weight: 1, limit: math.MaxInt, ticked: fs.slots.now()}
	if t := fs.tenants; t != nil {
		f.weight = t.DefaultWeight
		if w, given := t.Weights[name]; given {
			f.weight = w
		}
		if t.MaxInFlight > 0 {
			f.limit = t.MaxInFlight
		}
	}
	fs.all[name] = f
	return f
}

const (
	// needFor is for how long a tenant counts among those that the window is divided between after it was seen.
	needFor = 10 * time.Minute
	// overbooked is how much faster what was put off comes back than its tenant's calls have ended: what the slots have no room for
	// is put off again, and a tenant that could use more gets it.
	overbooked = 1.25
)

// of returns the flow of a record.
func (fs *flows) of(r *kgo.Record) *flow {
	if fs.tenants == nil {
		return fs.other
	}
	name := lastValue(r.Headers, fs.tenants.Header)
	s := fs.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	f := fs.all[string(name)]
	if f == nil {
		f = fs.other
		if len(fs.all) < fs.tenants.MaxTenants || fs.forget(now) {
			f = fs.make(string(name))
		}
	}
	f.seen = now
	return f
}

// forget forgets the tenants that have nothing here and were not seen for long.
func (fs *flows) forget(now time.Time) (some bool) {
	for name, f := range fs.all {
		if f != fs.other && f.running == 0 && f.held.Load() == 0 && now.Sub(f.seen) > needFor {
			delete(fs.all, name)
			some = true
		}
	}
	return some
}

// rank orders the ready records of a flow, the lowest first: by when they became ready, and those of a higher priority as if
// that had been earlier by as much as it takes to age to it.
func (fs *flows) rank(e *entry, now time.Time) int64 {
	at := now.UnixNano()
	if p := fs.priority; p != nil {
		at -= int64(p.of(e.record)) * int64(p.Ageing)
	}
	return at
}

func (p *Priority) of(r *kgo.Record) int {
	n, err := strconv.Atoi(string(lastValue(r.Headers, p.Header)))
	if err != nil || n < 0 || n > maxPriority {
		return p.Default
	}
	return n
}

// offer is what a strand has of a flow to start.
type offer struct {
	flow *flow
	rank int64 // of the first
}

// before reports whether one offer goes before another: the flow that uses less of its share, and else what is ready longer
// or matters more.
func (o offer) before(p offer) bool {
	if a, b := float64(o.flow.running)*p.flow.weight, float64(p.flow.running)*o.flow.weight; a != b {
		return a < b
	}
	return o.rank < p.rank
}

// best returns the first of a strand's offers of those whose flow may have another slot.
func (s *slots) best(offers []offer) (best offer, ok bool) { return s.bestWith(offers, 0) }

// bestWith is best for whoever holds so many slots for it already.
func (s *slots) bestWith(offers []offer, held int) (best offer, ok bool) {
	for _, o := range offers {
		if (!ok || o.before(best)) && s.flowMay(o.flow, held) {
			best, ok = o, true
		}
	}
	return best, ok
}

// flowMay reports whether a flow may have another slot. One that uses its share already leaves what the others have needed of late
// and do not use now, and a sixteenth in any case, unless its calls succeed: a quarter more than it has when one does. So one
// whose calls hang keeps the others' slots free, and one that is at work gets all that nobody wants. held is how many slots whoever
// asks has for it already.
func (s *slots) flowMay(f *flow, held int) bool {
	fs := s.flows
	if f.running >= f.limit {
		return false
	}
	if fs.tenants == nil || s.capacity <= aboveFree || f.running < f.earned || f.running == 0 {
		return true
	}
	share, idle, others := s.flowShare(f)
	if !others || float64(f.running) < share {
		return true
	}
	free := s.capacity - s.used[fresh] - s.used[retry] + held
	return free > max(idle, s.capacity/unearned)
}

// owed reports whether a flow has less than its share, which it gets whatever its partition has.
func (s *slots) owed(f *flow) bool {
	if s.flows.tenants == nil {
		return false
	}
	share, _, others := s.flowShare(f)
	return others && float64(f.running) < share
}

// flowShare returns how many slots are a flow's by its weight, of those that have something here; whether there are others; and how
// many slots those have needed of late and do not use now.
func (s *slots) flowShare(f *flow) (share float64, idle int, others bool) {
	s.flows.turnEpoch(s.now())
	weights := f.weight
	for _, g := range s.flows.all {
		if g == f {
			continue
		}
		idle -= g.running
		if need := max(g.peak, g.before); need > 0 || g.held.Load() > 0 {
			others = true
			weights += g.weight
			idle += need
		}
	}
	return float64(s.capacity) * f.weight / weights, idle, others
}

// turnEpoch begins another epoch when it is time.
func (fs *flows) turnEpoch(now time.Time) {
	if now.Sub(fs.began) < needEpoch {
		return
	}
	fs.began = now
	for _, f := range fs.all {
		f.before, f.peak = f.peak, f.running
	}
}

// mayRunOf reports whether a flow may have another slot.
func (s *slots) mayRunOf(f *flow) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flowMay(f, 0)
}

// choose counts a call for the first of the offers whose flow may have one, and returns the flow; nil is none.
func (s *slots) choose(offers []offer) *flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, ok := s.bestWith(offers, 1)
	if !ok {
		return nil
	}
	f := best.flow
	f.running++
	f.peak = max(f.peak, f.running)
	return f
}

// flowEnded says that a call of a flow is over, and whether it succeeded; one that was not made counts for nothing.
func (s *slots) flowEnded(f *flow, made, worked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if made {
		if worked {
			f.earned = f.running + f.running/4 + 1
		} else {
			f.earned = min(f.earned, f.running-1)
		}
		f.done++
		if since := s.now().Sub(f.ticked); since >= time.Second {
			f.rate = (f.rate + float64(f.done)/since.Seconds()) / 2
			f.done, f.ticked = 0, s.now()
		}
	}
	f.running--
}

// share is how much of half the window a flow may hold: as its weight is to those of all that were seen of late. alone says
// that no other was.
func (fs *flows) share(f *flow, now time.Time) (part float64, alone bool) {
	weights, alone := f.weight, true
	for _, g := range fs.all {
		if g != f && now.Sub(g.seen) < needFor {
			weights += g.weight
			alone = false
		}
	}
	return f.weight / weights / 2, alone
}

// excess reports whether a record of a flow that is ready has to leave the window for others, and until when. A flow that holds
// its share of the window puts off what comes, while others were seen of late and half the window is used.
func (p *Pipeline) excess(f *flow, now time.Time) (until time.Time, leaves bool) {
	fs := p.flows
	if fs.tenants == nil || p.intake.records.Load() < int64(p.cfg.Window.Records)/4 && p.intake.bytes.Load() < p.cfg.Window.Bytes/4 {
		return until, false
	}
	s := fs.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	part, alone := fs.share(f, now)
	held, bytes := f.held.Load(), f.bytes.Load()
	most := max(int64(part*float64(p.cfg.Window.Records)), int64(p.cfg.Concurrency))
	mostBytes := int64(part * float64(p.cfg.Window.Bytes))
	if f.horizon.After(now) { // those that were put off before go first, but for what keeps the slots at work
		most, mostBytes = max(most/2, int64(p.cfg.Concurrency)), mostBytes/2
	}
	if alone || held < most && bytes < mostBytes {
		return until, false
	}
	rate := max(f.rate, float64(f.done)/max(now.Sub(f.ticked), time.Second).Seconds(), float64(p.cfg.Concurrency)/2) * overbooked
	at := now.Add(time.Duration(float64(held) / rate * float64(time.Second)))
	if f.horizon.After(at) {
		at = f.horizon
	}
	// Not further than the longest tier, after which it is copied anyhow: by then there may be room.
	tiers := p.schedule.Tiers()
	if latest := now.Add(tiers[len(tiers)-1]); at.After(latest) {
		at = latest
	}
	f.horizon = at.Add(time.Duration(float64(time.Second) / rate))
	f.putOff++
	fs.putOff++
	return at, true
}

// completeFlows fills in the defaults of tenants and priorities, and reports what is wrong with them.
func (c *Config) completeFlows(wrong func(field, format string, args ...any)) {
	if c.Tenants != nil {
		t := *c.Tenants
		t.Header = or(t.Header, retrytopics.HeaderJobTenant)
		t.DefaultWeight = or(t.DefaultWeight, 1)
		t.MaxTenants = or(t.MaxTenants, DefaultMaxTenants)
		for name, w := range t.Weights {
			if !(w > 0) || math.IsInf(w, 0) {
				wrong("Tenants", "the weight of %q is %v, above 0", name, w)
			}
		}
		if !(t.DefaultWeight > 0) || math.IsInf(t.DefaultWeight, 0) {
			wrong("Tenants", "DefaultWeight is %v, above 0", t.DefaultWeight)
		}
		if t.MaxInFlight < 0 || t.MaxTenants < 1 {
			wrong("Tenants", "MaxInFlight %d must not be negative, and MaxTenants %d at least 1", t.MaxInFlight, t.MaxTenants)
		}
		c.Tenants = &t
	}
	if c.Priority != nil {
		p := *c.Priority
		p.Header = or(p.Header, retrytopics.HeaderJobPriority)
		p.Ageing = or(p.Ageing, DefaultAgeing)
		if p.Ageing < time.Millisecond || p.Ageing > 24*time.Hour {
			wrong("Priority", "Ageing is %v, from 1ms to 24h", p.Ageing)
		}
		if p.Default < 0 || p.Default > maxPriority {
			wrong("Priority", "Default is %d, from 0 to %d", p.Default, maxPriority)
		}
		c.Priority = &p
	}
	if (c.Tenants != nil || c.Priority != nil) && c.Ordering == ByPartition {
		wrong("Tenants", "and Priority need Ordering ByKey or Unordered: where a partition is handled one by one there is nothing to choose from")
	}
}

// TenantStats is what one tenant has of a pipeline.
type TenantStats struct {
	Tenant   string // "" stands for the records without the header, and for tenants beyond MaxTenants
	Weight   float64
	InFlight int    // handler calls
	Windowed int    // records in the window that wait for a slot, or in line for their key
	PutOff   uint64 // records that were put off over the tiers, each as often as it was
}

// fill tells of the tenants, those with the most calls in flight first, then by what waits.
func (fs *flows) fill(s *Stats) {
	if fs == nil || fs.tenants == nil {
		return
	}
	var all []TenantStats
	fs.slots.mu.Lock()
	s.TenantsPutOff = fs.putOff
	for _, f := range fs.all {
		all = append(all, TenantStats{Tenant: f.name, Weight: f.weight, InFlight: f.running, Windowed: int(f.held.Load()), PutOff: f.putOff})
	}
	fs.slots.mu.Unlock()
	slices.SortFunc(all, func(a, b TenantStats) int {
		if a.InFlight != b.InFlight {
			return b.InFlight - a.InFlight
		}
		if a.Windowed != b.Windowed {
			return b.Windowed - a.Windowed
		}
		return strings.Compare(a.Tenant, b.Tenant)
	})
	s.Tenants, s.TenantsKnown = all, len(all)
}
