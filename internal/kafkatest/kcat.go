package kafkatest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Kcat is a Kafka client that shares no code with ours: librdkafka's command line.
type Kcat struct {
	t       testing.TB
	path    string
	brokers string
}

// NewKcat finds kcat, to speak to the brokers at the addresses given, or to the tests' own if there are none. Where there is
// no kcat the test is skipped, or fails under REDELIVER_REQUIRE_KCAT=1.
func NewKcat(t testing.TB, brokers ...string) *Kcat {
	t.Helper()
	path, err := exec.LookPath("kcat")
	if err != nil {
		message := "there is no kcat in PATH (Debian: apt-get install kcat)"
		if os.Getenv(EnvRequireKcat) == "1" {
			t.Fatalf("kafkatest: %s=1 and %s", EnvRequireKcat, message)
		}
		t.Skip(message)
	}
	if len(brokers) == 0 {
		brokers = Brokers(t)
	}
	return &Kcat{t, path, strings.Join(brokers, ",")}
}

// Run runs kcat with the arguments, after those that name the broker, and returns its standard output.
func (k *Kcat) Run(args ...string) []byte {
	k.t.Helper()
	return k.run("", args)
}

func (k *Kcat) run(stdin string, args []string) []byte {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 60*time.Second)
	defer cancel()
	args = append([]string{"-b", k.brokers}, args...)
	cmd := exec.CommandContext(ctx, k.path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		k.t.Fatalf("kafkatest: kcat %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.Bytes()
}

// The ends of a key and of a record in what kcat reads from standard input: bytes that no text has.
const (
	kcatKeyEnd    = "\x01"
	kcatRecordEnd = "\x02"
)

// Produce writes a record: its key, its value, and its headers in their order with their duplicates. It can write what
// kcat can: keys and headers are text, a null key goes with a value that is not empty or with a null value, and an empty
// key with an empty value.
func (k *Kcat) Produce(topic string, partition int32, key, value []byte, headers ...kgo.RecordHeader) {
	k.t.Helper()
	args := []string{"-P", "-t", topic, "-p", strconv.Itoa(int(partition)), "-X", "acks=all"}
	for _, h := range headers {
		args = append(args, "-H", h.Key+"="+string(h.Value))
	}
	if len(value) == 0 {
		if value == nil {
			args = append(args, "-Z") // null what is empty
		}
		k.run(string(key)+kcatKeyEnd+kcatRecordEnd, append(args, "-K", kcatKeyEnd, "-D", kcatRecordEnd))
		return
	}
	if key != nil {
		args = append(args, "-k", string(key))
	}
	// As a file: kcat then takes the value whole, whatever bytes it has.
	file := filepath.Join(k.t.TempDir(), "value")
	if err := os.WriteFile(file, value, 0o600); err != nil {
		k.t.Fatal(err)
	}
	k.run("", append(args, file))
}

// Read returns what the topic holds now, by partition and offset: with read_committed, which is librdkafka's default.
func (k *Kcat) Read(topic string) []*kgo.Record {
	k.t.Helper()
	read := []string{"-C", "-q", "-e", "-t", topic, "-o", "beginning"}
	// Twice: its JSON keeps headers apart but not bytes that are no text, its format keeps bytes but not headers apart.
	raw := k.Run(append(read, "-f", `%p %o %T %K %S\n%k%s\n`)...)
	enveloped := k.Run(append(read, "-J")...)
	records, err := kcatRecords(topic, raw, enveloped)
	if err != nil {
		k.t.Fatalf("kafkatest: what kcat read from %s: %v", topic, err)
	}
	return records
}

// kcatRecords puts together what Read reads.
func kcatRecords(topic string, raw, enveloped []byte) ([]*kgo.Record, error) {
	headers, err := kcatHeaders(enveloped)
	if err != nil {
		return nil, err
	}
	var records []*kgo.Record
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		var partition int32
		var offset, timestamp int64
		var keySize, valueSize int
		if _, err := fmt.Sscanf(string(line), "%d %d %d %d %d", &partition, &offset, &timestamp, &keySize, &valueSize); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		var key, value []byte
		if key, rest, err = cut(rest, keySize); err != nil {
			return nil, err
		}
		if value, rest, err = cut(rest, valueSize); err != nil {
			return nil, err
		}
		_, raw, _ = bytes.Cut(rest, []byte("\n"))
		records = append(records, &kgo.Record{
			Topic: topic, Partition: partition, Offset: offset, Timestamp: time.UnixMilli(timestamp),
			Key: key, Value: value, Headers: headers[place{topic, partition}][offset],
		})
	}
	// Where several brokers lead partitions, kcat reads them in the order in which they answer.
	slices.SortFunc(records, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return records, nil
}

// cut takes size bytes off; a size of -1 is null.
func cut(raw []byte, size int) (field, rest []byte, err error) {
	switch {
	case size < 0:
		return nil, raw, nil
	case size > len(raw):
		return nil, nil, fmt.Errorf("a field of %d bytes has only %d", size, len(raw))
	default:
		return raw[:size:size], raw[size:], nil
	}
}

// kcatHeaders reads the headers out of kcat's JSON: one object a line, whose "headers" is an array of names and values.
func kcatHeaders(enveloped []byte) (map[place]map[int64][]kgo.RecordHeader, error) {
	all := make(map[place]map[int64][]kgo.RecordHeader)
	decoder := json.NewDecoder(bytes.NewReader(enveloped))
	for decoder.More() {
		var r struct {
			Topic     string    `json:"topic"`
			Partition int32     `json:"partition"`
			Offset    int64     `json:"offset"`
			Headers   []*string `json:"headers"`
		}
		if err := decoder.Decode(&r); err != nil {
			return nil, fmt.Errorf("JSON: %w", err)
		}
		at := place{r.Topic, r.Partition}
		if all[at] == nil {
			all[at] = make(map[int64][]kgo.RecordHeader)
		}
		for i := 0; i+1 < len(r.Headers); i += 2 {
			h := kgo.RecordHeader{Key: *r.Headers[i]}
			if v := r.Headers[i+1]; v != nil {
				h.Value = []byte(*v)
			}
			all[at][r.Offset] = append(all[at][r.Offset], h)
		}
	}
	return all, nil
}
