// Package retrytopics decides when and where a failed record waits.
//
// It has five parts, none of which starts a goroutine, keeps a clock or holds
// a lock:
//
//   - When: a [Policy] (strategy, tiers, bounds, overrides) compiles to an
//     immutable [Schedule]. [Schedule.Next] says what a failed attempt is
//     owed: another try on the spot, a delay, or the end.
//   - Which way: [Schedule.Hop] splits a delay over the tiers there are, so
//     that a record never waits in a topic longer than it has to.
//   - What travels: [State] is everything that a copy of a record carries in
//     its redeliver-* headers. [Fresh] begins one from a source record,
//     [Decode] reads one from a copy, [State.AppendHeaders] writes one.
//   - Where: [Names] turns group, source topic and delay into topic names
//     that Kafka accepts and that do not collide.
//   - The topics themselves: [MakePlan] compares a cluster with what a
//     pipeline needs, [Plan.Apply] makes it so.
//
// # Dialects
//
// The redeliver-* headers are the package's own dialect. Those of other
// programs (Spring for Apache Kafka, SmallRye, share groups, Kafka Connect)
// are further readings and writings of the same [State]: [State.AppendHeaders]
// writes them on request, beside its own, and [DecodeForeign] reads them from
// dead letters that have no redeliver-group.
package retrytopics
