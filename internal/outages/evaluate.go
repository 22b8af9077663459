package outages

import (
	"runtime"
	"sync"
)

// Contender is a policy with its name. Policies are made anew for each trace: nothing that is learned on one helps on
// another.
type Contender struct {
	Name string
	New  func(*Trace) Policy
}

// Contenders are the adaptive policy and what it is held against.
func Contenders() []Contender {
	return []Contender{
		{"fixed", func(*Trace) Policy { return Fixed() }},
		{"exponential", func(*Trace) Policy { return Exponential() }},
		{"adaptive", func(*Trace) Policy { return Adaptive() }},
		{"optimum", Optimum},
	}
}

// Evaluate runs every contender over the traces of a kind, one for each seed, and returns the results by name.
func Evaluate(kind Kind, seeds []uint64, contenders []Contender) map[string]*Result {
	all := make(map[string]*Result, len(contenders))
	for _, c := range contenders {
		all[c.Name] = new(Result)
	}
	runs := make([][]Result, len(seeds)) // by seed and contender: their order decides nothing
	var wg sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, seed := range seeds {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			t := Generate(kind, seed)
			for _, c := range contenders {
				runs[i] = append(runs[i], Run(t, c.New(t)))
			}
		})
	}
	wg.Wait()
	for _, run := range runs {
		for i, c := range contenders {
			all[c.Name].add(run[i])
		}
	}
	return all
}
