package sim

import (
	"fmt"
	"strings"
)

// Diagnose describes for people what the members know of themselves. No check looks at it.
func (w *World) Diagnose() string {
	var b strings.Builder
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
