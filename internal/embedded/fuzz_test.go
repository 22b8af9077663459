package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLog: of a log of commits or producers the entries that are whole are kept, and nothing else.
func FuzzLog(f *testing.F) {
	whole := append(logEntry(`{"a":1}`), logEntry(`{}`)...)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(whole, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept := wholeEntries(raw)
		if kept < 0 || kept > len(raw) {
			t.Fatalf("%d of %d bytes are kept", kept, len(raw))
		}
		if again := wholeEntries(raw[:kept]); again != kept {
			t.Fatalf("%d bytes are kept, and of those %d", kept, again)
		}
		one := logEntry(string(raw))
		if got := wholeEntries(append(raw[:kept:kept], one...)); got != kept+len(one) {
			t.Fatalf("an entry behind %d bytes is cut off at %d", kept, got)
		}
	})
}

// logEntry is an entry as kfake writes it.
func logEntry(json string) []byte {
	rest := append([]byte{1, 0}, json...)
	entry := binary.LittleEndian.AppendUint32(nil, uint32(len(rest)))
	entry = binary.LittleEndian.AppendUint32(entry, crc32.Checksum(rest, crc32.MakeTable(crc32.Castagnoli)))
	return append(entry, rest...)
}

// FuzzMarks: a file of marks is read, and says the same when it is written again, or is damaged, which is told with its
// name.
func FuzzMarks(f *testing.F) {
	f.Add(`[{"topic":"orders","topic_id":"AQIDAAAAAAAAAAAAAAAAAA==","partition":3,"start":5,"end":7}]`)
	f.Add(`[{"topic_id":"AQ==","partition":3}]`)
	f.Add(`[{"topic_id":"","start":-1,"end":9223372036854775807},{"start":1e3}]`)
	f.Add(`null`)
	f.Add(`{`)
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), marksFile)
		write(t, path, text)
		m, err := loadMarks(path)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%v does not say where", err)
			}
			return
		}
		for p, s := range m.at {
			if s.start < 0 || s.end < 0 {
				t.Fatalf("%v is marked %v", p, s)
			}
		}
	})
}

// FuzzRepair: whatever a crash has left of a partition's files, its repair ends, keeps no byte that has no entry in the
// index, and finds nothing more to do when it is run again.
func FuzzRepair(f *testing.F) {
	batch := append(binary.BigEndian.AppendUint32(make([]byte, 8), 3), "abc"...)
	f.Add(append(batch, batch...), 2*indexEntrySize, `{"version":1,"high_watermark":7}`, int64(3))
	f.Add(append(batch, batch[:14]...), 2*indexEntrySize, ``, int64(0))
	f.Add(batch, indexEntrySize-1, `{"high_watermark":9223372036854775807}`, int64(1))
	f.Add(binary.BigEndian.AppendUint32(make([]byte, 8), 0xffffffff), 1000, `{"high_watermark":-5}`, int64(0))
	f.Add([]byte{}, 0, `[]`, int64(12))
	f.Fuzz(func(t *testing.T, data []byte, index int, snapshot string, end int64) {
		dir := t.TempDir()
		index = min(max(index, 0), 1<<12)
		write(t, filepath.Join(dir, "0.dat"), string(data))
		write(t, filepath.Join(dir, "0.idx"), string(make([]byte, index)))
		write(t, filepath.Join(dir, "snapshot.json"), snapshot)
		mark := span{end: max(end, 0)}
		if err := repairPartition(dir, mark, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		once := contents(t, dir)
		if left, ok := once["0.dat"]; ok && (!strings.HasPrefix(string(data), left) || len(left) > 0 && index < indexEntrySize) {
			t.Fatalf("of %q with %d bytes of index there is %q", data, index, left)
		}
		if len(once["0.dat"]) == 0 && mark.end > 0 {
			if s, ok := readSnapshot(dir); !ok || s.HighWatermark < mark.end || s.LogStartOffset != s.HighWatermark || len(s.Segments) != 1 || s.Segments[0].BaseOffset != s.HighWatermark {
				t.Fatalf("an empty partition that ended at %d goes on with %+v", mark.end, s)
			}
		}
		if err := repairPartition(dir, mark, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		twice := contents(t, dir)
		delete(once, "snapshot.json") // it says when it was written
		delete(twice, "snapshot.json")
		if len(once) != len(twice) {
			t.Fatalf("a second repair leaves %d files of %d", len(twice), len(once))
		}
		for name, text := range once {
			if twice[name] != text {
				t.Fatalf("a second repair makes %q of %q", twice[name], text)
			}
		}
	})
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
