//go:build synctests

package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// run runs a scenario in a bubble and holds its history to every promise. The scenario may look at the report, too.
func run(t *testing.T, s Setup, scenario func(w *World), after ...func(h *History, r *Report)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, s)
		scenario(w)
		began := w.Began
		h := w.Finish(time.Hour)
		r := Check(h)
		t.Logf("%v of virtual time, %d calls", h.Ended.At.Sub(began).Round(time.Second), len(h.Calls))
		t.Logf("\n%s", r.Exercise())
		for _, v := range r.Violations {
			t.Error(v)
		}
		for _, f := range after {
			f(h, r)
		}
		if t.Failed() {
			t.Logf("log of the members:\n%s", w.Log())
		}
	})
}
