package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

const dependency = "payments/api"

// logFake is a control topic in memory. Everybody reads everything, in the order of the offsets, each after a delay of its own.
type logFake struct {
	mu      sync.Mutex
	changed *sync.Cond
	records []stored
	away    bool // it can be neither read nor written
	era     int  // it was made again so often
	slow    time.Duration
	twice   float64 // so often a record is written twice
	deaf    float64 // so often nobody hears that it was written
}

type stored struct {
	at         time.Time
	key, value []byte
}

var errAway = errors.New("away")

func newLog() *logFake {
	l := &logFake{slow: 50 * time.Millisecond}
	l.changed = sync.NewCond(&l.mu)
	return l
}

func (l *logFake) append(_ context.Context, key, value []byte, done func(int64, error)) {
	go func() {
		time.Sleep(time.Duration(rand.Int64N(int64(l.slow))))
		l.mu.Lock()
		if l.away {
			l.mu.Unlock()
			done(0, errAway)
			return
		}
		l.records = append(l.records, stored{time.Now(), key, value})
		if rand.Float64() < l.twice {
			l.records = append(l.records, stored{time.Now(), key, value})
		}
		deaf := rand.Float64() < l.deaf
		offset := int64(len(l.records) - 1)
		l.changed.Broadcast()
		l.mu.Unlock()
		time.Sleep(time.Duration(rand.Int64N(int64(l.slow)))) // the answer may come after the record was read
		if deaf {
			done(0, errAway)
			return
		}
		done(offset, nil)
	}()
}

func (l *logFake) follow(ctx context.Context, to reader) {
	defer context.AfterFunc(ctx, l.changed.Broadcast)()
	next, era, first := 0, -1, true
	for {
		l.mu.Lock()
		for ctx.Err() == nil && (l.away || era == l.era && next == len(l.records) && !first) {
			if l.away {
				l.mu.Unlock()
				to.reachable(errAway)
				l.mu.Lock()
			}
			l.changed.Wait()
		}
		if ctx.Err() != nil {
			l.mu.Unlock()
			return
		}
		again := era != l.era
		if again {
			next = 0
		}
		batch := l.records[next:]
		l.mu.Unlock()
		to.reachable(nil)
		if again {
			var after error
			if era >= 0 {
				after = errors.New("made again")
			}
			era = l.era
			to.begins(after)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(l.slow))))
		for _, r := range batch {
			to.reads(int64(next), r.at, r.key, r.value)
			next++
		}
		to.readTo(int64(next))
		first = false
	}
}

func (l *logFake) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.changed.Broadcast()
}

// kinds counts the records of each kind.
func (l *logFake) kinds() map[kind]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[kind]int{}
	for _, s := range l.records {
		_, k, _ := decodeKey(string(s.key))
		n[k]++
	}
	return n
}

// service is what all members call: it counts calls, and fails them while it is down.
type service struct {
	mu    sync.Mutex
	down  bool
	calls []call
}

type call struct {
	member int
	at     time.Time
	ok     bool
}

func (s *service) call(member int, took time.Duration) bool {
	time.Sleep(took)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call{member, time.Now(), !s.down})
	return !s.down
}

func (s *service) set(down bool) {
	s.mu.Lock()
	s.down = down
	s.mu.Unlock()
}

// since returns the calls that ended after a time.
func (s *service) since(t time.Time) (calls []call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.at.After(t) {
			calls = append(calls, c)
		}
	}
	return calls
}

// fleetOf is some members over one log and one service, each of which calls the service whenever its breaker lets it.
type fleetOf struct {
	log      *logFake
	service  *service
	members  []*Member
	breakers []*breaker.Breaker
	ctx      context.Context
	stop     context.CancelFunc
	wg       sync.WaitGroup
}

func start(t *testing.T, n int, config breaker.Config, able func(i int) bool) *fleetOf {
	t.Helper()
	f := &fleetOf{log: newLog(), service: &service{}}
	ctx, cancel := context.WithCancel(t.Context())
	f.ctx, f.stop = ctx, func() { cancel(); f.wg.Wait() }
	for range n {
		f.join(t, ctx, config, able)
	}
	return f
}

func (f *fleetOf) join(t *testing.T, ctx context.Context, config breaker.Config, able func(i int) bool) *Member {
	t.Helper()
	i := len(f.members)
	config.Dependency = dependency
	b, err := breaker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	m := newMember(slog.New(slog.NewTextHandler(io.Discard, nil)), "control", fmt.Sprint("id-", i), fmt.Sprint("member-", i), f.log)
	m.Share(b, func() bool { return able == nil || able(i) })
	f.members, f.breakers = append(f.members, m), append(f.breakers, b)
	f.wg.Go(func() { m.run(ctx, 10*time.Second) })
	f.wg.Go(func() {
		<-m.Ready()
		for ctx.Err() == nil {
			time.Sleep(time.Duration(50+rand.IntN(100)) * time.Millisecond)
			if able != nil && !able(i) {
				continue
			}
			p, ok := b.Acquire()
			if !ok {
				continue
			}
			outcome := breaker.Failure
			if f.service.call(i, 20*time.Millisecond) {
				outcome = breaker.Success
			}
			b.Record(p, outcome, 20*time.Millisecond)
		}
	})
	return m
}

// states returns how many breakers are in each state.
func (f *fleetOf) states() map[breaker.State]int {
	n := map[breaker.State]int{}
	for _, b := range f.breakers {
		n[b.State()]++
	}
	return n
}

func (f *fleetOf) all(t *testing.T, when string, want breaker.State) {
	t.Helper()
	if got := f.states(); got[want] != len(f.breakers) {
		t.Errorf("%s the breakers are %v, want all %v", when, got, want)
	}
}

// TestAHundredMembersDoNotSendAHundredProbes has a hundred processes call a service that is down for five minutes: one breaker
// trips, the others follow, and one process probes for all of them.
func TestAHundredMembersDoNotSendAHundredProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const openFor, outage, halfOpen = 30 * time.Second, 5 * time.Minute, 3
		f := start(t, 100, breaker.Config{OpenFor: openFor, HalfOpenCalls: halfOpen}, nil)
		defer f.stop()
		time.Sleep(time.Minute)
		f.all(t, "before", breaker.Closed)
		f.service.set(true)
		began := time.Now()
		time.Sleep(10 * time.Second)
		f.all(t, "ten seconds into the outage", breaker.Open)
		opened := len(f.service.since(began))
		time.Sleep(outage - 10*time.Second)
		probes := f.service.since(began.Add(10 * time.Second))
		rounds := int(outage / openFor)
		if most := rounds * halfOpen; len(probes) > most || len(probes) < rounds/2 {
			t.Errorf("%d probes in an outage of %v, want %d at most, a few each %v", len(probes), outage, most, openFor)
		}
		f.service.set(false)
		mended := time.Now()
		time.Sleep(openFor + 5*time.Second)
		f.all(t, "in the end", breaker.Closed)
		for i, c := range f.service.since(mended) {
			if i < halfOpen && c.member != f.service.since(mended)[0].member {
				t.Errorf("probe %d after the outage was %d's, the first one's was %d", i, c.member, f.service.since(mended)[0].member)
			}
		}
		kinds := f.log.kinds()
		t.Logf("calls until all were open %d, probes %d in %d rounds, records %v", opened, len(probes), rounds, kinds)
		if kinds[kindClose] > 3 || kinds[kindProbe] > 15*rounds || kinds[kindOpen] > 2*rounds+100 {
			t.Errorf("%v records were written", kinds)
		}
	})
}
