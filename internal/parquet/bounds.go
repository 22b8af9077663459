package parquet

import "github.com/parquet-go/parquet-go"

// blob is a column of bytes, which may be large. The library keeps the least and the largest bytes of every page whole until the file ends, to write the
// beginnings of them in its index. That they stand there matters: a reader that looks for a key passes pages by without them.
func blob() parquet.Node { return parquet.Leaf(blobType{parquet.ByteArrayType}) }

type blobType struct{ parquet.Type }

func (t blobType) NewColumnIndexer(limit int) parquet.ColumnIndexer {
	return beginnings{t.Type.NewColumnIndexer(limit), limit}
}

// beginnings indexes as if the bytes were not longer than it takes to see that they are longer than what it writes.
type beginnings struct {
	parquet.ColumnIndexer
	limit int
}

func (b beginnings) IndexPage(values, nulls int64, least, largest parquet.Value) {
	b.ColumnIndexer.IndexPage(values, nulls, b.of(least), b.of(largest))
}

func (b beginnings) of(v parquet.Value) parquet.Value {
	if bytes := v.ByteArray(); len(bytes) > b.limit {
		return parquet.ByteArrayValue(bytes[:b.limit+1])
	}
	return v
}
