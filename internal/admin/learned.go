package admin

import (
	"time"

	"github.com/redeliver/redeliver/adaptive"
)

// LearnedStatus is what a pipeline has learned about the delays of one dependency and class, where its policy is adaptive.
// Times are in seconds.
type LearnedStatus struct {
	Dependency   string  `json:"dependency"`
	Class        string  `json:"class"`
	Observations float64 `json:"observations"` // independent ones
	Minimum      int     `json:"minimum"`      // below which the configured strategy holds
	// After these times a quarter, half and nine tenths of the records have recovered; 0: later than a day.
	Quarter    float64 `json:"recovered_25_seconds"`
	Half       float64 `json:"recovered_50_seconds"`
	NineTenths float64 `json:"recovered_90_seconds"`
	// HalfNow is Half by what is seen in these minutes.
	HalfNow float64 `json:"recovered_50_now_seconds"`
	// Kept is when what stands in the control topic was written; absent: nothing does, it is in the process's memory only.
	Kept *time.Time    `json:"kept_at,omitempty"`
	Last *AdviceStatus `json:"last,omitempty"`
}

// AdviceStatus is a delay that was learned, and why it is that.
type AdviceStatus struct {
	At       time.Time `json:"at"`
	Since    float64   `json:"since_first_failure_seconds"`
	Left     int       `json:"retries_left"`
	Delay    float64   `json:"delay_seconds"`
	Succeeds float64   `json:"chance_of_success"`
}

func learned(lessons []adaptive.Lesson) (all []LearnedStatus) {
	for _, l := range lessons {
		s := LearnedStatus{
			Dependency: l.Dependency, Class: l.Class.String(), Observations: l.Observations, Minimum: l.Minimum,
			Quarter: l.Quarter.Seconds(), Half: l.Half.Seconds(), NineTenths: l.NineTenths.Seconds(), HalfNow: l.Now.Seconds(),
		}
		if !l.Kept.IsZero() {
			s.Kept = &l.Kept
		}
		if !l.Last.At.IsZero() {
			s.Last = &AdviceStatus{At: l.Last.At, Since: l.Last.Since.Seconds(), Left: l.Last.Left, Delay: l.Last.Delay.Seconds(), Succeeds: l.Last.Succeeds}
		}
		all = append(all, s)
	}
	return all
}
