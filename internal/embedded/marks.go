package embedded

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// marks remembers where the partitions that were shortened began and ended when they were.
//
// kfake keeps neither alive by itself. It finds a partition's end in the partition's last batch, so a partition of which
// everything was deleted starts again at offset 0 after a restart, below what its consumers have committed: they would
// wait for offsets that come again, and miss the records in between. This happens to every retry topic, which the engine
// trims behind itself. And where the first batches are deleted in part, their records come back after a crash.
// So before records are deleted the marks are written, and a start puts both back.
type marks struct {
	path string

	mu sync.Mutex
	at map[partition]span
}

// partition names one by its topic's id, so that a topic that was deleted and made anew does not inherit.
type partition struct {
	topicID topicID
	number  int32
}

// span is what a partition held: from start, up to but without end.
type span struct{ start, end int64 }

// markEntry is a mark as the file has it.
type markEntry struct {
	Topic     string  `json:"topic"` // for people
	TopicID   topicID `json:"topic_id"`
	Partition int32   `json:"partition"`
	Start     int64   `json:"start"`
	End       int64   `json:"end"`
}

// topicID is a topic's UUID, which files have in base64, as Kafka's tools print it but for padding.
type topicID [16]byte

// MarshalText implements encoding.TextMarshaler.
func (id topicID) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, id[:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *topicID) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err == nil && len(raw) != len(id) {
		err = fmt.Errorf("topic id %q is not 16 bytes", text)
	}
	copy(id[:], raw)
	return err
}

func loadMarks(path string) (*marks, error) {
	m := &marks{path: path, at: make(map[partition]span)}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	var entries []markEntry
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("embedded broker: %s is damaged: %w; restore it, or set embedded.data_dir to another directory", path, err)
	}
	for _, e := range entries {
		m.raise(partition{e.TopicID, e.Partition}, span{e.Start, e.End})
	}
	return m, nil
}

// raise moves a mark up; offsets never go down. The caller holds the lock, or is the only one to know of the marks.
func (m *marks) raise(p partition, s span) {
	old := m.at[p]
	m.at[p] = span{max(old.start, s.start), max(old.end, s.end)}
}

// of returns a partition's mark; the zero span where it was never shortened.
func (m *marks) of(p partition) span {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at[p]
}

// record marks the topics' partitions as they are now and writes the marks to disk.
func (m *marks) record(cluster *kfake.Cluster, topics ...string) error {
	now := make(map[partition]span)
	for _, topic := range topics {
		info := cluster.TopicInfo(topic)
		if info == nil {
			continue
		}
		for _, p := range cluster.PartitionInfos(topic) {
			now[partition{info.TopicID, p.Partition}] = span{p.LogStartOffset, p.HighWatermark}
		}
	}
	return m.write(cluster, now)
}

// recordDeletion marks what a DeleteRecords request is about to delete and writes the marks to disk.
func (m *marks) recordDeletion(cluster *kfake.Cluster, req *kmsg.DeleteRecordsRequest) error {
	now := make(map[partition]span)
	for _, t := range req.Topics {
		info := cluster.TopicInfo(t.Topic)
		if info == nil {
			continue // the broker answers that there is no such topic
		}
		for _, p := range t.Partitions {
			is := cluster.PartitionInfo(t.Topic, p.Partition)
			if is == nil || p.Offset > is.HighWatermark {
				continue // likewise
			}
			start := p.Offset
			if start == -1 { // all there is
				start = is.HighWatermark
			}
			now[partition{info.TopicID, p.Partition}] = span{max(start, is.LogStartOffset), is.HighWatermark}
		}
	}
	return m.write(cluster, now)
}

// write adds marks and replaces the file, leaving out topics that are gone.
func (m *marks) write(cluster *kfake.Cluster, now map[partition]span) error {
	if len(now) == 0 {
		return nil
	}
	m.mu.Lock()
	for p, s := range now {
		m.raise(p, s)
	}
	all := maps.Clone(m.at)
	m.mu.Unlock()

	var entries []markEntry
	for p, s := range all {
		if info := cluster.TopicIDInfo(p.topicID); info != nil {
			entries = append(entries, markEntry{info.Topic, p.topicID, p.number, s.start, s.end})
		}
	}
	slices.SortFunc(entries, func(a, b markEntry) int {
		if a.Topic != b.Topic {
			return strings.Compare(a.Topic, b.Topic)
		}
		return int(a.Partition - b.Partition)
	})
	return writeJSON(m.path, entries)
}

// restoreStarts deletes again what was deleted before and came back with a crash.
func (m *marks) restoreStarts(cluster *kfake.Cluster, log *slog.Logger) {
	for p, s := range m.at {
		info := cluster.TopicIDInfo(p.topicID)
		if info == nil {
			continue
		}
		is := cluster.PartitionInfo(info.Topic, p.number)
		if is == nil || is.LogStartOffset >= s.start {
			continue
		}
		if err := cluster.DeleteRecords(info.Topic, p.number, s.start); err != nil {
			log.Warn("embedded broker: records that were deleted are back", "topic", info.Topic, "partition", p.number,
				"from", is.LogStartOffset, "to", s.start, "error", err)
		}
	}
}

const deleteRecordsKey = int16(kmsg.DeleteRecords)

// markDeleteRecords sees every DeleteRecords request before the broker does. A request whose marks cannot be written is
// refused: its sender tries again later, and until then nothing is lost but space.
func (b *Broker) markDeleteRecords(kreq kmsg.Request) (kmsg.Response, error, bool) {
	req := kreq.(*kmsg.DeleteRecordsRequest)
	err := b.marks.recordDeletion(b.cluster, req)
	if err == nil {
		return nil, nil, false // on to the broker
	}
	b.log.log.Warn("embedded broker: DeleteRecords is refused, for the partitions' ends cannot be recorded", "error", err)
	b.cluster.KeepControl()
	return storageErrors(req), nil, true
}

// markPath is where the directory's marks are.
func (d *directory) markPath() string { return filepath.Join(d.path, marksFile) }
