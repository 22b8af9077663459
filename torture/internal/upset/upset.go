// Package upset is the diary of the chaos in a torture run: what was done to whom, from when to when. It is what explains
// that a record was handled twice, and excuses nothing else.
package upset

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Kind is what was done.
type Kind string

// The kinds.
const (
	Kill      Kind = "member killed"
	Stop      Kind = "member stopped" // as a deployment does it
	Pause     Kind = "member paused"
	CutOff    Kind = "member cut off"  // its connections to all brokers are refused
	Silence   Kind = "member silenced" // its connections to all brokers take everything and carry nothing
	Reset     Kind = "connection reset"
	Slow      Kind = "member slowed" // its connections to the brokers
	BrokerEnd Kind = "broker killed"
	BrokerBye Kind = "broker stopped"
	BrokerNap Kind = "broker paused"
	Grow      Kind = "source grown"
	TierAway  Kind = "tier taken away"
	TierBack  Kind = "tier given back"
	Remake    Kind = "dead letters deleted"
)

// Upset is one of them.
type Upset struct {
	Number int    `json:"n"`
	Kind   Kind   `json:"kind"`
	Member string `json:"member,omitempty"` // the life of a member that it was done to
	What   string `json:"what,omitempty"`   // more about it
	Inside bool   `json:"inside,omitempty"` // a transaction of the member was left open
	Begun  int64  `json:"begun"`            // Unix ns
	Ended  int64  `json:"ended,omitempty"`  // 0: it has not
}

// OfMember reports whether the upset leaves a member alive that may not know what it has lost.
func (u *Upset) OfMember() bool {
	switch u.Kind {
	case Pause, CutOff, Silence, Slow, Reset:
		return true
	}
	return false
}

// OfBroker reports whether a broker was upset.
func (u *Upset) OfBroker() bool {
	return u.Kind == BrokerEnd || u.Kind == BrokerBye || u.Kind == BrokerNap
}

// Diary is written by the chaos. Its methods may be called concurrently.
type Diary struct {
	mu  sync.Mutex
	w   io.Writer
	all []Upset
	err error
}

// NewDiary writes to w.
func NewDiary(w io.Writer) *Diary { return &Diary{w: w} }

// Begin writes an upset down that begins now, and returns its number.
func (d *Diary) Begin(k Kind, member, what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := Upset{Number: len(d.all) + 1, Kind: k, Member: member, What: what, Begun: time.Now().UnixNano()}
	d.all = append(d.all, u)
	d.write(u)
	return u.Number
}

// End says that it is over.
func (d *Diary) End(number int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := &d.all[number-1]
	u.Ended = time.Now().UnixNano()
	d.write(*u)
}

// Inside says of an upset that it left a transaction of the member open.
func (d *Diary) Inside(number int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := &d.all[number-1]
	u.Inside = true
	d.write(*u)
}

// Counts says how often each kind has happened.
func (d *Diary) Counts() map[Kind]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := make(map[Kind]int)
	for i := range d.all {
		n[d.all[i].Kind]++
	}
	return n
}

// Last is when the last upset began or ended, zero when there was none. While one goes on it is now.
func (d *Diary) Last() (at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.all {
		u := &d.all[i]
		if u.Kind == Stop {
			continue // it leaves nobody behind who does not know
		}
		if u.Ended == 0 {
			return time.Now()
		}
		if t := time.Unix(0, u.Ended); t.After(at) {
			at = t
		}
	}
	return at
}

// Longest is the longest that an upset of the kind has lasted.
func (d *Diary) Longest(k Kind) (most time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.all {
		if u := &d.all[i]; u.Kind == k && u.Ended != 0 {
			most = max(most, time.Duration(u.Ended-u.Begun))
		}
	}
	return most
}

// Err is the first error of writing.
func (d *Diary) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *Diary) write(u Upset) {
	text, err := json.Marshal(u)
	if err == nil {
		_, err = d.w.Write(append(text, '\n'))
	}
	if err != nil && d.err == nil {
		d.err = err
	}
}

// Read reads a diary: each upset as it was last written.
func Read(r io.Reader) (all []Upset, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var u Upset
		if err := json.Unmarshal(lines.Bytes(), &u); err != nil {
			return nil, fmt.Errorf("diary: %q: %w", lines.Text(), err)
		}
		if u.Number <= len(all) {
			all[u.Number-1] = u
			continue
		}
		all = append(all, u)
	}
	return all, lines.Err()
}
