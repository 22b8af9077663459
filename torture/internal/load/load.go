// Package load produces the records of a torture run, at a steady rate, and writes down where each of them stands. What
// the brokers do not take at once it produces late: the rate holds on the whole.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/torture/internal/fate"
)

// Config is what the load is told.
type Config struct {
	Brokers []string
	Topic   string
	Records fate.Records
	Rate    int    // records a second
	Log     string // the file that it writes to
}

// Run produces until ctx ends, and then waits for as long as the brokers need to acknowledge everything. It writes a
// line "number partition offset timestamp" for each record that was acknowledged, in no order, the timestamp in Unix ms.
func Run(ctx context.Context, c Config) (err error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Brokers...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.MetadataMaxAge(2*time.Second), // partitions that are new get their share
		kgo.MaxBufferedRecords(20_000),
		kgo.ProducerLinger(25*time.Millisecond),   // fewer requests: the processors are for others
		kgo.RequestTimeoutOverhead(5*time.Second), // a broker that hangs is given up soon
	)
	if err != nil {
		return err
	}
	defer client.Close()
	file, err := os.OpenFile(c.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	log := bufio.NewWriterSize(file, 1<<16)
	var mu sync.Mutex
	var failed error
	acknowledged := func(number int, r *kgo.Record, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			_, err = fmt.Fprintf(log, "%d %d %d %d\n", number, r.Partition, r.Offset, r.Timestamp.UnixMilli())
		}
		if err != nil && failed == nil {
			failed = fmt.Errorf("record %d: %w", number, err)
		}
	}
	flush := func() error {
		mu.Lock()
		defer mu.Unlock()
		return errors.Join(failed, log.Flush())
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lasting := context.WithoutCancel(ctx)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, number, flushed := time.Now(), 0, time.Now()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * float64(c.Rate)); number < due && ctx.Err() == nil; number++ {
			n := number
			r := c.Records.Make(n, time.Now())
			r.Topic = c.Topic
			client.Produce(lasting, r, func(r *kgo.Record, err error) { acknowledged(n, r, err) })
		}
		if time.Since(flushed) > 100*time.Millisecond {
			if err := flush(); err != nil {
				return err
			}
			flushed = time.Now()
		}
	}
	if err := client.Flush(lasting); err != nil {
		return err
	}
	return flush()
}
