package sim

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// MoveLeaders gives every partition a leader at random.
func (w *World) MoveLeaders() {
	w.noteFault("leaders moved")
	w.disturb(0, 30*time.Second)
	w.fake.ShufflePartitionLeaders()
}

// MoveCoordinators gives every group a coordinator at random.
func (w *World) MoveCoordinators() {
	w.noteFault("coordinator moved")
	w.trouble(0)
	w.disturb(0, 30*time.Second)
	w.fake.RehashCoordinators()
}

// coordinatorFound is how long it may take members to find where the coordinator is that was on a broker which is lost: a client may
// give its partitions up meanwhile, and commits nothing then.
const coordinatorFound = 5 * time.Second

// LoseBroker takes a broker out of the cluster for a time; its partitions get other leaders. The last one stays, for it is the
// controller and the fake cluster elects no other, and one is out at a time.
func (w *World) LoseBroker(n int, lasts time.Duration) {
	if w.setup.Brokers < 2 || time.Now().Before(w.brokerBack) {
		return
	}
	node := int32(n % (w.setup.Brokers - 1))
	if err := w.fake.RemoveNode(node); err != nil {
		return
	}
	w.noteFault("broker lost")
	w.brokerBack = time.Now().Add(lasts + time.Second)
	w.disturb(0, lasts+time.Minute)
	w.trouble(lasts)
	w.unsaved(coordinatorFound)
	port := 9092 + int(node) // the fake broker itself would go on serving its connections
	w.own.dropTo(port)
	for _, m := range w.Members {
		m.link.dropTo(port)
	}
	w.Later(lasts, func() {
		if _, _, err := w.fake.AddNode(node, 9092+int(node)); err != nil {
			w.fail("bring broker %d back: %v", node, err)
		}
	})
}

// Grow gives a source topic more partitions, unless another fault keeps it from that.
func (w *World) Grow(topic string, partitions int32) {
	w.disturb(0, 3*time.Minute)
	res, err := w.Admin.UpdatePartitions(w.ctx, int(partitions), topic)
	if err == nil {
		err = res.Error()
	}
	if err != nil {
		return
	}
	w.noteFault("source grown")
	w.mu.Lock()
	w.partitions[topic] = partitions
	w.mu.Unlock()
	w.producer.ForceMetadataRefresh()
}

// deletionPatience is how long a topic may take to be at rest before it is deleted.
const deletionPatience = 30 * time.Second

// DeleteRetryTopic deletes a retry topic with everything that is in it, which is then nobody's any more. The members make it
// again. Nothing is written to it while it is read for the last time.
func (w *World) DeleteRetryTopic(source, delay string) {
	topic := w.h.Terms.RetryTopic(source, delay)
	w.disturb(0, 3*time.Minute)
	w.refused(deletionPatience + 30*time.Second)
	closed := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.UnknownTopicOrPartition, Count: -1})
	defer closed.Remove()
	for until := time.Now().Add(deletionPatience); !w.atRest(topic); w.Sleep(time.Second) {
		if time.Now().After(until) {
			return // a transaction is open, and nobody could tell what is in it
		}
	}
	w.read()
	id := ""
	if info := w.fake.TopicInfo(topic); info != nil {
		id = base64.RawURLEncoding.EncodeToString(info.TopicID[:])
	}
	if _, err := w.Admin.DeleteTopics(w.ctx, topic); err != nil {
		return // a broker is away
	}
	w.noteFault("retry topic deleted")
	w.mu.Lock()
	d := Deletion{Topic: topic, ID: id, As: fmt.Sprintf("%s%s%d", topic, incarnationMark, len(w.h.Deleted)), When: w.rec.now()}
	w.h.Deleted = append(w.h.Deleted, d)
	w.mu.Unlock()
	w.tap.deleted(topic, d.As)
}

// atRest reports whether no transaction is open in a topic.
func (w *World) atRest(topic string) bool {
	for _, p := range w.fake.PartitionInfos(topic) {
		if p.LastStableOffset != p.HighWatermark {
			return false
		}
	}
	return true
}

// Trim deletes what the group has committed in a retry topic, as the engine does by itself in time.
func (w *World) Trim(topic string) {
	info := w.fake.GroupInfo(w.h.Terms.Group)
	if info == nil {
		return
	}
	w.noteFault("trimmed")
	w.read()
	offsets := make(kadm.Offsets)
	for p, c := range info.Commits[topic] {
		offsets.AddOffset(topic, p, c.Offset, -1)
	}
	if _, err := w.Admin.DeleteRecords(w.ctx, offsets); err != nil {
		w.fail("trim %s: %v", topic, err)
	}
}

// copyTopics lists the retry and dead-letter topics.
func (w *World) copyTopics() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	topics := make([]string, 0, len(w.rec.topics))
	for t := range w.rec.topics {
		topics = append(topics, t)
	}
	slices.Sort(topics)
	return topics
}
