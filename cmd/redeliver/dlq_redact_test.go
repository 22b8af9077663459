package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

// cards is a schema registry with an Avro schema of a text and a number, 7, a Protobuf one of a text and bytes, 8, and one that is JSON's, 9.
func cards(t *testing.T) string {
	t.Helper()
	schemas := map[string]string{
		"/schemas/ids/7": `{"schema":"{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"holder\",\"type\":\"string\"},{\"name\":\"card\",\"type\":\"long\"}]}"}`,
		"/schemas/ids/8": `{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; message Order { string holder = 1; bytes card = 2; }"}`,
		"/schemas/ids/9": `{"schemaType":"JSON","schema":"{}"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if schemas[r.URL.Path] == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, schemas[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Nothing that is hidden is shown in another form: decoded by a schema, in the bytes that were decoded, with letters escaped, in a difference or in the end of
// a text that was cut.
func TestRedactionOfWhatIsShown(t *testing.T) {
	const card = "4111111111111111"
	cache := t.TempDir()
	m := configured(t, "schema_registry: {url: '"+cards(t)+"'}\nindex: {path: '"+cache+"'}\n", `dlq: {redact: {text: ['\d{16}', '"holder": ?"([^"]+)"', 'b&b']}}`)
	framed := func(schema byte, payload string) []byte { return append([]byte{0, 0, 0, 0, schema}, payload...) }
	for i, value := range [][]byte{
		framed(7, "\x10jane roe"+"\x8e\xc7\xc7\xd6\x94\xc2\xcd\x0e"),                      // the card as a number
		framed(7, "\x06b&b\x02"),                                                          // which JSON's encoder escapes
		framed(8, "\x00\x0a\x08jane roe\x12\x10"+card),                                    // in base64
		framed(9, `{"holder":"jane \"j\" roe","card":"\u0034111111111111111"}`),           //
		[]byte(`{"h\u006flder" : "jane roe", "card":"\u0034111111111111111", "n": "ok"}`), //
		framed(6, "\x10jane roe"),                                                         // nobody knows its schema
	} {
		m.dies(int64(6+i), classify.Validation, 0, value)
	}
	secrets := []string{"jane", "roe", card, card[1:], "NDExMTEx", "b&b", `b\u0026b`, "amFuZ"}
	for id := 6; id < 11; id++ {
		at := fmt.Sprintf("0-%d", id)
		for _, args := range [][]string{{"dlq", "show", at}, {"dlq", "show", at, "-o", "json"}, {"dlq", "list", "--id", at, "-o", "json"}, {"replay", "--id", at, "--dry-run", "--set-header", "a=b"}} {
			got := m.run(args...)
			if got.status != exitDone {
				t.Errorf("%v: %d: %s%s", args, got.status, got.out, got.err)
			}
			for _, secret := range secrets {
				if strings.Contains(got.out, secret) {
					t.Errorf("%v prints %q:\n%s", args, secret, got.out)
				}
			}
		}
		m.run("dlq", "show", at, "--raw").want(t, exitUsage, "say --unredacted")
	}
	m.run("dlq", "show", "0-6").want(t, exitDone, "PAYLOAD Avro, 22 bytes", "[redacted]")
	m.run("dlq", "show", "0-8").want(t, exitDone, "PAYLOAD Protobuf, 34 bytes, schema 8", `"card": "[redacted]"`)
	m.run("dlq", "show", "0-10").want(t, exitDone, `"h\u006flder": "[redacted]"`, `"n": "ok"`)
	m.run("dlq", "show", "0-11", "--raw").want(t, exitUsage, "which failed (schema 6: ", "say --unredacted")
	m.run("dlq", "show", "0-6", "--unredacted").want(t, exitDone, card, "jane roe")
	m.run("dlq", "list", "--text", "jane", "--id", "0-10").want(t, exitDone, "0-10")
	edits := m.run("replay", "--id", "0-10", "--dry-run", "--jq", `.n = .card`)
	edits.want(t, exitDone, `+     "n": "[redacted]"`)
	if strings.Contains(edits.out, card[1:]) {
		t.Errorf("a difference shows what is hidden:\n%s", edits.out)
	}
	layout := m.run("replay", "--id", "0-10", "--dry-run", "--jq", ".", "--set-header", "by="+card)
	layout.want(t, exitDone, "the payload keeps what jq reads of it", "[redacted]")
	m.run("replay", "--id", "0-10", "--dry-run", "--jq", ".").want(t, exitDone, "0-10", "    the payload keeps what jq reads of it, and is written as jq writes it")
	long := m.run("replay", "--id", "0-0", "--dry-run", "--jq", `error("no card of \"holder\": \"jane roe`+strings.Repeat(" and more", 200)+`\"")`)
	long.want(t, exitPart, "left out: jq: error: no card of [redacted]…")
	if strings.Contains(long.out, "jane") {
		t.Errorf("why it was left out shows what is hidden:\n%s", long.out)
	}
	files, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("indexes %v, %v", files, err)
	}
	if index, err := os.ReadFile(files[0]); err != nil || strings.Contains(string(index), "jane") || strings.Contains(string(index), card[1:]) {
		t.Errorf("the index holds what is hidden (%v)", err)
	}
}
