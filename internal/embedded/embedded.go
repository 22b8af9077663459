// Package embedded runs a Kafka broker in this process, for development: `redeliver run --embedded` and `redeliver demo`.
//
// It is kfake, franz-go's own broker, on a data directory. It speaks Kafka's protocol over TCP, so kcat, another
// terminal's `redeliver dlq list` or any Kafka client can use it, and what it holds outlives the process: records,
// topics, group commits, producers' epochs and open transactions are there again after a stop and a start. After a
// crash (a SIGKILL, or a power failure) everything that was acknowledged is there too, and transactions that were open
// are aborted.
//
// # What it is not for
//
// Anything whose loss would matter. It is one node: no replication, no authentication (so it listens on loopback
// addresses only), no throttling, everything in one goroutine. In particular:
//
//   - message.timestamp.type=LogAppendTime is accepted and ignored, as are topic settings that Kafka would refuse.
//   - Compacted topics are kept whole. kfake compacts by deleting a partition's files and writing them anew, which a
//     crash in between turns into the loss of the partition.
//   - Time and size limits apply only to topics that set retention.ms or retention.bytes themselves, each by its own;
//     Kafka's default of seven days does not apply. (kfake's own clock would apply seven days to every topic as soon as
//     a single one sets a limit, so it is off and the limits are applied by this package.) Retry topics, with their
//     retention.ms=-1, are never shortened but by DeleteRecords.
//   - Committed offsets do not expire.
//   - A crash in the middle of the end of a transaction can leave it committed in one partition and aborted in another,
//     and the records of a transaction that a crash aborted can become visible if the same transactional id commits
//     and crashes again. Exactly-once routing is to be tried on Apache Kafka.
//   - After a crash, a producer of another process that was waiting for an acknowledgement may write its batch twice.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/internal/kfakemend"
)

const (
	// DefaultListen is the address of a broker whose configuration names none: Kafka's usual port.
	DefaultListen = "127.0.0.1:9092"
	// DefaultDataDir is the data directory of a broker whose configuration names none, in the working directory.
	DefaultDataDir = ".redeliver"

	// maintainEvery is how often topics' own limits of time and size are applied.
	maintainEvery = 30 * time.Second
)

// Config says where the embedded broker listens and keeps its data.
type Config struct {
	// DataDir is the directory that the broker keeps its data in, made where it is missing. It must be empty or have
	// been made by an embedded broker, and no other process may be using it. Defaults to [DefaultDataDir].
	DataDir string

	// Listen is the address to listen on, a loopback address with a port; port 0 takes any free one, which
	// [Broker.Addr] tells. Defaults to [DefaultListen].
	Listen string

	// Log is told what goes wrong, at level Warn or above, and what was repaired after a crash. Defaults to
	// [slog.Default].
	Log *slog.Logger

	// Temporary keeps the data in a temporary directory instead, without syncing it to disk, and deletes it on Close.
	// DataDir must then be empty. Defaults to false.
	Temporary bool

	// Topics names topics and their numbers of partitions, at least 1, to be made where they are missing. A topic that is there is
	// left as it is. Defaults to none.
	Topics map[string]int32
}

// Broker is a running embedded broker. Its methods may be called concurrently.
type Broker struct {
	addr    string
	cluster *kfake.Cluster
	dir     *directory
	marks   *marks
	log     *storageLog

	temporary string // the directory to delete on Close, or empty
	stop      chan struct{}
	stopped   sync.WaitGroup

	closing  sync.Once
	closeErr error
}

// Start starts an embedded broker, which accepts clients when it returns. The context bounds only the start; the broker
// runs until [Broker.Close], which must be called.
//
// It fails when the address is not a loopback address or is in use (telling who answers there, if that is a Kafka broker),
// and with a [*InUseError] when another process holds the data directory.
func Start(ctx context.Context, c Config) (_ *Broker, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Broker{log: &storageLog{log: c.Log}, stop: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.release())
		}
	}()

	if c.Temporary {
		if b.temporary, err = os.MkdirTemp("", "redeliver-embedded-"); err != nil {
			return nil, fmt.Errorf("embedded broker: making a temporary directory: %w; set TMPDIR to a directory that can be written to", err)
		}
		c.DataDir = b.temporary
	}
	if b.dir, err = openDirectory(c.DataDir, c.Listen); err != nil {
		return nil, err
	}
	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return nil, err
	}
	b.addr = listener.Addr().String()

	if b.marks, err = b.dir.repair(c.Log); err != nil {
		_ = listener.Close() // the error that matters is the repair's
		return nil, err
	}
	if b.cluster, err = kfake.NewCluster(clusterOptions(c, b.dir, listener, b.log)...); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("embedded broker: loading %s: %w", c.DataDir, err)
	}
	b.marks.restoreStarts(b.cluster, c.Log)
	b.dir.forgetShutdownState(c.Log)
	if err := createTopics(b.cluster, c.Topics); err != nil {
		return nil, err
	}

	b.cluster.ControlKey(deleteRecordsKey, b.markDeleteRecords)
	b.cluster.ControlKey(int16(kmsg.Fetch), kfakemend.KeepAborted)
	b.stopped.Go(b.maintain)
	return b, nil
}

// Addr is the address that clients connect to, "host:port".
func (b *Broker) Addr() string { return b.addr }

// Dir is the data directory.
func (b *Broker) Dir() string { return b.dir.path }

// Close stops the broker, writes what it holds to disk and gives the data directory back. Clients' connections end. It
// returns an error when something could not be written, then or earlier. Calls after the first return what it returned.
func (b *Broker) Close() error {
	b.closing.Do(func() {
		close(b.stop)
		b.stopped.Wait()
		b.closeErr = b.release()
	})
	return b.closeErr
}

// release undoes Start, also one that went only half the way.
func (b *Broker) release() error {
	var errs []error
	if b.cluster != nil {
		b.cluster.Close()
	}
	if err := b.log.failure(); err != nil && b.temporary == "" {
		errs = append(errs, err)
	}
	if b.dir != nil {
		errs = append(errs, b.dir.release())
	}
	if b.temporary != "" {
		errs = append(errs, os.RemoveAll(b.temporary))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	return nil
}

// maintain applies the limits that topics set for themselves.
func (b *Broker) maintain() {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.applyRetention()
		}
	}
}

func (b *Broker) applyRetention() {
	limited, err := b.dir.topics()
	if err != nil {
		b.log.log.Warn("embedded broker: the list of topics cannot be read", "error", err)
		return
	}
	var names []string
	for _, t := range limited {
		if t.limited() {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	// Before, for what is deleted; and after, for what came in between and was old enough to go with it.
	for _, apply := range []func(){b.cluster.ApplyRetention, func() {}} {
		if err := b.marks.record(b.cluster, names...); err != nil {
			b.log.log.Warn("embedded broker: retention is not applied, for the partitions' ends cannot be recorded", "error", err)
			return
		}
		apply()
	}
}

func (c Config) withDefaults() (Config, error) {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Temporary && c.DataDir != "" {
		return c, errors.New("embedded broker: Temporary and DataDir exclude each other: leave DataDir empty, or keep the data")
	}
	if c.DataDir == "" {
		c.DataDir = DefaultDataDir
	}
	for name, partitions := range c.Topics {
		if partitions < 1 {
			return c, fmt.Errorf("embedded broker: topic %s cannot have %d partitions: at least 1", name, partitions)
		}
	}
	return c, nil
}

func clusterOptions(c Config, d *directory, l net.Listener, log *storageLog) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID(d.clusterID),
		kfake.DataDir(d.broker()),
		kfake.DefaultNumPartitions(1),  // as num.partitions is in Kafka
		kfake.AllowAutoTopicCreation(), // as auto.create.topics.enable is: kcat writes to a topic and there it is
		kfake.ListenFn(func(string, string) (net.Listener, error) { return l, nil }),
		kfake.WithLogger(log),
		kfake.BrokerConfigs(map[string]string{
			// Nothing expires that was not asked to, see the package's documentation.
			"log.retention.ms":          "-1",
			"offsets.retention.minutes": strconv.Itoa(100 * 365 * 24 * 60),
			// kfake's own retention and compaction, never: maintain does it.
			"log.cleaner.backoff.ms": strconv.FormatInt((100 * 365 * 24 * time.Hour).Milliseconds(), 10),
		}),
	}
	if !c.Temporary {
		opts = append(opts, kfake.SyncWrites())
	}
	return opts
}

func createTopics(cluster *kfake.Cluster, topics map[string]int32) error {
	for name, partitions := range topics {
		if cluster.TopicInfo(name) != nil {
			continue
		}
		if err := cluster.CreateTopic(name, partitions, nil); err != nil {
			return fmt.Errorf("embedded broker: creating topic %s with %d partitions: %w", name, partitions, err)
		}
	}
	return nil
}

// brokerDirectory is where kfake's own files are, inside the data directory.
const brokerDirectory = "kafka"

func (d *directory) broker() string { return filepath.Join(d.path, brokerDirectory) }
