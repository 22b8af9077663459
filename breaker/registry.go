package breaker

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
)

// A Registry shares breakers by the name of their dependency: whoever asks for
// one name gets one breaker. It is safe for concurrent use.
type Registry struct {
	mu       sync.Mutex
	breakers map[string]*Breaker
	families map[string]*Family
	closed   bool
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{breakers: make(map[string]*Breaker), families: make(map[string]*Family)}
}

// Get returns the breaker of c.Dependency, which the first call makes. Later
// calls must have an equal configuration, where a zero field is equal to its
// default: the error names the fields that differ. It is an error too if
// c.Dependency is empty, c is not valid, or the registry is closed.
func (r *Registry) Get(c Config) (*Breaker, error) {
	if c.Dependency == "" {
		return nil, errors.New("breaker: Dependency is empty: breakers are shared by the name of their dependency, give it one")
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("dependency %q: %w", c.Dependency, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("breaker: the registry is closed: dependency %q gets no breaker any more", c.Dependency)
	}
	c = c.WithDefaults()
	if b, ok := r.breakers[c.Dependency]; ok {
		if err := differences(b.config, c); err != nil {
			return nil, err
		}
		return b, nil
	}
	b := build(c)
	r.breakers[c.Dependency] = b
	return b, nil
}

// Family returns the breakers of c.Dependency part by part, as [NewFamily] makes them; the rules of Get hold.
func (r *Registry) Family(c Config, bound int) (*Family, error) {
	f, err := NewFamily(c, bound)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("breaker: the registry is closed: dependency %q gets no breakers any more", c.Dependency)
	}
	has, ok := r.families[c.Dependency]
	if !ok {
		r.families[c.Dependency] = f
		return f, nil
	}
	if err := differences(has.config, f.config); err != nil {
		return nil, err
	}
	if has.bound != f.bound {
		return nil, fmt.Errorf("breaker: dependency %q has %d parts already and cannot have %d too: configure it alike everywhere, or give it another name", c.Dependency, has.bound, f.bound)
	}
	return has, nil
}

// Families returns all families, sorted by the name of their dependency.
func (r *Registry) Families() []*Family {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Family, 0, len(r.families))
	for _, name := range slices.Sorted(maps.Keys(r.families)) {
		all = append(all, r.families[name])
	}
	return all
}

// Lookup returns the breaker of that name, if Get has made one, or a family knows the part.
func (r *Registry) Lookup(dependency string) (*Breaker, bool) {
	r.mu.Lock()
	b, ok := r.breakers[dependency]
	r.mu.Unlock()
	if ok {
		return b, true
	}
	for _, f := range r.Families() {
		for _, b := range f.All() {
			if b.config.Dependency == dependency {
				return b, true
			}
		}
	}
	return nil, false
}

// All returns all breakers but those of families, sorted by the name of their dependency.
func (r *Registry) All() []*Breaker {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Breaker, 0, len(r.breakers))
	for _, name := range slices.Sorted(maps.Keys(r.breakers)) {
		all = append(all, r.breakers[name])
	}
	return all
}

// Close closes all breakers. They can still be looked up, but none is made any
// more.
func (r *Registry) Close() {
	for _, b := range r.close() {
		b.Close()
	}
	for _, f := range r.Families() {
		f.Close()
	}
}

func (r *Registry) close() []*Breaker {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return slices.Collect(maps.Values(r.breakers))
}

// differences is an error for each field in which two configurations of one
// dependency differ.
func differences(has, wants Config) error {
	var errs []error
	a, b := reflect.ValueOf(has), reflect.ValueOf(wants)
	for i := range a.NumField() {
		if !a.Field(i).Equal(b.Field(i)) {
			errs = append(errs, fmt.Errorf("breaker: dependency %q has %s %v already and cannot have %v too: configure it alike everywhere, or give it another name",
				has.Dependency, a.Type().Field(i).Name, a.Field(i), b.Field(i)))
		}
	}
	return errors.Join(errs...)
}
