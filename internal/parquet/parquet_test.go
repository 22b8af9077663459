package parquet_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	for i := range 25_000 { // more than a group of rows
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

// FuzzRead: a damaged file is an error, and never a panic.
func FuzzRead(f *testing.F) {
	whole := written(f, dlq.Exported{ID: "k7qp-0-0", Topic: "a", Value: []byte("v"), Headers: []dlq.ExportedHeader{{Key: "h"}, {Key: "h", Value: []byte("v")}}})
	f.Add(whole, uint16(0), byte(0))
	f.Add(whole, uint16(20), byte(0xff))
	f.Add([]byte("PAR1"), uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, file []byte, at uint16, with byte) {
		if len(file) > 1<<16 {
			return
		}
		file = bytes.Clone(file)
		if int(at) < len(file) {
			file[at] ^= with
		}
		letters, err := read(file)
		if err != nil && err.Error() == "" || len(letters) > 1<<20 {
			t.Fatalf("%d letters, %v", len(letters), err)
		}
	})
}
