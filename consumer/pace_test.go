package consumer

import (
	"testing"
	"testing/synctest"
	"time"
)

// Where transactions in a row are silent the time grows, to what a transaction may last; a quick answer ends that, and a slow
// one does not.
func TestPaceOfTransactions(t *testing.T) {
	var p pace
	expect := func(when string, want time.Duration) {
		t.Helper()
		if got := p.allow(writeTimeout); got != want {
			t.Errorf("%s transactions wait %v, want %v", when, got, want)
		}
	}
	expect("at first", writeTimeout)
	for range silentBefore {
		p.took(writeTimeout, true)
	}
	expect("while it may be the fault of destinations", writeTimeout)
	p.took(writeTimeout, true)
	expect("when nobody has answered", 2*writeTimeout)
	for range 100 {
		p.took(writeTimeout, true)
	}
	expect("when nobody answers for long", writeTimeoutMax)
	p.took(4*time.Second, false)
	expect("after a slow answer", writeTimeoutMax)
	p.took(100*time.Millisecond, false)
	expect("after a quick answer", writeTimeout)
}

// As long as something is heard it is waited for more, up to a limit.
func TestWhileHeard(t *testing.T) {
	for _, tt := range []struct {
		name  string
		heard int // so often, every two seconds
		want  time.Duration
	}{
		{"silence", 0, 3 * time.Second},
		{"heard twice", 2, 7 * time.Second},
		{"heard on and on", 100, 8 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, heard, cancel := whileHeard(t.Context(), 3*time.Second, 8*time.Second)
				defer cancel()
				every := time.NewTicker(2 * time.Second)
				defer every.Stop()
				for n := 0; ctx.Err() == nil; {
					select {
					case <-ctx.Done():
					case <-every.C:
						if n++; n <= tt.heard {
							heard()
						}
					}
				}
				if got := time.Since(began); got != tt.want {
					t.Errorf("it was waited for %v, want %v", got, tt.want)
				}
			})
		})
	}
}
