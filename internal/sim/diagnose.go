package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Diagnose describes for people what the members know of themselves. No check looks at it.
func (w *World) Diagnose() string {
	var b strings.Builder
	if g := w.fake.GroupInfo(w.h.Terms.Group); g != nil {
		fmt.Fprintf(&b, "the group: %s, generation %d, %d members\n", g.State, g.Epoch, len(g.Members))
		for _, m := range g.Members {
			fmt.Fprintf(&b, "  %s with %d partitions\n", m.MemberID, m.NumAssigned())
		}
	}
	for _, m := range w.Members {
		if m.gone {
			continue
		}
		s := m.Pipeline.Stats()
		fmt.Fprintf(&b, "%s: %s, in flight %d, windowed %d, ready %v %s, breaker %s, free failures %d, reasons %q\n",
			m.Name, s.Phase, s.InFlight, s.Windowed, s.Ready, s.NotReady, s.Breaker.State, s.FreeFailures, s.Reasons)
		fmt.Fprintf(&b, "  breaker: %+v\n", s.Breaker)
		for _, p := range s.Partitions {
			if p.Windowed > 0 || len(p.Paused) > 0 || p.Watermark < p.End {
				fmt.Fprintf(&b, "  %s/%d: watermark %d of %d, windowed %d, running %d, paused %v\n", p.Topic, p.Partition, p.Watermark, p.End, p.Windowed, p.Running, p.Paused)
			}
		}
		for _, h := range s.Held {
			fmt.Fprintf(&b, "  held %s for %s since %s, %d tries: %s\n", h.ID, h.To, h.Since.Format("15:04:05.000"), h.Tries, h.Err)
		}
	}
	return b.String()
}

// Trace lists the calls, commits and copies of a history, a line each.
func (h *History) Trace() string {
	var b strings.Builder
	for i := range h.Calls {
		c := &h.Calls[i]
		fmt.Fprintf(&b, "%s %s call %s from %s key %q attempt %d: %s %s after %v\n",
			clock(c.Start), c.Member, c.ID, c.From, c.Key, c.Attempt, c.Result, c.Class, c.End.At.Sub(c.Start.At))
	}
	for i := range h.Commits {
		c := &h.Commits[i]
		fmt.Fprintf(&b, "%s %s commit %s %d generation %d\n", clock(c.When), c.Member, c.Partition, c.Offset, c.Generation)
	}
	for p, records := range h.Log {
		if h.Terms.IsSource(p.Topic) {
			continue
		}
		for i := range records {
			k := readCopy(&records[i])
			fmt.Fprintf(&b, "%s copy %s of %s key %q attempts %d due %s hop %s reason %q\n", k.Timestamp.Format("15:04:05.000"), k.Place, k.id, k.Key,
				k.attempt, time.UnixMilli(k.due).UTC().Format("15:04:05.000"), time.UnixMilli(k.hopDue).UTC().Format("15:04:05.000"), k.reason)
		}
	}
	for _, a := range h.Assignments {
		var parts []string
		for p, o := range a.Owners {
			parts = append(parts, fmt.Sprintf("%s=%s", p, o.Member))
		}
		slices.Sort(parts)
		fmt.Fprintf(&b, "%s generation %d: %s\n", clock(a.When), a.Generation, strings.Join(parts, " "))
	}
	for _, u := range h.Upsets {
		fmt.Fprintf(&b, "%s %s upset %s\n", clock(u.Begun), u.Member, u.Kind)
	}
	lines := strings.SplitAfter(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}
