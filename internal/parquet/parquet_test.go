package parquet_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/parquet"
)

func written(t testing.TB, letters ...dlq.Exported) []byte {
	t.Helper()
	var file bytes.Buffer
	w := parquet.NewWriter(&file)
	for _, x := range letters {
		if err := w.Write(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func read(file []byte) (letters []dlq.Exported, err error) {
	for x, err := range parquet.Read(bytes.NewReader(file), int64(len(file))) {
		if err != nil {
			return letters, err
		}
		letters = append(letters, x)
	}
	return letters, nil
}

// TestThereAndBack: what is written is read as it was, null apart from empty, headers in their order with their duplicates.
func TestThereAndBack(t *testing.T) {
	letters := []dlq.Exported{
		{ID: "k7qp-3-1", Topic: "shop.orders.dlq", Partition: 3, Offset: 1 << 40, Timestamp: 1_763_904_000_123, Status: dlq.StatusParked, Key: []byte("k"), Value: []byte{0xff, 0, 0x80}, Headers: []dlq.ExportedHeader{
			{Key: "trace", Value: []byte("t")}, {Key: "trace", Value: nil}, {Key: "", Value: []byte{}}, {Key: "trace", Value: []byte("t")}, {Key: "\xff", Value: []byte{0}},
		}},
		{ID: "k7qp-0-0", Topic: "a", Headers: []dlq.ExportedHeader{}},
		{ID: "k7qp-0-1", Topic: "a", Key: []byte{}, Value: []byte{}, Headers: []dlq.ExportedHeader{{Key: "h"}}},
	}
	for i := range 10_500 { // more than a group of rows
		letters = append(letters, dlq.Exported{ID: fmt.Sprint("k7qp-1-", i), Topic: "a", Offset: int64(i), Value: []byte(strings.Repeat("x", i%100)), Headers: []dlq.ExportedHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}}})
	}
	got, err := read(written(t, letters...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(letters, got); diff != "" {
		t.Errorf("differs (- written, + read):\n%s", diff)
	}
}

// countedReader counts what is read.
type countedReader struct {
	*bytes.Reader
	read int
}

func (r *countedReader) ReadAt(b []byte, at int64) (int, error) {
	n, err := r.Reader.ReadAt(b, at)
	r.read += n
	return n, err
}

// TestLargeLettersAreReadAsTheyAreTaken: a reader is never far ahead of who takes the letters.
func TestLargeLettersAreReadAsTheyAreTaken(t *testing.T) {
	const (
		large = 1 << 20
		ahead = 16 // of them, with what the library reads of the next pages
	)
	noise := rand.NewChaCha8([32]byte{})
	letters := make([]dlq.Exported, 60)
	for i := range letters {
		letters[i] = dlq.Exported{ID: fmt.Sprint("k7qp-1-", i), Topic: "a", Offset: int64(i), Value: make([]byte, large), Headers: []dlq.ExportedHeader{}}
		_, _ = noise.Read(letters[i].Value) // never fails
	}
	file := &countedReader{Reader: bytes.NewReader(written(t, letters...))}
	taken := 0
	for _, err := range parquet.Read(file, file.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if taken++; file.read > (taken+ahead)*large {
			t.Fatalf("%d letters of 1 MiB were taken, and %d MiB read", taken, file.read/large)
		}
	}
	if taken != len(letters) {
		t.Errorf("%d letters of %d", taken, len(letters))
	}
}

// TestLargeLettersAreWrittenAsTheyCome: a writer holds some of them only, and the file is not larger for what is noted of them.
func TestLargeLettersAreWrittenAsTheyCome(t *testing.T) {
	const (
		large = 1 << 20
		held  = 33 // of them
	)
	noise := rand.NewChaCha8([32]byte{})
	letters := make([]dlq.Exported, 2*held)
	for i := range letters {
		b := make([]byte, large)
		_, _ = noise.Read(b) // never fails
		letters[i] = dlq.Exported{ID: fmt.Sprint("k7qp-1-", i), Topic: "a", Offset: int64(i), Key: b[:large/4], Value: b[large/4 : large/2], Headers: []dlq.ExportedHeader{{Key: string(b[large/2 : large*3/4]), Value: b[large*3/4:]}}}
	}
	var file bytes.Buffer
	w := parquet.NewWriter(&file)
	for i, x := range letters {
		if err := w.Write(x); err != nil {
			t.Fatal(err)
		}
		if out := file.Len() / large; i+1-out > held {
			t.Fatalf("%d letters of 1 MiB were written, and %d MiB are in the file", i+1, out)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if size := file.Len(); size > len(letters)*large*11/10 {
		t.Errorf("%d letters of 1 MiB make %d bytes", len(letters), size)
	}
	got, err := read(file.Bytes())
	if err != nil || !reflect.DeepEqual(got, letters) {
		t.Errorf("what is read is not what was written (%d letters, %v)", len(got), err)
	}
}

// TestBoundsOfPages: the index of a file has beginnings of the least and the largest of large columns, between which all of the page is.
func TestBoundsOfPages(t *testing.T) {
	last := strings.Repeat("z", 100)
	file := written(t, dlq.Exported{Key: []byte(last), Value: []byte("v")}, dlq.Exported{Key: bytes.Repeat([]byte("a"), 100)}, dlq.Exported{Key: []byte("k"), Value: []byte("w")})
	opened, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string][2]string{"key": {strings.Repeat("a", 16), last[:15] + "{"}, "value": {"v", "w"}} {
		at, found := opened.Schema().Lookup(column)
		if !found {
			t.Fatalf("no column %s", column)
		}
		index, err := opened.RowGroups()[0].ColumnChunks()[at.ColumnIndex].ColumnIndex()
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{string(index.MinValue(0).ByteArray()), string(index.MaxValue(0).ByteArray())}; got != want || index.NumPages() != 1 {
			t.Errorf("%s: %d pages, the first from and to %q, want %q", column, index.NumPages(), got, want)
		}
	}
}

func TestNoDeadLetters(t *testing.T) {
	if got, err := read(written(t)); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNoParquet(t *testing.T) {
	whole := written(t, dlq.Exported{ID: "k7qp-0-0", Topic: "a", Value: []byte("v")})
	for name, file := range map[string][]byte{"empty": nil, "text": []byte("PAR1 but nothing else"), "cut off": whole[:len(whole)/2]} {
		if _, err := read(file); err == nil || !strings.Contains(err.Error(), "read Parquet: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamageIsFound: a byte that changed in a value is told, at the end at the latest, or changes nothing.
func TestDamageIsFound(t *testing.T) {
	const value = "a value that stands in the file as it is"
	whole, found := written(t, dlq.Exported{ID: "k7qp-0-0", Topic: "a", Value: []byte(value)}), 0
	for at := range whole {
		if !bytes.HasPrefix(whole[at:], []byte(value)) {
			continue
		}
		file := bytes.Clone(whole)
		file[at+10] ^= 1
		letters, err := read(file)
		if err != nil {
			found++
		} else if string(letters[0].Value) != value {
			t.Errorf("byte %d: the value is %q, and nothing is told", at, letters[0].Value)
		}
	}
	if found == 0 {
		t.Error("no damage was found")
	}
}

// FuzzThereAndBack: whatever a dead letter holds, it is read as it was written.
func FuzzThereAndBack(f *testing.F) {
	f.Add("k7qp-0-0", "a.dlq", int32(3), int64(1), int64(1_763_904_000_123), []byte("k"), []byte(nil), "trace", []byte{0xff}, uint8(3))
	f.Add("", "", int32(-1), int64(-1), int64(-1), []byte{}, []byte{0}, "\xff", []byte(nil), uint8(0))
	f.Fuzz(func(t *testing.T, id, topic string, partition int32, offset, timestamp int64, key, value []byte, name string, header []byte, n uint8) {
		x := dlq.Exported{ID: id, Topic: topic, Partition: partition, Offset: offset, Timestamp: timestamp, Status: dlq.Statuses()[int(n)%len(dlq.Statuses())], Key: key, Value: value, Headers: []dlq.ExportedHeader{}}
		for i := range n % 5 {
			x.Headers = append(x.Headers, dlq.ExportedHeader{Key: name, Value: header}, dlq.ExportedHeader{Key: name[:len(name)*int(i)/5]})
		}
		got, err := read(written(t, x, x))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]dlq.Exported{x, x}, got); diff != "" {
			t.Errorf("differs (- written, + read):\n%s", diff)
		}
	})
}

// A header name need not be UTF-8, which a reader of a column of text takes for granted: it is declared as bytes. Files of earlier releases, that called it
// text, are read all the same.
func TestHeaderNamesAreBytes(t *testing.T) {
	x := dlq.Exported{Topic: "d", Headers: []dlq.ExportedHeader{{Key: "h\xff", Value: []byte("v")}}}
	file := written(t, x)
	opened, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	name, found := opened.Schema().Lookup("headers", "key")
	if !found || name.Node.Type().LogicalType() != nil || name.Node.Type().Kind() != pq.ByteArray {
		t.Errorf("declared as %v", name.Node)
	}
	earlier, err := os.ReadFile("testdata/text-names.parquet")
	if err != nil {
		t.Fatal(err)
	}
	if letters, err := read(earlier); err != nil || len(letters) != 1 || letters[0].Headers[0].Key != "h\xff" {
		t.Errorf("of an earlier release: %+v, %v", letters, err)
	}
}
