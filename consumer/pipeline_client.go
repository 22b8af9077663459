package consumer

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchBytes is how much is fetched from a broker at a time: three eighths of the window, for it is held beside the window, and up
// to 24 MiB. Of the sources it is so much as it is in memory, see [fetchSize], and held twice: by lanes, which have yet to take it, and by the client,
// which fetches what follows meanwhile.
func fetchBytes(w Window) int32 { return int32(min(max(w.Bytes/8*3, 1<<20), 24<<20)) }

// options are those of any client of the pipeline: the user's, and what the promises need.
func (p *Pipeline) options() []kgo.Opt {
	c := &p.cfg
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.MetadataMaxAge(time.Minute),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerLinger(2 * time.Millisecond),
		// Fetch less at a time than the client would: what a paused partition has buffered is thrown away.
		kgo.FetchMaxPartitionBytes(min(1<<20, fetchBytes(c.Window))),
		kgo.FetchMaxBytes(fetchBytes(c.Window)),
		// A partition that is resumed waits for the fetch that is under way without it.
		kgo.FetchMaxWait(fetchWait),
	}
	opts = append(opts, c.ClientOptions...)
	return append(opts,
		kgo.WithHooks(p.faults),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// Every copy under way belongs to a record of the window, so that producing never blocks: one leader that is
		// away cannot stop the copies for the others.
		kgo.MaxBufferedRecords(max(2*c.Window.Records, 10000)),
		// The client counts before compression, and a copy is larger than its record by our headers.
		kgo.ProducerBatchMaxBytes(64<<20),
		kgo.BrokerMaxWriteBytes(128<<20),
	)
}

// metadataSoon is how soon a client that writes copies asks once more who leads their partitions, which it does before it tries again
// what a broker did not take. Brokers refuse batches while they write the markers of the producer's transaction before, as those of
// several nodes do in most; with the client's own five seconds between, a transaction would be given up each time. Who only reads does not
// ask as often: it would do so for as long as a partition has no leader.
const metadataSoon = 100 * time.Millisecond

// copyOptions are the options of a client that writes copies.
func (p *Pipeline) copyOptions() []kgo.Opt {
	return append([]kgo.Opt{kgo.MetadataMinAge(metadataSoon)}, p.options()...)
}

// retryOptions are the options of the client that reads the retry topics.
func (p *Pipeline) retryOptions() []kgo.Opt {
	return append(p.options(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(min(retryFetchBytes, fetchBytes(p.cfg.Window))),
		kgo.FetchMaxPartitionBytes(retryPartitionBytes),
	)
}

// clientOptions are the options of the client that is the group's member, and reads the sources.
func (p *Pipeline) clientOptions() []kgo.Opt {
	opts := append(p.options(), p.groupOptions()...)
	return append(opts,
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(p.assigned),
		kgo.OnPartitionsRevoked(p.revoked),
		kgo.OnPartitionsLost(p.lost),
		kgo.AdjustFetchOffsetsFn(p.position),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.WithHooks(p.membership, p.committer, &p.intake.group.size),
	)
}
