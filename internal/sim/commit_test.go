//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestACommitThatComesLate keeps a commit at the broker while its connection is cut and newer ones are carried out over another: the
// group is put back when it is carried out at last. Nothing is handled again by who comes after a clean stop, be that soon or much later.
func TestACommitThatComesLate(t *testing.T) {
	for _, stays := range []time.Duration{time.Second, 2 * time.Minute} {
		t.Run(stays.String(), func(t *testing.T) {
			run(t, Setup{}, func(w *World) {
				m := w.Join()
				w.Sleep(5 * time.Second)
				released, caught := make(chan struct{}), false
				w.fake.ControlKey(kmsg.OffsetCommit.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
					w.fake.KeepControl()
					if !caught {
						caught = true
						w.fake.SleepControl(func() { <-released })
					}
					return nil, nil, false
				})
				done := func() {
					for i := range 10 {
						w.Produce(&Record{Key: fmt.Append(nil, i)})
					}
				}
				done()
				w.Sleep(2 * time.Second)
				m.link.drop()
				w.Sleep(2 * time.Second)
				w.mustNotAlarm(t, "cannot commit offsets: will try again")
				done()
				w.Sleep(5 * time.Second)
				if !caught {
					t.Error("nothing was committed")
				}
				if w.commitsBack(func() { close(released) }) == 0 {
					t.Error("no commit came late")
				}
				w.Sleep(stays)
				m.Stop()
				w.mustNotAlarm(t, "cannot commit offsets: will try again")
				w.Join()
				w.Sleep(time.Minute)
			}, func(h *History, r *Report) {
				from := make(map[Place]int)
				for _, c := range h.Calls {
					if from[c.From]++; from[c.From] > 1 {
						t.Errorf("%s was called again", c.From)
					}
				}
			})
		})
	}
}

// commitsBack does something that has commits carried out late, takes down that they are, and returns how many put the group back.
func (w *World) commitsBack(do func()) (n int) {
	w.mu.Lock()
	first := len(w.h.Commits)
	w.mu.Unlock()
	do()
	w.Sleep(100 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := first; i < len(w.h.Commits); i++ {
		for _, before := range w.h.Commits[:first] {
			c := &w.h.Commits[i]
			if before.Partition == c.Partition && before.Offset > c.Offset && !c.Late {
				c.Late = true
				n++
			}
		}
	}
	return n
}
