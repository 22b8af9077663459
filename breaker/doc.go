// Package breaker answers one question about a dependency: is it well enough to
// be called.
//
// A [Breaker] is told how each call to the dependency ended. When too many
// failed, or too many were slow, it opens: calls are refused for a while, then a
// few probes are let through, and their results close it or open it again. What
// to do with a refused call is the caller's business; package consumer pauses
// the partitions that depend on the dependency.
//
// # The state machine
//
//	                 ┌────────────────────────────────────────────────────┐
//	                 │              HalfOpenCalls successes               │
//	                 ▼                                                    │
//	            ┌────────┐  too many    ┌──────┐  OpenFor      ┌──────────┴┐
//	  New ────▶ │ closed │ ───────────▶ │ open │ ────────────▶ │ half_open │
//	            └────────┘  failures,   └──────┘  is over      └──────────┬┘
//	              ▲    │    or slow         ▲                             │
//	              │    │                    └─────────────────────────────┘
//	       Auto   │    │ Force               too many failed, or were slow
//	              │    ▼
//	┌─────────────┴───────────────┐
//	│ forced_open   never admits  │    reached by Force from every state,
//	│ disabled      always admits │    left by Auto or Force only
//	│ metrics_only  always admits │
//	└─────────────────────────────┘
//
// In the closed state five things are too many. Each is judged when a call that
// failed (for the last: that was slow) is recorded:
//
//  1. Failures in a row, where [Config.Failures] is set.
//  2. A failure rate of [Config.FailureRate] over the window, once the window
//     has [Config.MinimumCalls] calls, those left out that fail again. The window is the last [Config.Window] of
//     time or the last [Config.WindowCalls] calls.
//  3. A dead run, see below.
//  4. A rate of slow calls of [Config.SlowRate] over the window, once it has
//     MinimumCalls calls. A call is slow if it took [Config.SlowCall] or longer.
//     A failure that was slow counts as both.
//  5. MinimumCalls failures of calls that began after the last success, whatever
//     had failed before, see Suspicion.
//
// # Dead runs
//
// A window alone is slow to see death. A dependency that served 1000 calls a
// second for 30 seconds and then fails them all would have to fail as many as it
// served before half of the window has failed. The promise is another one: from
// closed to open a dependency that fails every call gets at most MinimumCalls
// failing calls, plus those in flight when the last of these ends. So
// MinimumCalls failures in a row of calls whose like has not failed before, with no success between them, open the breaker
// as if the window had begun with them.
//
// Calls that were in flight when the dependency died may still succeed, and each
// such straggler would end a row of failures. A straggler is told from a sign of
// life by when its call began: a run begins with a failure and ends with the first
// success of a call that began after that failure; the stragglers are counted, but
// do not end it. The run is dead when it has MinimumCalls failures, and these are
// more than FailureRate of all its calls, those in flight taken for successes,
// by more than chance explains (three standard deviations).
//
// A dependency that lives but fails at a rate below FailureRate does not look
// dead: 20 failures in a row are a freak where 30 % fail (one in 10^10), and what
// is in flight keeps failures that are quicker than the successes from looking
// like the whole. Two things to know: with a MinimumCalls of five or less a short
// streak of bad luck is a row; and failures that end in one burst, time-outs of
// calls that began together, are a row too.
//
// The promise is exact where no call succeeds after the first failure. What
// stragglers cost depends on how quickly failures come: nothing where calls are
// refused at once, and where they take about as long as the successes the breaker
// opens when the stragglers have run out, which took up to some four times the
// number of calls at once in simulations.
//
// # Suspicion
//
// A record that fails for ever says nothing of the dependency, and such records
// come back from their delays together. So what fails again ([FailureAgain]) is
// left out of the failure rate, and of a row of MinimumCalls. But a dependency that
// is away while only retries call it shows in no other way: MinimumCalls failures,
// whatever had failed before, of calls that began after the last success open the
// breaker on suspicion ([Breaker.Suspected]). Then the first call whose like has not
// failed need not wait until OpenFor is over: with [Breaker.Probe] the breaker is
// half-open at once. Each suspicion that the probes prove wrong doubles the failures that
// the next one takes, up to 64 times, so that such records do not open a breaker again and
// again where little else is called. That is forgotten after ten times OpenFor, or when
// the dependency was away indeed.
//
// # Probes
//
// A probe that fails opens the breaker again, unless another one has succeeded or is
// still out: a record that fails for ever does not outweigh those that show that the
// dependency lives. When all HalfOpenCalls have ended and one at least has succeeded, it
// opens if FailureRate of those that had not failed before did fail, and closes
// otherwise. Probes have [Config.HalfOpenFor] to end.
//
// With [Config.OpenMultiplier] each opening that follows another one, without the
// breaker having stayed closed in between, lasts longer.
//
// # Metrics only
//
// A breaker in the state metrics_only admits every call and measures as a closed one
// does. Where that would open, it tells an [Event] that says Would, and goes on to tell
// what it would have done then: the calls that end after the time to be open, which grows
// as a real one's, are taken for probes.
// How the dependency fares while nobody spares it is another matter.
//
// # Permits
//
// Each call begins with [Breaker.Acquire] and ends with [Breaker.Record] or
// [Breaker.Cancel]. A permit belongs to the state in which it was given. A
// result that arrives in a later state is stale and moves nothing: a late
// failure from before the outage does not open a breaker that is probing, and a
// late success does not close it. [Breaker.Succeeded] counts it all the same.
//
// In the half-open state at most HalfOpenCalls permits are out or used up. Cancel
// and the outcome [Ignored] give a permit back. A permit that
// is never ended is lost until the state changes, so end each of them; Snapshot
// shows how many are out.
//
// # Concurrency and time
//
// All methods are safe for concurrent use. State never takes a lock, and Acquire
// only in the half-open state. Neither they nor Record allocate, unless the state
// changes or the first probe begins. A breaker has no goroutine of its own; it has a
// timer while it is open or probes are out, which [Breaker.Close] stops. All time comes from package time, so a
// breaker runs on the virtual time of testing/synctest.
//
// Subscribers are called outside of locks, see [Breaker.Subscribe].
package breaker
