// Package released keeps what releases wrote, and holds today's code to reading it.
//
// Records wait in topics for as long as their owners like, and members of several releases share a group during a rollout. So each format that
// leaves the process has samples in testdata/released/FORMAT/RELEASE.json of its package: the bytes as that release wrote them, and what they say.
// A file is never changed. Code that writes something new adds one, with these samples alone:
//
//	REDELIVER_RECORD_RELEASE=v1.2.0 go test ./retrytopics -run TestReleased
package released

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// EnvRecord names the release whose file is to be added.
const EnvRecord = "REDELIVER_RECORD_RELEASE"

// directory is where the files are, in the package that is tested.
func directory(format string) string { return filepath.Join("testdata", "released", format) }

// Sample is a record as a release wrote it. What is no record, such as the metadata of a commit, is the value of one.
type Sample struct {
	Name   string
	Record *kgo.Record
}

// Check reads all samples that releases wrote of a format with read, which returns what they say, and compares: what a release said is said today, by the same
// name; there may be more. It fails, too, where a sample of today is in no file: then the format has changed, which is either a mistake or is to
// be recorded.
func Check(t *testing.T, format string, today []Sample, read func(*kgo.Record) (map[string]any, error)) {
	t.Helper()
	files, err := load(directory(format))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, one := range f.Samples {
			if problem := one.check(read); problem != "" {
				t.Errorf("%s of %s: %s", one.Name, f.Release, problem)
			}
		}
	}
	fresh, err := unknown(files, today, read)
	if err != nil {
		t.Fatal(err)
	}
	if len(fresh) == 0 {
		return
	}
	if release := os.Getenv(EnvRecord); release != "" {
		if err := record(directory(format), file{release, fresh}); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d samples are recorded as those of %s", len(fresh), release)
		return
	}
	for _, one := range fresh {
		text, err := json.Marshal(one.wire())
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s is written as no release wrote it: if that is meant, see docs/compatibility.md, and record it with %s=RELEASE\n%.600s", one.Name, EnvRecord, text)
	}
}

// file is what one release wrote, as far as no release before it did.
type file struct {
	Release string   `json:"release"`
	Samples []stored `json:"samples"`
}

type stored struct {
	Name      string         `json:"name"`
	Topic     string         `json:"topic,omitempty"`
	Partition int32          `json:"partition,omitempty"`
	Offset    int64          `json:"offset,omitempty"`
	Key       *text          `json:"key,omitempty"`
	Value     *text          `json:"value,omitempty"`
	Headers   [][2]*text     `json:"headers,omitempty"`
	Says      map[string]any `json:"says"`
}

// text is bytes, in JSON as they are where they are text, else in base64.
type text []byte

// MarshalJSON implements json.Marshaler.
func (b text) MarshalJSON() ([]byte, error) {
	if utf8.Valid(b) {
		return json.Marshal(string(b))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{b})
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *text) UnmarshalJSON(from []byte) error {
	var plain string
	if json.Unmarshal(from, &plain) == nil {
		*b = text(plain)
		return nil
	}
	var coded struct{ Base64 []byte }
	err := json.Unmarshal(from, &coded)
	*b = coded.Base64
	return err
}

func pointer(b []byte) *text {
	if b == nil {
		return nil
	}
	t := text(b)
	return &t
}

func bytes(t *text) []byte {
	if t == nil {
		return nil
	}
	return *t
}

func store(s Sample, says map[string]any) stored {
	one := stored{Name: s.Name, Topic: s.Record.Topic, Partition: s.Record.Partition, Offset: s.Record.Offset, Key: pointer(s.Record.Key), Value: pointer(s.Record.Value), Says: says}
	for _, h := range s.Record.Headers {
		one.Headers = append(one.Headers, [2]*text{pointer([]byte(h.Key)), pointer(h.Value)})
	}
	return one
}

func (s stored) record() *kgo.Record {
	r := &kgo.Record{Topic: s.Topic, Partition: s.Partition, Offset: s.Offset, Key: bytes(s.Key), Value: bytes(s.Value)}
	for _, h := range s.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(bytes(h[0])), Value: bytes(h[1])})
	}
	return r
}

// check says what today's code reads otherwise than the release meant it.
func (s stored) check(read func(*kgo.Record) (map[string]any, error)) string {
	says, err := read(s.record())
	if err != nil {
		return fmt.Sprintf("is not read: %v", err)
	}
	got, err := plain(says)
	if err != nil {
		return err.Error()
	}
	for name, want := range s.Says {
		if !within(want, got[name]) {
			return fmt.Sprintf("%s is %v, and was written as %v", name, got[name], want)
		}
	}
	return ""
}

// within says whether got says what want says: of an object, what stands in it by each name, and there may be more.
func within(want, got any) bool {
	names, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(want, got)
	}
	have, ok := got.(map[string]any)
	for name, one := range names {
		ok = ok && within(one, have[name])
	}
	return ok
}

// plain is what a value is after a way through JSON, as those in the files are.
func plain(says map[string]any) (again map[string]any, err error) {
	b, err := json.Marshal(says)
	if err == nil {
		err = json.Unmarshal(b, &again)
	}
	return again, err
}

// unknown are the samples of today that no release wrote in this way.
func unknown(files []file, today []Sample, read func(*kgo.Record) (map[string]any, error)) (fresh []stored, err error) {
	for _, s := range today {
		says, err := read(s.Record)
		if err != nil {
			return nil, fmt.Errorf("%s, as it is written today, is not read: %w", s.Name, err)
		}
		if says, err = plain(says); err != nil {
			return nil, err
		}
		one := store(s, says)
		if !slices.ContainsFunc(files, func(f file) bool {
			return slices.ContainsFunc(f.Samples, func(was stored) bool { return reflect.DeepEqual(was.wire(), one.wire()) })
		}) {
			fresh = append(fresh, one)
		}
	}
	return fresh, nil
}

// wire is the sample without what it says.
func (s stored) wire() stored {
	s.Says = nil
	return s
}

func load(from string) (files []file, err error) {
	names, err := filepath.Glob(filepath.Join(from, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var f file
		if err := json.Unmarshal(b, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if f.Release+".json" != filepath.Base(name) || len(f.Samples) == 0 {
			return nil, fmt.Errorf("%s holds %d samples of %q", name, len(f.Samples), f.Release)
		}
		files = append(files, f)
	}
	return files, nil
}

// record adds a file. One that is there is never changed: a release has written what it has written.
func record(to string, f file) error {
	if strings.ContainsAny(f.Release, `/\ `) {
		return fmt.Errorf("%s=%q is no release", EnvRecord, f.Release)
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(to, f.Release+".json"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: what a release wrote is not changed, record it as another one", err)
	}
	if err != nil {
		return err
	}
	_, err = out.Write(append(b, '\n'))
	return errors.Join(err, out.Close())
}
