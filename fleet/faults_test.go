package fleet

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

// TestTheLastStateHoldsWhileTheTopicIsAway loses the topic in an outage that ends meanwhile: who is open stays open, which is
// told; when the topic is back the breakers close.
func TestTheLastStateHoldsWhileTheTopicIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 5, breaker.Config{OpenFor: 30 * time.Second}, nil)
		defer f.stop()
		f.service.set(true)
		time.Sleep(10 * time.Second)
		f.all(t, "in the outage", breaker.Open)
		f.log.change(func() { f.log.away = true })
		f.service.set(false)
		time.Sleep(10 * time.Minute)
		f.all(t, "while the topic is away", breaker.Open)
		if s := f.members[0].Status(); s.Reachable || !strings.Contains(s.Trouble, "away") {
			t.Errorf("reachable %v, %q", s.Reachable, s.Trouble)
		}
		f.log.change(func() { f.log.away = false })
		time.Sleep(time.Minute)
		f.all(t, "when it is back", breaker.Closed)
	})
}

// TestABreakerThatTripsAloneProbesAlone opens breakers while the topic is away, and lets them find out by themselves.
func TestABreakerThatTripsAloneProbesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 3, breaker.Config{OpenFor: 30 * time.Second}, nil)
		defer f.stop()
		time.Sleep(time.Second)
		f.log.change(func() { f.log.away = true })
		f.service.set(true)
		time.Sleep(10 * time.Second)
		f.all(t, "in the outage", breaker.Open)
		f.service.set(false)
		time.Sleep(time.Minute)
		f.all(t, "after it, without the topic", breaker.Closed)
	})
}

// TestAMemberThatCannotReadBeginsAfterAWhile waits for the topic, but not for ever.
func TestAMemberThatCannotReadBeginsAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 0, breaker.Config{}, nil)
		defer f.stop()
		f.log.away = true
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		m := f.join(t, ctx, breaker.Config{OpenFor: 30 * time.Second}, nil)
		<-m.Ready()
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("it began after %v, want the bound", waited)
		}
		f.service.set(true)
		time.Sleep(10 * time.Second)
		f.all(t, "in the outage", breaker.Open)
		f.service.set(false)
		time.Sleep(time.Minute)
		f.all(t, "after it, alone", breaker.Closed)
		cancel()
	})
}

// TestTheTopicIsMadeAgain loses everything that was agreed on: orders are written again, and so is what is open.
func TestTheTopicIsMadeAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		order Wish
		down  bool
		want  breaker.State
	}{{"kept open", KeepOpen, false, breaker.ForcedOpen}, {"kept closed", KeepClosed, true, breaker.Disabled}, {"open", "", true, breaker.Open}, {"closed", "", false, breaker.Closed}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := breaker.Config{OpenFor: time.Hour}
				f := start(t, 10, config, nil)
				defer f.stop()
				if tt.order != "" {
					f.give(t, 0, Order{Wish: tt.order, By: "ann"})
				}
				f.service.set(tt.down)
				time.Sleep(10 * time.Second)
				f.all(t, "before", tt.want)
				f.log.change(func() { f.log.era++; f.log.records = nil })
				began := time.Now()
				time.Sleep(30 * time.Second)
				f.all(t, "after", tt.want)
				if calls := f.service.since(began); (tt.want == breaker.Open || tt.want == breaker.ForcedOpen) && len(calls) > 0 {
					t.Errorf("%d calls were made meanwhile", len(calls))
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				<-f.join(t, ctx, config, nil).Ready()
				f.all(t, "of one that starts then, too,", tt.want)
				if n := f.log.kinds(); n[kindOrder]+n[kindOpen] > 6 {
					t.Errorf("%v records were written by ten members", n)
				}
				cancel()
			})
		})
	}
}

// TestTheHolderOfTheLeaseDies takes the prober away after its claim: another one probes when the lease is over.
func TestTheHolderOfTheLeaseDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 5, breaker.Config{OpenFor: 30 * time.Second}, nil)
		defer f.stop()
		f.service.set(true)
		time.Sleep(10 * time.Second)
		f.log.append(t.Context(), nil, nil, func(int64, error) {}) // somebody else's record
		// A claim of somebody who is not there any more.
		time.Sleep(19 * time.Second)
		var open int64
		for i, r := range f.log.records {
			if _, k, _ := decodeKey(string(r.key)); k == kindOpen {
				open = int64(i)
			}
		}
		f.service.set(false)
		due := f.log.records[open].at.Add(30 * time.Second)
		time.Sleep(time.Until(due))
		claim := record{subject: subject{name: dependency}, kind: kindProbe, Episode: open, Member: "gone", By: "gone", Lease: leaseLength}
		f.log.change(func() { f.log.records = append(f.log.records, stored{time.Now(), claim.key(), claim.value()}) })
		time.Sleep(leaseLength - time.Second)
		f.all(t, "while the dead one holds the lease", breaker.Open)
		if n := len(f.service.since(due)); n > 0 {
			t.Errorf("%d probes beside the holder's", n)
		}
		if by := f.members[0].Status().Breakers[0].Prober; by != "gone" {
			t.Errorf("%q probes, want the dead one", by)
		}
		probed := false
		for over := time.Now().Add(10 * time.Second); time.Now().Before(over); time.Sleep(10 * time.Millisecond) {
			probed = probed || slices.ContainsFunc(f.members, func(m *Member) bool { return m.Status().Breakers[0].Probing })
		}
		if !probed {
			t.Error("no member told that it probes after the lease")
		}
		f.all(t, "after the lease", breaker.Closed)
	})
}

// TestOnlyWhoHasSomethingToProbeWithClaims leaves the lease to the one member that has records.
func TestOnlyWhoHasSomethingToProbeWithClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 10, breaker.Config{OpenFor: 30 * time.Second}, func(i int) bool { return i == 7 })
		defer f.stop()
		f.service.set(true)
		time.Sleep(20 * time.Second)
		f.all(t, "in the outage", breaker.Open)
		f.service.set(false)
		time.Sleep(time.Minute)
		f.all(t, "after it", breaker.Closed)
		if n := f.log.kinds()[kindProbe]; n > 2 {
			t.Errorf("%d claims were written, want the one member's", n)
		}
	})
}

// TestASuspectedBreakerIsProbedEarly opens breakers on suspicion for an hour: who has a call whose like has not failed need not wait.
func TestASuspectedBreakerIsProbedEarly(t *testing.T) {
	for _, suspected := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := start(t, 3, breaker.Config{OpenFor: time.Hour}, nil)
			defer f.stop()
			time.Sleep(time.Second)
			open := record{subject: subject{name: dependency}, kind: kindOpen, Wait: time.Hour, Suspected: suspected, By: "other"}
			f.log.change(func() { f.log.records = append(f.log.records, stored{time.Now(), open.key(), open.value()}) })
			time.Sleep(time.Second)
			f.all(t, "after that", breaker.Open)
			f.breakers[1].Probe()
			time.Sleep(5 * time.Second)
			want := breaker.Closed
			if !suspected {
				want = breaker.Open
			}
			f.all(t, "when one has such a call", want)
		})
	}
}

// TestABreakerThatIsSharedLate joins a fleet that is open, while its member runs.
func TestABreakerThatIsSharedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, 2, breaker.Config{OpenFor: 30 * time.Second}, nil)
		defer f.stop()
		time.Sleep(time.Second)
		b, err := breaker.New(breaker.Config{Dependency: "late", OpenFor: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		f.give(t, 0, Order{Wish: Measure})
		open := record{subject: subject{name: "late"}, kind: kindOpen, Wait: time.Hour, By: "other"}
		f.log.change(func() { f.log.records = append(f.log.records, stored{time.Now(), open.key(), open.value()}) })
		f.members[0].Share(b, nil)
		time.Sleep(time.Minute)
		if b.State() != breaker.Open {
			t.Errorf("it is %v", b.State())
		}
		f.stop()
		time.Sleep(time.Hour)
		if b.State() != breaker.HalfOpen {
			t.Errorf("it is %v when it is by itself again", b.State())
		}
	})
}
