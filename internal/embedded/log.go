package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// storageLog is kfake's logger. It passes on warnings and errors, and keeps those that mean that something was not written
// to disk: kfake says so nowhere else.
type storageLog struct {
	log *slog.Logger

	mu     sync.Mutex
	failed []error // the first few
}

// keptFailures bounds what storageLog keeps: a full disk fails every write.
const keptFailures = 3

// Logf implements kfake.Logger.
func (l *storageLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level > kfake.LogLevelWarn {
		return
	}
	message := fmt.Sprintf(format, args...)
	if !strings.HasPrefix(message, "persist") && !strings.HasPrefix(message, "save session state") {
		l.log.Warn("embedded broker: a warning of the storage", "warning", message)
		return
	}
	l.log.Error("embedded broker: what clients write may not survive a restart (is the disk full?)", "error", message)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) < keptFailures {
		l.failed = append(l.failed, errors.New(message))
	}
}

// failure returns what could not be written so far, or nil.
func (l *storageLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.failed...)
}

// storageErrors answers a DeleteRecords request with KAFKA_STORAGE_ERROR throughout.
func storageErrors(req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewDeleteRecordsResponseTopicPartition()
			rp.Partition, rp.LowWatermark, rp.ErrorCode = p.Partition, -1, kerr.KafkaStorageError.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
