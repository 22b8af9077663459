package dlq

import "time"

// SmallBatches makes transactions of n entries, so that few entries are many transactions.
func SmallBatches(n int) Option { return func(q *Queue) { q.batch = n } }

// RenewTime is between two signs of life of a writer.
func RenewTime(d time.Duration) Option { return func(q *Queue) { q.renewTime = d } }

// Patience bounds how long a run that has to end waits for the brokers.
func Patience(d time.Duration) Option { return func(q *Queue) { q.patience = d } }

// SmallChunks makes a Watch ask the ledger after n dead letters.
func SmallChunks(w *Watch, n int) { w.chunk = n }
