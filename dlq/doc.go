// Package dlq works with dead letters: it makes them ([Letter]), and lists, groups and counts them, replays them, also to another cluster and with edits,
// discards, parks, renews and purges them, exports and imports them, follows them as they die, and looks for the records that they were ([Queue]). An index answers
// without reading the topics ([Indexed]), and what must not be seen is hidden ([Redaction]).
//
// What was written to a dead-letter topic is never changed. What became of its entries stands in its ledger, a compacted topic beside it
// named [retrytopics.LedgerTopic], so that a second or an interrupted replay with any filter replays no entry twice.
//
// # Entries
//
// Records with one id, consumer group, number of replays and name of the last one are copies of one dead letter, which a crash
// between writing and committing makes. They are one entry: it has the position and the time of its first copy, and what is said of it
// in the ledger holds for all copies. A record that was replayed and died again is another entry. One that fails once more after it was replayed or discarded,
// and not of a replay, as since the offsets of its group were reset, opens its entry again: the copies of before have what was said of them, and those that
// failed anew are open, until the next mark ([Entry.FailedAnew]).
//
// # The ledger
//
// Keys and values are text. A mark has the key
//
//	<topic id>/<partition>/<offset>
//
// with the dead-letter topic's id (base64url without padding, as Kafka's own tools print it) and the entry's position.
// A topic that is deleted and made again has another id and starts clean. The value is JSON:
//
//	{"v":1,"status":"replayed","at":1763900000000,"by":"ann@host","run":"20251123-121320-5f1c",
//	 "to":"orders.orders.retry-1s","id":"orders/3/1042","group":"orders","replays":0}
//
// status is open, replayed, discarded, replay_limit or parked, at is in Unix ms, run names the call that wrote it, to the topic
// that the entry was written to, with @ and the name of the cluster where that is another one, edit what a replay changed in the record, reason why it was discarded, renewed when it was
// last carried forward, which is the time of a mark that says so and leaves the status as it was, and was then has who gave it that and when, with the names that the mark has for them; id, group, replays and
// replay (the name of the last one, where the entry has it) say whose copies the mark covers, and born of which record, in Unix ms of its timestamp where it
// first stood: a source topic that is deleted and made again has the ids of the one before. What died of a replay that has a name needs none; a mark of a release
// that noted none covers what has its id but for what was born and died more than a minute after it.
// A mark with status open takes back another one, and so does a tombstone with the header redeliver-forgets, whose value names the entry as a mark
// does: a purge left nothing of it. A tombstone without that header leaves what is known: the mark that counts has another place. times says how
// often the entry was replayed, where its status does not.
//
// A mark by which the entry is replayed or discarded has seen, the offset at which the partition of the dead letters ended for its call, and until, in Unix ms,
// the later one of when the entry's record first failed and of a minute before the mark by the clock of who wrote it (at may be later: it is after all marks
// of before). It does not hold for a copy that stands at seen or behind it and first failed later than until, or than at, where that is not said. One without
// seen, of an earlier release, holds for all copies.
//
// The key <topic id>/purge/<run> says what a purge deleted and which marks it may have taken back, for the last hundred of them: indexes that hold
// what the topic has lost go by that.
//
// A replay is a task: the key <topic id>/task/<run> says what it selects and does, where the partitions ended when it was
// started, its state and its counts. Its record is written in the transactions of its entries, so that another process can go on
// with it. A call that goes on with the replay of another run names it in its marks as "of". The key <topic id>/wish/<run>
// asks the call that works on it to pause or to cancel it; anybody may write it, and any call may start a task. A wish that names the task as "of" is for
// one that nobody works on, while another call writes: the task is paused or cancelled until a later record of its own says something else, and
// the next writer writes that down. Who attends a queue works on those that wait, and on those that were running within the last day and whose writer is gone.
//
// The key <topic id>/writer holds who writes to the ledger: {"v":1,"run":...,"by":...,"at":...,"doing":"replay",
// "alive":1763900004000}. It is written again every 4 seconds, with the time in alive, and at the end with "ended":true. Who
// finds there a writer that has not ended and was alive within 15 seconds does not begin, unless it is told to take over.
//
// Readers read both topics with read_committed. What keeps two writers apart, whatever the clocks say, is the transactional
// id "redeliver.<dead-letter topic>": who begins fences the one before, reads the ledger to its end after that, and then
// writes, copies and marks together in transactions. What goes to another cluster ([Destination.On]) is written there first and marked when it
// is acknowledged: it is there at least once.
//
// # Outcomes
//
// A replayed record that dies again is an entry with its id and one replay more. It has succeeded when its group has
// committed past its copy with no later copy in a retry topic and no new entry, for what a record becomes is written before
// its offset is committed. A replay waits for that where its Concurrency, Canary, StopAt or Wait is set.
package dlq
