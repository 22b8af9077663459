package indent_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/internal/indent"
)

// TestDocumentsAreLaidOut: as encoding/json does it, but where that would be many times as long.
func TestDocumentsAreLaidOut(t *testing.T) {
	nested := func(depth, values int) string {
		return strings.Repeat("[", depth) + "0" + strings.Repeat(",0", values) + strings.Repeat("]", depth)
	}
	for _, tt := range []struct {
		document string
		laidOut  bool
	}{
		{`{}`, true}, {`[]`, true}, {` [ ] `, true}, {`"a\"]"`, true}, {`{"a":[1,{"b":"\\","c":{}}],"d":null}`, true},
		{nested(20, 1000), true}, {nested(1000, 1000), false}, {nested(9000, 9000), false}, {nested(9000, 0), false}, {nested(3, 100_000), true},
	} {
		text, ok := indent.JSON([]byte(tt.document))
		if !ok {
			t.Fatalf("%.40q is taken for no document", tt.document)
		}
		want := []byte(tt.document)
		if tt.laidOut {
			var b bytes.Buffer
			if err := json.Indent(&b, want, "", "  "); err != nil {
				t.Fatal(err)
			}
			want = b.Bytes()
		}
		if !bytes.Equal(text, want) {
			t.Errorf("%.40q of %d bytes: %.60q of %d bytes", tt.document, len(tt.document), text, len(text))
		}
	}
	if _, ok := indent.JSON([]byte(`{"a":`)); ok {
		t.Error("half a document is taken for one")
	}
}

// FuzzFits: what fits is about as long as it is said to be.
func FuzzFits(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"\\","c":{}}],"d":null}`))
	f.Add([]byte(strings.Repeat(`[`, 300) + strings.Repeat(`]`, 300)))
	f.Fuzz(func(t *testing.T, document []byte) {
		text, ok := indent.JSON(document)
		if most := 16*len(document) + 64<<10 + 1; ok && len(text) > most {
			t.Errorf("%d bytes became %d", len(document), len(text))
		}
		if valid := json.Valid(document); valid != ok {
			t.Errorf("%q is JSON: %v, and was taken for that: %v", document, valid, ok)
		}
	})
}
