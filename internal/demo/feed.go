package demo

import (
	"fmt"
	"sync"
	"time"
)

// step is where the story is.
type step uint8

const (
	starting step = iota
	normalStep
	onceStep
	foreverStep
	outageStep
	deadStep
	fixStep
	replayStep
	settleStep
	steadyStep
	ending
)

// stepNames are the steps that the story consists of, from normalStep on.
var stepNames = [...]string{"normal", "fail once", "fail for ever", "outage", "dead letters", "fix", "replay", "settle"}

// event is one thing that happened.
type event struct {
	at   time.Duration // since the start
	text string
	loud bool // what happens now in the story
}

// feed is what the story tells the presenters. Its methods may be called concurrently.
type feed struct {
	began time.Time

	mu     sync.Mutex
	step   step
	words  string
	events []event // the last ones
	total  int     // events ever
}

// keptEvents bounds the events that are remembered.
const keptEvents = 64

func newFeed() *feed { return &feed{began: time.Now()} }

// now says what happens now.
func (f *feed) now(s step, words string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.step, f.words = s, words
	f.add(words, true)
}

// tell adds an event.
func (f *feed) tell(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(fmt.Sprintf(format, args...), false)
}

func (f *feed) add(text string, loud bool) {
	f.events = append(f.events, event{at: time.Since(f.began), text: text, loud: loud})
	f.events = f.events[max(0, len(f.events)-keptEvents):]
	f.total++
}

// since returns the events after the first n, as far as they are remembered, and how many there were in all.
func (f *feed) since(n int) ([]event, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := min(f.total-n, len(f.events))
	return append([]event(nil), f.events[len(f.events)-fresh:]...), f.total
}

// scene returns the step, its words, and the events that are no steps, the last ones.
func (f *feed) scene() (s step, words string, events []event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if !e.loud {
			events = append(events, e)
		}
	}
	return f.step, f.words, events
}
