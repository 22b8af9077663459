package consumer

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// tenantsBench has strands whose records belong to tenants, and workers that end when the test says.
type tenantsBench struct {
	t       rapid.TB
	s       *slots
	strands []*strand
	flows   []*flow
	has     map[*strand]map[*flow]int // records to start
	started chan *strand
	running []tenantsCall
}

type tenantsCall struct {
	strand *strand
	flow   *flow
}

func newTenantsBench(t rapid.TB, capacity, strands int, tenants *Tenants, names ...string) *tenantsBench {
	b := &tenantsBench{t: t, has: make(map[*strand]map[*flow]int), started: make(chan *strand, 10_000)}
	b.s = newSlots(capacity, Shares{Fresh: 0.5, Retries: 0.5}, func() bool { return strands > 1 }, func(st *strand, _ kind) { b.started <- st })
	stopped(b.s)
	c := Config{Tenants: tenants, Ordering: ByKey}
	c.completeFlows(func(_, format string, args ...any) { t.Fatalf(format, args...) })
	fs := newFlows(&c, b.s)
	for _, name := range names {
		b.flows = append(b.flows, fs.make(name))
	}
	for range strands {
		st := new(strand)
		b.strands = append(b.strands, st)
		b.has[st] = make(map[*flow]int)
	}
	return b
}

func (b *tenantsBench) offers(st *strand) (offers []offer) {
	for _, f := range b.flows {
		if b.has[st][f] > 0 {
			offers = append(offers, offer{f, 0})
		}
	}
	return offers
}

// add gives a strand more records of a tenant.
func (b *tenantsBench) add(st *strand, f *flow, n int) {
	b.has[st][f] += n
	b.want(st)
}

func (b *tenantsBench) want(st *strand) {
	if offers := b.offers(st); offers != nil {
		b.s.wantFor(st, fresh, offers)
	}
	b.collect(0)
}

// collect takes up what was begun on goroutines of its own; held slots are in the caller's hands.
func (b *tenantsBench) collect(held int) {
	for b.s.inFlight() > len(b.running)+held {
		st := <-b.started
		held++
		if b.begin(st) {
			held--
		} else {
			held--
			b.giveBack(st)
		}
	}
}

// begin starts a record of a strand that was given a slot.
func (b *tenantsBench) begin(st *strand) bool {
	f := b.s.choose(b.offers(st))
	if f == nil { // what it had may not start any more: it stands in line again
		if offers := b.offers(st); offers != nil {
			b.s.wantFor(st, fresh, offers)
		}
		return false
	}
	b.has[st][f]--
	b.running = append(b.running, tenantsCall{st, f})
	if offers := b.offers(st); offers != nil {
		b.s.wantFor(st, fresh, offers)
	}
	return true
}

func (b *tenantsBench) giveBack(st *strand) {
	for ok := true; ok; {
		if st, _, ok = b.s.done(st, fresh); ok && b.begin(st) {
			return
		}
	}
}

// end ends a call.
func (b *tenantsBench) end(i int, worked bool) {
	c := b.running[i]
	b.running = slices.Delete(b.running, i, i+1)
	b.s.flowEnded(c.flow, true, worked)
	if b.s.ended(c.strand, fresh, worked) || !b.begin(c.strand) {
		if offers := b.offers(c.strand); offers != nil {
			b.s.wantFor(c.strand, fresh, offers)
		}
		b.giveBack(c.strand)
	}
	b.collect(0)
}

// work ends so many calls at random, which succeed.
func (b *tenantsBench) work(ends int, rnd *rand.Rand) {
	for range ends {
		b.end(rnd.IntN(len(b.running)), true)
	}
}

// TestTenantsShareTheSlotsByWeight lets three tenants always want more, with what they have in different partitions.
func TestTenantsShareTheSlotsByWeight(t *testing.T) {
	b := newTenantsBench(t, 64, 8, &Tenants{Weights: map[string]float64{"b": 2, "c": 5}}, "a", "b", "c")
	for i, st := range b.strands {
		b.add(st, b.flows[0], 1_000_000)
		if i < 4 {
			b.add(st, b.flows[1], 1_000_000)
		}
		if i == 0 || i == 7 {
			b.add(st, b.flows[2], 1_000_000)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	b.work(2000, rnd)
	for i, want := range []int{8, 16, 40} {
		if n := b.flows[i].running; n < want-3 || n > want+3 {
			t.Errorf("tenant %s has %d slots of 64, want about %d", b.flows[i].name, n, want)
		}
	}
}

// TestATenantThatComesIsServedNext lets a tenant have all slots, in all partitions. One that comes, in one of them, has the slot
// of the next call that ends, whichever partition that was of, and its half soon.
func TestATenantThatComesIsServedNext(t *testing.T) {
	b := newTenantsBench(t, 64, 8, &Tenants{}, "noisy", "quiet")
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, st := range b.strands {
		b.add(st, b.flows[0], 1_000_000)
	}
	b.work(1000, rnd)
	if n := b.flows[0].running; n < 60 {
		t.Fatalf("work conserving: a tenant that is alone has %d slots of 64", n)
	}
	before := b.flows[1].running
	b.add(b.strands[3], b.flows[1], 1_000_000)
	for i := range 10 {
		b.end(slices.IndexFunc(b.running, func(c tenantsCall) bool { return c.flow == b.flows[0] }), true)
		if n := b.flows[1].running - before; n < i+1 {
			t.Fatalf("after %d calls ended the one that came has %d slots", i+1, n)
		}
	}
	b.work(200, rnd)
	if n := b.flows[1].running; n < 28 {
		t.Errorf("a tenant that wants everything, in one partition of eight, has %d slots of 64", n)
	}
}

// TestATenantWhoseCallsHangLeavesWhatOthersNeed lets two tenants work; then the calls of one hang. The other keeps what it had.
func TestATenantWhoseCallsHangLeavesWhatOthersNeed(t *testing.T) {
	b := newTenantsBench(t, 64, 8, &Tenants{}, "hangs", "works")
	rnd := rand.New(rand.NewPCG(1, 3))
	for _, st := range b.strands {
		b.add(st, b.flows[0], 1_000_000)
		b.add(st, b.flows[1], 1_000_000)
	}
	b.work(1000, rnd)
	for range 1000 {
		i := slices.IndexFunc(b.running, func(c tenantsCall) bool { return c.flow == b.flows[1] })
		if i < 0 {
			t.Fatal("the tenant that works has no slot")
		}
		b.end(i, true)
	}
	if n := b.flows[1].running; n < 24 {
		t.Errorf("a tenant that had half of 64 slots has %d beside one whose calls hang", n)
	}
}

// TestTenantsModel asks for slots and ends calls at random. Never is more running than there are slots or than a tenant may,
// nobody stands in line who could start, and all is started in the end.
func TestTenantsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 6).Draw(t, "limit")
		capacity := rapid.IntRange(2, 30).Draw(t, "capacity")
		b := newTenantsBench(t, capacity, rapid.IntRange(1, 5).Draw(t, "strands"), &Tenants{MaxInFlight: limit, Weights: map[string]float64{"b": 3}}, "a", "b", "c")
		check := func() {
			b.s.look() // as it happens soon, while somebody stands in line
			b.collect(0)
			if len(b.running) > capacity || b.s.inFlight() != len(b.running) {
				t.Fatalf("%d are running, %d are counted, of %d", len(b.running), b.s.inFlight(), capacity)
			}
			for _, f := range b.flows {
				n := 0
				for _, c := range b.running {
					if c.flow == f {
						n++
					}
				}
				if n != f.running || limit > 0 && n > limit {
					t.Fatalf("tenant %s runs %d, %d are counted, at most %d", f.name, n, f.running, limit)
				}
			}
			if b.s.first(fresh) >= 0 && b.s.free(fresh) {
				t.Fatalf("a call stands in line and could start: %d running of %d", len(b.running), capacity)
			}
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "add") {
				b.add(rapid.SampledFrom(b.strands).Draw(t, "strand"), rapid.SampledFrom(b.flows).Draw(t, "tenant"), rapid.IntRange(1, 10).Draw(t, "records"))
			} else if len(b.running) > 0 {
				b.end(rapid.IntRange(0, len(b.running)-1).Draw(t, "ends"), rapid.Bool().Draw(t, "worked"))
			}
			check()
		}
		for len(b.running) > 0 {
			b.end(0, true)
			check()
		}
		for _, st := range b.strands {
			if left := b.offers(st); left != nil {
				t.Fatal("records were left that nobody starts")
			}
		}
	})
}
