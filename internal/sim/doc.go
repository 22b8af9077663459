// Package sim holds the engine to its promises. It runs whole pipelines, members, brokers, handlers and a dependency, in
// virtual time over a fake cluster, makes the cluster fail in every way that it knows, and then checks what happened.
//
// The parts:
//
//   - A [History] is what an outsider could see of a run: the records that were produced, the raw contents of the topics
//     as an independent client read them, the commits that took effect, the assignments of the group, and the calls of
//     the handlers: who, when, which attempt, with what.
//   - [Check] judges a history by each [Promise], by its name. It knows nothing of the engine: it reads headers with a
//     decoder of its own, and works out delays with a model of its own, the [Policy] of the history's [Terms].
//   - A [World] is a cluster with members in a bubble of testing/synctest, with faults that can be begun and ended.
//   - A [Plan] is a random scenario made from a seed. There are families of plans, each for what the others seldom or never do.
//
// A run is made by the tests of this package, with the build tag synctests, or by make:
//
//	go test -tags synctests ./internal/sim     # the named scenarios and a slice of the seeds
//	make sim SEEDS=1000                        # more seeds of each family of plans, and a tally of what they put to the test
//	make sim SEED=17 PLAN=held                 # one seed of one family again
//	make mutants                               # bugs that are planted, and must be found
//
// Time is virtual but scheduling is not: a seed fixes the plan, not the order in which goroutines run. A seed that failed
// once may need to be run a few times to fail again.
package sim
