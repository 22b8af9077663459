package retrytopics

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Parameters are the settings that a configuration file gives to a registered
// strategy. What it does not say has its default.
type Parameters struct {
	Initial       time.Duration // initial_delay; defaults to 1s
	Multiplier    float64       // multiplier; defaults to 3
	BackoffFactor float64       // backoff_factor; defaults to 1.5
}

var (
	registryMu sync.RWMutex
	registry   = map[string]func(Parameters) Strategy{"fibonacci": fibonacciOf}
)

var registeredName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Register makes a strategy known by name, so that a configuration file can say
// strategy: custom, custom: NAME. It is for the init function of a package that
// is built into the binary, and may be called concurrently.
//
// make is called for every policy that names the strategy, and what it returns
// must be as [Strategy] says: pure and safe for concurrent use.
//
// Register panics when the name is taken or is not of lower-case letters,
// digits, '_' and '-', and when make is nil. "fibonacci" is there already.
func Register(name string, make func(Parameters) Strategy) {
	registryMu.Lock()
	defer registryMu.Unlock()
	switch {
	case !registeredName.MatchString(name):
		panic(fmt.Sprintf("retrytopics.Register: %q is no name: use lower-case letters, digits, '_' and '-'", name))
	case make == nil:
		panic("retrytopics.Register: the function of " + name + " is nil")
	case registry[name] != nil:
		panic("retrytopics.Register: there is a strategy " + name + " already")
	}
	registry[name] = make
}

// Registered returns the strategy of that name with the parameters, and whether
// there is one.
func Registered(name string, p Parameters) (Strategy, bool) {
	registryMu.RLock()
	make := registry[name]
	registryMu.RUnlock()
	if make == nil {
		return nil, false
	}
	p.Initial = orDefault(p.Initial, DefaultInitialDelay)
	p.Multiplier = orDefault(p.Multiplier, DefaultMultiplier)
	p.BackoffFactor = orDefault(p.BackoffFactor, DefaultBackoffFactor)
	s := make(p)
	return s, s != nil
}

// RegisteredNames returns the names of all registered strategies, sorted.
func RegisteredNames() []string {
	registryMu.RLock()
	defer registryMu.RUnlock()
	return slices.Sorted(maps.Keys(registry))
}

// Fibonacci waits the sum of the two delays before: with the default 1s, 1s,
// 2s, 3s, 5s, 8s. It grows slower than [Exponential] and faster than [Linear].
type Fibonacci struct {
	// Initial is the delay before the first retry. Defaults to 1s.
	Initial time.Duration
}

// Delay implements [Strategy].
func (f Fibonacci) Delay(retry int, _ Failed) time.Duration {
	before, now := time.Duration(0), orDefault(f.Initial, DefaultInitialDelay)
	for ; retry > 1 && now < longest; retry-- {
		before, now = now, before+now
	}
	return min(now, longest)
}

// String implements [Strategy].
func (f Fibonacci) String() string {
	return "fibonacci from " + Canonical(orDefault(f.Initial, DefaultInitialDelay))
}

func fibonacciOf(p Parameters) Strategy { return Fibonacci{Initial: p.Initial} }
