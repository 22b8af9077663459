package released

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// value is the simplest reader: what a record says is its value.
func value(r *kgo.Record) (map[string]any, error) {
	return map[string]any{"value": string(r.Value), "headers": len(r.Headers)}, nil
}

var samples = []Sample{
	{"text", &kgo.Record{Topic: "orders", Partition: 1, Offset: 2, Key: []byte("k"), Value: []byte("v")}},
	{"bytes and nulls", &kgo.Record{Value: []byte{0xff, 0}, Headers: []kgo.RecordHeader{{Key: "a"}, {Key: "b", Value: []byte{}}, {Key: "c", Value: []byte{0xfe}}}}},
}

func TestWhatIsRecordedIsReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "released")
	fresh, err := unknown(nil, samples, value)
	if err != nil || len(fresh) != len(samples) {
		t.Fatalf("%d are new, want %d: %v", len(fresh), len(samples), err)
	}
	if err := record(dir, file{"v1", fresh}); err != nil {
		t.Fatal(err)
	}
	files, err := load(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("got %+v: %v", files, err)
	}
	if again, err := unknown(files, samples, value); err != nil || len(again) != 0 {
		t.Errorf("what is recorded is taken for new: %+v: %v", again, err)
	}
	for i, one := range files[0].Samples {
		if problem := one.check(value); problem != "" {
			t.Error(problem)
		}
		got, want := one.record(), samples[i].Record
		if (got.Value == nil) != (want.Value == nil) || string(got.Value) != string(want.Value) || string(got.Key) != string(want.Key) || got.Offset != want.Offset {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for n, h := range want.Headers {
			if g := got.Headers[n]; g.Key != h.Key || (g.Value == nil) != (h.Value == nil) || string(g.Value) != string(h.Value) {
				t.Errorf("header %+v, want %+v", g, h)
			}
		}
	}
}

func TestAChangedFormatIsSeen(t *testing.T) {
	fresh, err := unknown(nil, samples, value)
	if err != nil {
		t.Fatal(err)
	}
	files := []file{{"v1", fresh}}
	changed := []Sample{{"text", &kgo.Record{Topic: "orders", Partition: 1, Offset: 2, Key: []byte("k"), Value: []byte("V")}}}
	if got, err := unknown(files, changed, value); err != nil || len(got) != 1 {
		t.Errorf("a value that is written otherwise is no change: %v", err)
	}
	for name, read := range map[string]func(*kgo.Record) (map[string]any, error){
		"value is other, and was written as v": func(*kgo.Record) (map[string]any, error) {
			return map[string]any{"value": "other", "headers": 0}, nil
		},
		"value is <nil>": func(*kgo.Record) (map[string]any, error) { return map[string]any{"headers": 0}, nil },
		"is not read":    func(*kgo.Record) (map[string]any, error) { return nil, errors.New("unknown version") },
	} {
		if problem := fresh[0].check(read); !strings.Contains(problem, name) {
			t.Errorf("got %q, want %q", problem, name)
		}
	}
	more := func(r *kgo.Record) (map[string]any, error) {
		says, err := value(r)
		says["new"] = true
		return says, err
	}
	if problem := fresh[0].check(more); problem != "" {
		t.Errorf("more may be said: %s", problem)
	}
}

func TestNewNamesInAnObjectAreNoChange(t *testing.T) {
	want := map[string]any{"spec": map[string]any{"limit": 7.0, "ids": []any{"a"}}}
	for _, tt := range []struct {
		got  any
		same bool
	}{
		{map[string]any{"spec": map[string]any{"limit": 7.0, "ids": []any{"a"}, "new": true}, "new": 1.0}, true},
		{map[string]any{"spec": map[string]any{"limit": 7.0, "ids": []any{"a", "b"}}}, false},
		{map[string]any{"spec": map[string]any{"limit": 8.0, "ids": []any{"a"}}}, false},
		{map[string]any{"spec": "x"}, false},
		{map[string]any{}, false},
	} {
		if got := within(want, tt.got); got != tt.same {
			t.Errorf("%v says what %v says: %v, want %v", tt.got, want, got, tt.same)
		}
	}
}

func TestAFileIsNeverChanged(t *testing.T) {
	dir := t.TempDir()
	one := file{"v1", []stored{store(samples[0], map[string]any{"value": "v"})}}
	if err := record(dir, one); err != nil {
		t.Fatal(err)
	}
	if err := record(dir, one); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v, want an error", err)
	}
	if err := record(dir, file{"../v2", one.Samples}); err == nil {
		t.Error("a path is taken for a release")
	}
}
