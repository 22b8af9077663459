package breaker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
)

// A Family is a dependency that is watched part by part: by tenant, by host. Each part has a breaker of its own, all of one
// configuration, named "dependency/part". It keeps a bounded number of them: when there are more, those go that are closed
// and were asked for longest ago, with what they knew; and where none is closed, parts that come then share one breaker. A
// Family is safe for concurrent use.
type Family struct {
	config Config
	bound  int
	clock  atomic.Uint64 // counts what was asked for

	mu          sync.RWMutex
	parts       map[string]*member
	other       *member // of the parts beyond the bound; nil: there were none
	subscribers []*familySubscriber // replaced, never changed
	closed      bool
}

type member struct {
	*Breaker
	used atomic.Uint64 // the family's clock when it was last asked for
}

type familySubscriber struct{ tell func(Event) }

// DefaultParts is how many parts a Family keeps unless told otherwise, and maxParts how many it may.
const (
	DefaultParts = 1000
	maxParts     = 100_000
)

// The names of the parts that stand for records without a part, and for those beyond the bound.
const (
	NoPart     = "(none)"
	OtherParts = "(other)"
)

// maxPart is how long the name of a part may be before the rest of it becomes a hash, in bytes.
const maxPart = 64

// NewFamily returns a family of breakers of a configuration, whose Dependency is the first part of their names. bound is how many
// parts it keeps, 0 for DefaultParts.
func NewFamily(c Config, bound int) (*Family, error) {
	if bound == 0 {
		bound = DefaultParts
	}
	if bound < 1 || bound > maxParts {
		return nil, fmt.Errorf("breaker: a family of %d parts: give 1 to %d", bound, maxParts)
	}
	if c.Dependency == "" {
		return nil, errors.New("breaker: Dependency is empty: the breakers of a family are named after it, give it one")
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("dependency %q: %w", c.Dependency, err)
	}
	return &Family{config: c.WithDefaults(), bound: bound, parts: make(map[string]*member)}, nil
}

// Dependency returns the name of the whole.
func (f *Family) Dependency() string { return f.config.Dependency }

// Get returns the breaker of a part; "" is a part, too.
func (f *Family) Get(part string) *Breaker {
	if len(part) > maxPart {
		part = partName(part)
	}
	f.mu.RLock()
	m := f.parts[part]
	f.mu.RUnlock()
	if m == nil {
		m = f.add(part)
	}
	m.used.Store(f.clock.Add(1))
	return m.Breaker
}

func (f *Family) add(part string) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.parts[part]; m != nil {
		return m
	}
	if len(f.parts) >= f.bound {
		f.evict()
	}
	if len(f.parts) >= f.bound {
		if f.other == nil {
			f.other = f.build(OtherParts)
		}
		return f.other
	}
	m := f.build(partName(part))
	f.parts[part] = m
	return m
}

func (f *Family) build(name string) *member {
	c := f.config
	c.Dependency += "/" + name
	m := &member{Breaker: build(c)}
	if f.closed {
		m.Close()
	}
	m.Subscribe(f.tell)
	return m
}

// evict drops a tenth of what it may keep, and one at least: the closed ones that were asked for longest ago.
func (f *Family) evict() {
	var closed []string
	for part, m := range f.parts {
		if m.State() == f.config.Mode {
			closed = append(closed, part)
		}
	}
	slices.SortFunc(closed, func(a, b string) int { return int(int64(f.parts[a].used.Load() - f.parts[b].used.Load())) })
	for _, part := range closed[:min(len(closed), max(f.bound/10, 1))] {
		f.parts[part].Close()
		delete(f.parts, part)
	}
}

// tell passes on what a part's breaker tells.
func (f *Family) tell(e Event) {
	f.mu.RLock()
	subscribers := f.subscribers
	f.mu.RUnlock()
	for _, s := range subscribers {
		s.tell(e)
	}
}

// Subscribe is [Breaker.Subscribe] for all parts, those to come included. Events of one part come in their order, those of
// different parts at the same time.
func (f *Family) Subscribe(tell func(Event)) (cancel func()) {
	s := &familySubscriber{tell}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = append(slices.Clone(f.subscribers), s)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.subscribers = slices.DeleteFunc(slices.Clone(f.subscribers), func(o *familySubscriber) bool { return o == s })
	}
}

// All returns the breakers of the parts that are known now, sorted by name.
func (f *Family) All() []*Breaker {
	f.mu.RLock()
	defer f.mu.RUnlock()
	all := make([]*Breaker, 0, len(f.parts)+1)
	for _, m := range f.parts {
		all = append(all, m.Breaker)
	}
	if f.other != nil {
		all = append(all, f.other.Breaker)
	}
	slices.SortFunc(all, func(a, b *Breaker) int { return strings.Compare(a.config.Dependency, b.config.Dependency) })
	return all
}

// Close closes the breakers of all parts, those to come included.
func (f *Family) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, m := range f.parts {
		m.Close()
	}
	if f.other != nil {
		f.other.Close()
	}
}

// partName makes of a part what may stand in a name: printable, and not longer than maxPart but for a hash.
func partName(part string) string {
	switch {
	case part == "":
		return NoPart
	case len(part) <= maxPart && !strings.ContainsFunc(part, unprintable):
		return part
	}
	sum := sha256.Sum256([]byte(part))
	clean := strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, part[:min(len(part), maxPart)])
	return clean + "~" + hex.EncodeToString(sum[:4])
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
