package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What follows knows kfake's files (its persist.go, state format 1; go.mod pins the version and the tests of this package
// hold it to what is said here):
//
//	topics.json                          the topics, written at every change
//	groups.log, pids.log                 commits and producers, appended: length, CRC, version, JSON
//	partitions/TOPIC-N/BASE.dat, .idx    batches as on the wire, and 15 bytes about each of them
//	partitions/TOPIC-N/snapshot.json     offsets and segments, written at a clean stop only
//	seq_windows.json                     producers' last sequences, written at a clean stop only

const (
	kfakeFormat    = 1
	indexEntrySize = 15
	// A batch begins with its first offset (8 bytes) and the length of what follows the length (4 bytes).
	batchPrefixSize = 12
)

// snapshot is a partition's snapshot.json.
type snapshot struct {
	Version          int               `json:"version"`
	HighWatermark    int64             `json:"high_watermark"`
	LastStableOffset int64             `json:"last_stable_offset"`
	LogStartOffset   int64             `json:"log_start_offset"`
	Epoch            int32             `json:"epoch"`
	MaxTimestamp     int64             `json:"max_timestamp"`
	CreatedAt        time.Time         `json:"created_at"`
	Segments         []snapshotSegment `json:"segments"`
}

type snapshotSegment struct {
	BaseOffset int64 `json:"base_offset"`
	Size       int64 `json:"size"`
}

// topic is a topic of topics.json.
type topic struct {
	Name       string            `json:"name"`
	ID         topicID           `json:"id"`
	Partitions int32             `json:"partitions"`
	Configs    map[string]string `json:"configs"`
}

// limited says whether the topic asks for a limit of time or size.
func (t topic) limited() bool {
	for _, key := range []string{"retention.ms", "retention.bytes"} {
		if v, ok := t.Configs[key]; ok && v != "-1" {
			return true
		}
	}
	return false
}

// repair makes the files of a stopped broker such that kfake loads what was acknowledged, and returns the marks.
func (d *directory) repair(log *slog.Logger) (*marks, error) {
	m, err := loadMarks(d.markPath())
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"groups.log", "pids.log"} {
		if err := cutTornTail(filepath.Join(d.broker(), name), log); err != nil {
			return nil, fmt.Errorf("embedded broker: %w", err)
		}
	}
	topics, err := d.topics()
	if err != nil {
		return nil, err
	}
	for _, t := range topics {
		for n := range t.Partitions {
			dir := filepath.Join(d.broker(), "partitions", url.PathEscape(t.Name)+"-"+strconv.Itoa(int(n)))
			if err := repairPartition(dir, m.of(partition{t.ID, n}), log); err != nil {
				return nil, fmt.Errorf("embedded broker: %s: %w", dir, err)
			}
		}
	}
	return m, nil
}

// topics reads topics.json; a directory without one is new.
func (d *directory) topics() ([]topic, error) {
	raw, err := os.ReadFile(filepath.Join(d.broker(), "topics.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	var list struct {
		Topics []topic `json:"topics"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("embedded broker: topics.json is damaged: %w", err)
	}
	return list.Topics, nil
}

// forgetShutdownState deletes what a clean stop wrote, once it is loaded. It would be read again after a crash, when it is
// stale: a snapshot would hide transactions that the crash aborted, and old sequences would refuse producers' new ones.
func (d *directory) forgetShutdownState(log *slog.Logger) {
	stale := []string{filepath.Join(d.broker(), "seq_windows.json")}
	partitions := filepath.Join(d.broker(), "partitions")
	entries, err := os.ReadDir(partitions)
	for _, e := range entries {
		stale = append(stale, filepath.Join(partitions, e.Name(), "snapshot.json"))
	}
	for _, path := range stale {
		err = errors.Join(err, remove(path))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("embedded broker: after a crash the repair may be wrong", "error", err)
	}
}

// cutTornTail cuts off an entry that a crash left half written. kfake skips it but appends behind it, where the next
// start would not find the entries.
func cutTornTail(path string, log *slog.Logger) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := wholeEntries(raw)
	if whole == len(raw) {
		return nil
	}
	log.Info("embedded broker: cutting off an entry that was half written", "file", path, "bytes", len(raw)-whole)
	return os.Truncate(path, int64(whole))
}

// wholeEntries is the length of the entries at the beginning that are intact: each 4 bytes of length, 4 of CRC-32C over
// the rest, 2 of version, and JSON.
func wholeEntries(raw []byte) int {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	at := 0
	for at+10 <= len(raw) {
		length := int(binary.LittleEndian.Uint32(raw[at:]))
		end := at + 8 + length
		if length < 2 || end > len(raw) || crc32.Checksum(raw[at+8:end], castagnoli) != binary.LittleEndian.Uint32(raw[at+4:]) {
			break
		}
		at = end
	}
	return at
}

func repairPartition(dir string, mark span, log *slog.Logger) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var segments []string
	var size int64
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".dat" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		segments = append(segments, path)
		n, err := cutUnindexed(path, log)
		if err != nil {
			return err
		}
		size += n
	}
	if size > 0 {
		return nil // the end is that of the last batch
	}
	if snap, ok := readSnapshot(dir); ok {
		mark.end = max(mark.end, snap.HighWatermark)
	}
	if mark.end == 0 {
		return nil // there was never anything
	}
	return writeEmpty(dir, segments, mark.end)
}

// cutUnindexed cuts off batches that have no entry in the index: a crash came between the two, before the batch was
// acknowledged, and kfake would not know whether it belongs to a transaction. It returns the segment's size.
func cutUnindexed(path string, log *slog.Logger) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // nothing is written through it, and Truncate has told its own error
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	index, err := os.Stat(strings.TrimSuffix(path, ".dat") + ".idx")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	var indexed int64
	if index != nil {
		indexed = index.Size() / indexEntrySize
	}

	var at int64
	for prefix := make([]byte, batchPrefixSize); indexed > 0; indexed-- {
		if _, err := f.ReadAt(prefix, at); err != nil {
			break // a torn batch at the end, which kfake cuts off by itself
		}
		next := at + batchPrefixSize + int64(binary.BigEndian.Uint32(prefix[8:]))
		if next > info.Size() {
			break
		}
		at = next
	}
	if at < info.Size() {
		log.Info("embedded broker: cutting off a batch that was half written", "file", path, "bytes", info.Size()-at)
		return at, f.Truncate(at)
	}
	return at, nil
}

func readSnapshot(dir string) (snapshot, bool) {
	var s snapshot
	raw, err := os.ReadFile(filepath.Join(dir, "snapshot.json"))
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return s, false // kfake does without it, and so do we
	}
	return s, true
}

// writeEmpty lays out a partition that holds nothing and goes on at the given offset: an empty segment of that name, and
// a snapshot that matches it.
func writeEmpty(dir string, old []string, at int64) error {
	for _, path := range old {
		if err := errors.Join(remove(path), remove(strings.TrimSuffix(path, ".dat")+".idx")); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, extension := range []string{".dat", ".idx"} {
		if err := os.WriteFile(filepath.Join(dir, strconv.FormatInt(at, 10)+extension), nil, 0o644); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(dir, "snapshot.json"), snapshot{
		Version:          kfakeFormat,
		HighWatermark:    at,
		LastStableOffset: at,
		LogStartOffset:   at,
		MaxTimestamp:     -1,
		CreatedAt:        time.Now(),
		Segments:         []snapshotSegment{{BaseOffset: at}},
	})
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
