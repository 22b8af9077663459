// Package fleet makes many processes act as one where each of them would otherwise act alone: breakers that open and close
// together, one process that probes for all of them, and orders of an operator that reach every process and outlive it.
//
// # The control topic
//
// What the processes agree on stands in one compacted topic with one partition ([DefaultTopic]). Everybody applies its
// records in their order, so that everybody comes to the same state:
//
//   - An open starts an episode of a breaker. The episode's id is the record's offset; it replaces the one before.
//   - A close names the episode that it ends. It is void when that is not the latest: what somebody found out about an
//     earlier outage says nothing of this one.
//   - A probe claims the lease to probe, for a time. The first one after the wait of the episode is over holds it; others
//     are void until it has run out. The holder's own ones renew it.
//   - An order is an operator's: a breaker is kept open, kept closed, or measures; a pipeline is paused, or not. It ends the
//     episode that was.
//
// What a pipeline learns about delays ([Member.Keep]) stands there too, one record for each dependency and class, written by whoever
// knows more than what stands there. Whoever knows less takes it over, so that a process that starts begins with what the others know.
//
// Times are compared on one clock only. Whether a claim came after the end of a lease is judged by the timestamps of the
// log, which the broker sets (message.timestamp.type=LogAppendTime); the holder itself counts from before it sent the
// claim, and the others from when they read it, each on its own monotonic clock. So the clocks of the machines may differ as they like.
//
// Each kind of record has a key of its own for each breaker or pipeline, so that compaction leaves the latest of each, and these
// lead to the same state as all of them. A void close that was written last would take the place of the one that counts;
// whoever sees it writes that again. A void claim may stand for one that counts only for min.compaction.lag.ms, which is
// much longer than a lease.
//
// # When the topic cannot be reached
//
// The last state holds, which [Status] tells: what is open stays open, and orders hold. A breaker that trips meanwhile is open in its own process,
// and probes by itself. When the topic was deleted and made again, or its log was cut off, orders that
// are missing there are written again by those who know them, and so are breakers that are open.
package fleet
