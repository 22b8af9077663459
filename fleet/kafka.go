package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

const (
	// lookEvery is how often it is looked whether the topic is what it was, and whether all of it was read.
	lookEvery = 5 * time.Second
	// refusedRest is for how long nothing is read after a fetch was refused: the client asks again as fast as it is refused.
	refusedRest = time.Second
	// lookTimeout bounds one look, and writeTimeout one write.
	lookTimeout  = 4 * time.Second
	writeTimeout = 8 * time.Second
	// remakeEvery is the pause between tries to make the topic, or to connect.
	remakeEvery = time.Second
)

// kafkaJournal is the control topic on Kafka.
type kafkaJournal struct {
	config Config

	mu     sync.Mutex
	client *kgo.Client // nil: there is none now
}

// errNotConnected is why nothing is written before the topic was found.
var errNotConnected = errors.New("the control topic was not found yet")

func (j *kafkaJournal) append(ctx context.Context, key, value []byte, done func(int64, error)) {
	j.mu.Lock()
	client := j.client
	j.mu.Unlock()
	if client == nil {
		go done(0, errNotConnected)
		return
	}
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	client.Produce(bounded, &kgo.Record{Topic: j.config.Topic, Key: key, Value: value}, func(r *kgo.Record, err error) {
		cancel()
		done(r.Offset, remedied(j.config.Topic, err))
	})
}

// remedied says what to do about an error, where that is known.
func remedied(topic string, err error) error {
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		return fmt.Errorf("%w; permit this user to Read, Write and Describe the topic %s", err, topic)
	}
	return err
}

// follow reads one life of the topic after the other.
func (j *kafkaJournal) follow(ctx context.Context, to reader) {
	var after error
	for ctx.Err() == nil {
		after = j.life(ctx, to, after)
		select {
		case <-ctx.Done():
		case <-time.After(remakeEvery):
		}
	}
}

// life reads the topic from its beginning until it is not what it was, which it returns, or cannot be found. after is what the
// life before ended with; it is handed on when this one begins.
func (j *kafkaJournal) life(ctx context.Context, to reader, after error) error {
	opts := append([]kgo.Opt{
		kgo.SeedBrokers(j.config.Brokers...),
		kgo.ClientID(j.config.ClientID),
		kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.FetchMaxWait(lookEvery), // what is written is answered with at once
		kgo.RecordDeliveryTimeout(writeTimeout),
		kgo.ProducerLinger(0),
	}, j.config.ClientOptions...)
	opts = append(opts,
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{j.config.Topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadUncommitted()),
	)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		to.reachable(fmt.Errorf("the Kafka client refuses its options: %w", err))
		return after
	}
	defer client.CloseAllowingRebalance()
	adm := kadm.NewClient(client)
	id, first, err := j.find(ctx, adm)
	if err != nil {
		if ctx.Err() == nil {
			to.reachable(err)
		}
		return after
	}
	to.begins(after)
	j.mu.Lock()
	j.client = client
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		j.client = nil
		j.mu.Unlock()
	}()
	living, end := context.WithCancelCause(ctx)
	defer end(nil)
	p := &position{next: first}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { j.watch(living, end, adm, id, p, to) })
	j.read(living, end, client, p, to)
	end(nil)
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(living)
}

// find makes sure of the topic and returns its id, and its first offset.
func (j *kafkaJournal) find(ctx context.Context, adm *kadm.Client) (id kadm.TopicID, first int64, err error) {
	bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	found, err := retrytopics.ListTopics(bounded, adm, j.config.Topic)
	if err == nil {
		err = found[j.config.Topic].Err
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		var plan retrytopics.Plan
		plan, err = retrytopics.PlanControl(bounded, adm, j.config.Topic, retrytopics.Want{ReplicationFactor: j.config.ReplicationFactor, AllowCreate: !j.config.Manual})
		if err == nil {
			err = plan.Apply(bounded, adm)
		}
		if err == nil {
			j.config.Logger.Info("the control topic was made", "topic", j.config.Topic)
			found, err = retrytopics.ListTopics(bounded, adm, j.config.Topic)
		}
	}
	if err != nil {
		return id, 0, fmt.Errorf("find the control topic %s: %w", j.config.Topic, remedied(j.config.Topic, err))
	}
	if n := len(found[j.config.Topic].Partitions); n > 1 {
		return id, 0, fmt.Errorf("the control topic %s has %d partitions, and its records have one order in one partition only: name another one", j.config.Topic, n)
	}
	starts, err := adm.ListStartOffsets(bounded, j.config.Topic)
	if err != nil {
		return id, 0, fmt.Errorf("find the beginning of the control topic %s: %w", j.config.Topic, remedied(j.config.Topic, err))
	}
	one, ok := starts.Lookup(j.config.Topic, 0)
	if !ok || one.Err != nil {
		return id, 0, fmt.Errorf("find the beginning of the control topic %s: %w", j.config.Topic, cmp.Or(one.Err, errNoLeader))
	}
	return found[j.config.Topic].ID, one.Offset, nil
}

// errNoLeader is why nothing is known of the partition.
var errNoLeader = errors.New("no broker answers for it")

// position is how far the topic was read.
type position struct {
	mu   sync.Mutex
	next int64
	end  int64 // as last looked at
	seen bool  // it was looked at

	refused time.Time // when a fetch was refused last
}

// refuse notes that a fetch was refused, and serves whether none was of late: a client that may look may not be one that may read.
func (p *position) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = time.Now()
}

func (p *position) serves() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused.IsZero() || time.Since(p.refused) > 2*lookEvery
}

// advance notes that everything below next was read, and reports whether that is all there is, as far as known.
func (p *position) advance(next int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = max(p.next, next)
	return p.seen && p.next >= p.end
}

// now is how far it was read.
func (p *position) now() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// looked notes where the topic ends.
func (p *position) looked(end int64) (next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end, p.seen = end, true
	return p.next
}

// read hands on the records until the life ends.
func (j *kafkaJournal) read(ctx context.Context, end context.CancelCauseFunc, client *kgo.Client, p *position, to reader) {
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		errs := fetches.Errors()
		for _, e := range errs {
			var lost *kgo.ErrDataLoss
			switch {
			case errors.As(e.Err, &lost), errors.Is(e.Err, kerr.OffsetOutOfRange), errors.Is(e.Err, kerr.UnknownTopicID), errors.Is(e.Err, kerr.UnknownTopicOrPartition):
				end(e.Err)
				return
			}
			p.refuse()
			to.reachable(fmt.Errorf("read the control topic: %w", remedied(j.config.Topic, e.Err)))
		}
		next := int64(0)
		fetches.EachRecord(func(r *kgo.Record) {
			to.reads(r.Offset, r.Timestamp, r.Key, r.Value)
			next = r.Offset + 1
		})
		if next > 0 && p.advance(next) {
			to.readTo(next)
			to.reachable(nil)
		}
		if len(errs) > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(refusedRest):
			}
		}
	}
}

// watch looks every now and then whether the topic is what it was and was read to its end.
func (j *kafkaJournal) watch(ctx context.Context, end context.CancelCauseFunc, adm *kadm.Client, id kadm.TopicID, p *position, to reader) {
	wait, behind := time.NewTimer(0), int64(-1)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		before := p.now()
		last, other, err := j.look(ctx, adm, id)
		if ctx.Err() != nil {
			return
		}
		wait.Reset(lookEvery)
		if err != nil {
			to.reachable(fmt.Errorf("look at the control topic: %w", remedied(j.config.Topic, err)))
			continue
		}
		next := p.looked(last)
		switch {
		case other:
			end(errors.New("it was deleted and made again"))
			return
		case before > last:
			end(fmt.Errorf("its log was cut off: it ends at %d, and was read to %d", last, before))
			return
		case next >= last && p.serves():
			to.readTo(next)
			to.reachable(nil)
		case next >= last: // as far as it may be read, which was refused a moment ago
		case next == behind: // since the last look nothing was read, though there is something
			to.reachable(fmt.Errorf("the control topic ends at %d, and was read to %d only", last, next))
		default:
			wait.Reset(remakeEvery / 4)
		}
		behind = next
	}
}

// look returns where the topic ends, and whether it is another one than it was.
func (j *kafkaJournal) look(ctx context.Context, adm *kadm.Client, id kadm.TopicID) (last int64, other bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	found, err := retrytopics.ListTopics(bounded, adm, j.config.Topic)
	if err != nil {
		return 0, false, err
	}
	detail := found[j.config.Topic]
	if errors.Is(detail.Err, kerr.UnknownTopicOrPartition) {
		return 0, true, nil
	}
	if detail.Err != nil {
		return 0, false, detail.Err
	}
	if detail.ID != id {
		return 0, true, nil
	}
	ends, err := adm.ListEndOffsets(bounded, j.config.Topic)
	if err != nil {
		return 0, false, err
	}
	one, ok := ends.Lookup(j.config.Topic, 0)
	if !ok {
		return 0, false, errNoLeader
	}
	return one.Offset, false, one.Err
}
