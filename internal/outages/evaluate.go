package outages

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
	for _, seed := range seeds {
		t := Generate(kind, seed)
		for _, c := range contenders {
			all[c.Name].add(Run(t, c.New(t)))
		}
	}
	return all
}
