package sim

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Produce puts records into their topics and waits until all are acknowledged. It may be called by any goroutine.
func (w *World) Produce(records ...*Record) {
	w.t.Helper()
	for r, k := range w.write(w.producer, records) {
		w.acknowledged(r, k)
	}
}

// produceTries is how often the simulation itself tries to write a record.
const produceTries = 200

// write writes records until all are acknowledged. A client gives up when it finds no broker; what it says failed was not
// written.
func (w *World) write(client *kgo.Client, records []*Record) map[*Record]*kgo.Record {
	written := make(map[*Record]*kgo.Record)
	of := make(map[*kgo.Record]*Record)
	var out []*kgo.Record
	for _, r := range records {
		k := w.kafka(r)
		of[k] = r
		out = append(out, k)
	}
	for try := 0; len(out) > 0; try++ {
		var failed []*kgo.Record
		for _, res := range client.ProduceSync(w.ctx, out...) {
			if res.Err == nil {
				written[of[res.Record]] = res.Record
				continue
			}
			if failed = append(failed, res.Record); try == produceTries {
				w.fail("produce to %s: %v", res.Record.Topic, res.Err)
				return written
			}
		}
		if out = failed; len(out) > 0 {
			client.ForceMetadataRefresh()
			time.Sleep(time.Second)
		}
	}
	return written
}

// kafka gives a record its number and makes it one for the client.
func (w *World) kafka(r *Record) *kgo.Record {
	if r.Topic == "" {
		r.Topic = w.h.Terms.Sources[0]
	}
	w.mu.Lock()
	r.n = w.numbers
	w.numbers++
	w.records[r.n] = r
	r.Partition %= w.partitions[r.Topic]
	w.mu.Unlock()
	value, headers := r.body()
	at := r.Timestamp
	if at.IsZero() {
		at = time.Now()
	}
	return &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: value, Headers: headers, Timestamp: at}
}

// acknowledged takes down that a record can be read.
func (w *World) acknowledged(r *Record, k *kgo.Record) {
	place := Place{Partition{k.Topic, k.Partition}, k.Offset}
	p := Produced{
		Place: place, ID: place.String(), Key: k.Key, Value: k.Value, Headers: k.Headers, Timestamp: k.Timestamp,
		At: w.rec.now(), transaction: r.Transaction != nil,
	}
	for _, h := range k.Headers {
		if h.Key == "redeliver-id" {
			p.ID = string(h.Value)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Produced = append(w.h.Produced, p)
	w.places[r.n] = place
}

// Transaction is what records are produced in together.
type Transaction struct {
	Abort bool
	Holds time.Duration // until it is ended
}

// transactionTime is after what time the cluster ends a transaction that nobody does.
const transactionTime = 30 * time.Second

// ProduceInTransaction puts records into their topics in one transaction and ends it. What became of it shows in the topics:
// when its end is in doubt, nobody else knows. It may be called by any goroutine.
func (w *World) ProduceInTransaction(t Transaction, records ...*Record) {
	w.t.Helper()
	for _, r := range records {
		r.Transaction = &t
	}
	w.mu.Lock()
	w.numbers++
	id := fmt.Sprintf("sim-producer-%d", w.numbers)
	w.mu.Unlock()
	client := w.client(kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTime))
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		w.fail("begin a transaction: %v", err)
		return
	}
	written := w.write(client, records)
	if t.Holds > 0 {
		time.Sleep(t.Holds)
	}
	if t.Abort {
		w.noteFault("transaction aborted")
	}
	if err := client.EndTransaction(w.ctx, kgo.TransactionEndTry(!t.Abort)); err != nil {
		_ = client.EndTransaction(w.ctx, kgo.TryAbort) // too late, or the coordinator has done it already
	}
	for r, k := range written {
		w.acknowledged(r, k)
	}
}

// alien is the group that planted copies are of. Their values say so, too.
const alien = "another-group"

// Plant writes a copy of another group into one of this group's retry topics.
func (w *World) Plant(source, delay string, partition int32) {
	w.t.Helper()
	due := fmt.Sprint(time.Now().UnixMilli())
	r := &kgo.Record{
		Topic: w.h.Terms.RetryTopic(source, delay), Partition: partition, Key: []byte(alien), Value: []byte(alien),
		Headers: []Header{
			{Key: "redeliver-id", Value: []byte(source + "/0/0")}, {Key: "redeliver-origin-topic", Value: []byte(source)},
			{Key: "redeliver-origin-partition", Value: []byte("0")}, {Key: "redeliver-origin-offset", Value: []byte("0")},
			{Key: "redeliver-group", Value: []byte(alien)}, {Key: "redeliver-attempt", Value: []byte("1")}, {Key: "redeliver-due", Value: []byte(due)},
		},
	}
	over := make(chan struct{})
	w.producer.Produce(w.ctx, r, func(*kgo.Record, error) { close(over) }) // a fault may refuse it, as it would a copy
	w.await(over)                                                          // who makes the topic anew may be kept from it until an appointment
}
