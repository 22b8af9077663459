package parquet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"

	"github.com/parquet-go/parquet-go"

	"github.com/redeliver/redeliver/dlq"
)

// Magic is what a Parquet file begins with.
const Magic = "PAR1"

// A writer holds one group of rows in memory, and of each before it the least and the largest of every column.
const (
	rowsPerGroup  = 10_000
	bytesPerGroup = 32 << 20 // of keys, values and headers; usual letters have fewer
)

// A reader holds so many rows at once, fewer where those before were larger.
const (
	rowsAtOnce  = 100
	bytesAtOnce = 4 << 20 // of keys, values and headers
)

// large are the columns whose bounds do not stand with each page besides the index of the file: there they would be whole, four times.
var large = [][]string{{"key"}, {"value"}, {"headers", "key"}, {"headers", "value"}}

// schema has header names as bytes: Kafka does not ask for UTF-8, as a reader of a column of text does.
var schema = schemaWith(blob())

// textNames is the schema of earlier releases.
var textNames = schemaWith(parquet.String())

func schemaWith(headerName parquet.Node) *parquet.Schema {
	return parquet.NewSchema("dead_letter", parquet.Group{
		"id":        parquet.String(),
		"topic":     parquet.String(),
		"partition": parquet.Int(32),
		"offset":    parquet.Int(64),
		"timestamp": parquet.Timestamp(parquet.Millisecond),
		"status":    parquet.String(),
		"key":       parquet.Optional(blob()),
		"value":     parquet.Optional(blob()),
		"headers":   parquet.Repeated(parquet.Group{"key": headerName, "value": parquet.Optional(blob())}),
	})
}

// columns of the schema by their path.
var columns = func() map[string]int {
	byPath := make(map[string]int)
	for i, path := range schema.Columns() {
		name := path[0]
		for _, part := range path[1:] {
			name += "." + part
		}
		byPath[name] = i
	}
	return byPath
}()

// checksumKey is the metadata that holds the checksum of the dead letters: a page has one by itself, and what says how pages are read has none.
const checksumKey = "redeliver.sha256"

// Writer writes dead letters. It is not safe for concurrent use.
type Writer struct {
	to   *parquet.GenericWriter[any]
	sum  hash.Hash
	rows int // of the group that is not written yet
	held int // its bytes
}

// NewWriter returns a writer to w.
func NewWriter(w io.Writer) *Writer {
	options := []parquet.WriterOption{schema, parquet.Compression(&parquet.Zstd)}
	for _, path := range large {
		options = append(options, parquet.SkipPageStatistics(path...))
	}
	return &Writer{to: parquet.NewGenericWriter[any](w, options...), sum: sha256.New()}
}

// Write writes one dead letter.
func (w *Writer) Write(x dlq.Exported) error {
	if _, err := w.to.WriteRows([]parquet.Row{rowOf(x)}); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	addTo(w.sum, x)
	w.rows++
	if w.held += bytesOf(x); w.rows < rowsPerGroup && w.held < bytesPerGroup {
		return nil
	}
	w.rows, w.held = 0, 0
	if err := w.to.Flush(); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	return nil
}

// Close writes the end of the file. It does not close what the file is written to.
func (w *Writer) Close() error {
	w.to.SetKeyValueMetadata(checksumKey, hex.EncodeToString(w.sum.Sum(nil)))
	if err := w.to.Close(); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	return nil
}

// bytesOf counts what a letter may have much of.
func bytesOf(x dlq.Exported) int {
	n := len(x.Key) + len(x.Value)
	for _, h := range x.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// rowOf makes the row, its values in the order of the columns.
func rowOf(x dlq.Exported) parquet.Row {
	row := make(parquet.Row, 0, len(columns)+2*len(x.Headers))
	for i, path := range schema.Columns() {
		add := func(v parquet.Value) { row = append(row, v.Level(0, 0, i)) }
		switch path[0] {
		case "id":
			add(parquet.ByteArrayValue([]byte(x.ID)))
		case "topic":
			add(parquet.ByteArrayValue([]byte(x.Topic)))
		case "partition":
			add(parquet.Int32Value(x.Partition))
		case "offset":
			add(parquet.Int64Value(x.Offset))
		case "timestamp":
			add(parquet.Int64Value(x.Timestamp))
		case "status":
			add(parquet.ByteArrayValue([]byte(x.Status.String())))
		case "key":
			row = append(row, optional(x.Key, 0, 0, i))
		case "value":
			row = append(row, optional(x.Value, 0, 0, i))
		case "headers":
			row = appendHeaders(row, x.Headers, path[1], i)
		}
	}
	return row
}

func appendHeaders(row parquet.Row, headers []dlq.ExportedHeader, column string, i int) parquet.Row {
	if len(headers) == 0 {
		return append(row, parquet.NullValue().Level(0, 0, i))
	}
	for n, h := range headers {
		repetition := min(n, 1)
		if column == "key" {
			row = append(row, parquet.ByteArrayValue([]byte(h.Key)).Level(repetition, 1, i))
		} else {
			row = append(row, optional(h.Value, repetition, 1, i))
		}
	}
	return row
}

// optional is bytes at a level, or null.
func optional(b []byte, repetition, definition, column int) parquet.Value {
	if b == nil {
		return parquet.NullValue().Level(repetition, definition, column)
	}
	return parquet.ByteArrayValue(b).Level(repetition, definition+1, column)
}

// addTo adds a dead letter to a checksum.
func addTo(sum hash.Hash, x dlq.Exported) {
	var b []byte
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	bytes := func(value []byte) {
		if value == nil {
			b = append(b, 0)
			return
		}
		b = append(b, 1)
		text(string(value))
	}
	text(x.ID)
	text(x.Topic)
	b = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(b, int64(x.Partition)), x.Offset), x.Timestamp)
	text(x.Status.String())
	bytes(x.Key)
	bytes(x.Value)
	b = binary.AppendUvarint(b, uint64(len(x.Headers)))
	for _, h := range x.Headers {
		text(h.Key)
		bytes(h.Value)
	}
	sum.Write(b)
}

// Read reads the dead letters of a file of so many bytes. An error ends it, which may come after some of them, or after the last: only then is
// it known that they are those that were written, where a [Writer] wrote them. A file that is damaged may take much memory.
func Read(file io.ReaderAt, size int64) iter.Seq2[dlq.Exported, error] {
	return func(yield func(dlq.Exported, error) bool) {
		if err := read(file, size, yield); err != nil {
			yield(dlq.Exported{}, err)
		}
	}
}

// read returns an error that is not yielded yet.
func read(file io.ReaderAt, size int64, yield func(dlq.Exported, error) bool) (err error) {
	defer func() { // the library takes a damaged file for a mistake of the program
		if wrong := recover(); wrong != nil {
			err = fmt.Errorf("read Parquet: the file is damaged: %v", wrong)
		}
	}()
	opened, err := parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("read Parquet: %w", err)
	}
	if !parquet.EqualNodes(opened.Schema(), schema) && !parquet.EqualNodes(opened.Schema(), textNames) {
		return fmt.Errorf("read Parquet: the columns are not those of `redeliver dlq export -o parquet`: %s", opened.Schema())
	}
	sum := sha256.New()
	for _, group := range opened.RowGroups() {
		if goOn, err := readGroup(group, sum, yield); err != nil || !goOn {
			return err
		}
	}
	if written, told := opened.Lookup(checksumKey); told && written != hex.EncodeToString(sum.Sum(nil)) {
		return errors.New("read Parquet: the file is damaged: what is in it is not what was written")
	}
	return nil
}

func readGroup(group parquet.RowGroup, sum hash.Hash, yield func(dlq.Exported, error) bool) (goOn bool, err error) {
	rows := group.Rows()
	defer rows.Close()
	batch, atOnce := make([]parquet.Row, rowsAtOnce), 1
	for {
		n, err := rows.ReadRows(batch[:atOnce])
		held := 0
		for _, row := range batch[:n] {
			x, wrong := letterOf(row)
			if wrong != nil {
				return false, wrong
			}
			addTo(sum, x)
			held += bytesOf(x)
			if !yield(x, nil) {
				return false, nil
			}
		}
		atOnce = min(2*atOnce, max(n*bytesAtOnce/max(held, 1), 1), rowsAtOnce)
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("read Parquet: %w", err)
		}
	}
}

// letterOf reads a row. It shares nothing with it.
func letterOf(row parquet.Row) (x dlq.Exported, err error) {
	x.Headers = []dlq.ExportedHeader{}
	values := 0 // of headers
	for _, v := range row {
		switch v.Column() {
		case columns["id"]:
			x.ID = string(v.ByteArray())
		case columns["topic"]:
			x.Topic = string(v.ByteArray())
		case columns["partition"]:
			x.Partition = v.Int32()
		case columns["offset"]:
			x.Offset = v.Int64()
		case columns["timestamp"]:
			x.Timestamp = v.Int64()
		case columns["status"]:
			if x.Status, err = dlq.ParseStatus(string(v.ByteArray())); err != nil {
				return x, fmt.Errorf("read Parquet: %w", err)
			}
		case columns["key"]:
			x.Key = copied(v)
		case columns["value"]:
			x.Value = copied(v)
		case columns["headers.key"]:
			if v.DefinitionLevel() > 0 {
				x.Headers = append(x.Headers, dlq.ExportedHeader{Key: string(v.ByteArray())})
			}
		case columns["headers.value"]:
			if v.DefinitionLevel() == 0 {
				continue
			}
			if values == len(x.Headers) {
				return x, errors.New("read Parquet: the file is damaged: a header has a value and no name")
			}
			x.Headers[values].Value = copied(v)
			values++
		}
	}
	return x, nil
}

// copied are bytes of their own; null is nil.
func copied(v parquet.Value) []byte {
	if v.IsNull() {
		return nil
	}
	return append([]byte{}, v.ByteArray()...)
}
