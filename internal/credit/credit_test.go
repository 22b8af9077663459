package credit

import (
	"math"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// spendAll returns how many dead letters an account pays for, at most 10,000.
func spendAll(a *Account) (n int) {
	for n < 10_000 && a.Spend() {
		n++
	}
	return n
}

func TestAccount(t *testing.T) {
	for _, tt := range []struct {
		name       string
		burst      int
		perSuccess float64
		do         func(a *Account)
		want       int // dead letters that it pays for then
	}{
		{"starts full", 5, 4, func(*Account) {}, 5},
		{"is not overfilled by successes", 5, 4, func(a *Account) { a.Earn(100) }, 5},
		{"is earned by successes", 5, 2, func(a *Account) { spendAll(a); a.Earn(2) }, 4},
		{"is earned up to the burst", 5, 2, func(a *Account) { spendAll(a); a.Earn(3) }, 5},
		{"is earned in parts", 5, 0.1, func(a *Account) { spendAll(a); a.Earn(9) }, 0},
		{"and the parts add up", 5, 0.1, func(a *Account) {
			spendAll(a)
			for range 10 {
				a.Earn(1)
			}
		}, 1},
		{"any success earns something", 5, 1e-9, func(a *Account) { spendAll(a); a.Earn(1000) }, 1},
		{"is granted", 5, 4, func(a *Account) { spendAll(a); a.Grant(3) }, 3},
		{"is granted beyond the burst", 5, 4, func(a *Account) { a.Grant(3); a.Earn(1) }, 8},
		{"is refilled", 5, 4, func(a *Account) { spendAll(a); a.Refill() }, 5},
		{"a refill takes nothing away", 5, 4, func(a *Account) { a.Grant(3); a.Refill() }, 8},
		{"numbers do not overflow", 5, 1000, func(a *Account) {
			spendAll(a)
			a.Earn(math.MaxInt)
			a.Grant(math.MaxInt)
			a.Grant(math.MaxInt)
		}, 10_000},
		{"never runs out", -1, 4, func(*Account) {}, 10_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := New(tt.burst, tt.perSuccess)
			tt.do(a)
			if empty := a.Empty(); empty != (tt.want == 0) {
				t.Errorf("empty is %v", empty)
			}
			if left := a.Left(); tt.want < 10_000 && int(left) != tt.want {
				t.Errorf("left is %v", left)
			}
			if got := spendAll(a); got != tt.want {
				t.Errorf("pays for %d dead letters, want %d", got, tt.want)
			}
		})
	}
}

// TestDeadLettersAreBoundedByWhatIsEarned is what the account is for: whatever the order, at most the burst and what successes
// earned is spent, and who stays below the share that they earn is never refused for it.
func TestDeadLettersAreBoundedByWhatIsEarned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		burst, per := rapid.IntRange(1, 50).Draw(t, "burst"), rapid.IntRange(1, 8000).Draw(t, "thousandths a success")
		a := New(burst, float64(per)/unit)
		spent, successes, level := 0, 0, burst*unit
		for range rapid.IntRange(0, 300).Draw(t, "records") {
			if n := rapid.IntRange(-2, 3).Draw(t, "successes"); n > 0 {
				a.Earn(n)
				successes += n
				level = min(level+n*per, burst*unit)
				continue
			}
			paid := a.Spend()
			if want := level >= unit; paid != want {
				t.Fatalf("paid is %v with %d thousandths left", paid, level)
			}
			if paid {
				spent++
				level -= unit
			}
		}
		if spent*unit > burst*unit+successes*per {
			t.Fatalf("%d dead letters after %d successes", spent, successes)
		}
	})
}

func TestAccountIsSafeForConcurrentUse(t *testing.T) {
	a := New(100, 1)
	var wg sync.WaitGroup
	paid := make([]int, 8)
	for i := range paid {
		wg.Go(func() {
			for range 1000 {
				if a.Spend() {
					paid[i]++
				}
				a.Earn(1)
				a.Left()
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range paid {
		sum += n
	}
	if left := a.Left(); sum > 8100 || left > 100 {
		t.Errorf("%d paid for, %v left", sum, left)
	}
}
