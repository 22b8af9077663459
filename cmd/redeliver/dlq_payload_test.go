package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

// schemas is a schema registry that knows one Avro schema, with id 7, and asks for a password.
func schemas(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user != "u" || password != "p":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/schemas/ids/7":
			w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
			fmt.Fprint(w, `{"schema":"{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"card\",\"type\":\"string\"}]}"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error_code":40403,"message":"Schema not found"}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// configured is a morgue whose configuration has more lines, of the pipeline and of the file.
func configured(t *testing.T, file string, pipeline ...string) *morgue {
	t.Helper()
	m := newMorgue(t)
	m.config = configFile(t, pipelineOn(m.cluster.ListenAddrs(), pipeline...)+file)
	return m
}

func TestShowBySchema(t *testing.T) {
	m := configured(t, "schema_registry: {url: '"+schemas(t)+"', username: u, password: p}\n")
	m.dies(6, classify.Validation, 0, append([]byte{0, 0, 0, 0, 7}, "\x084111"...))
	m.dies(7, classify.Validation, 0, append([]byte{0, 0, 0, 0, 8}, "\x084111"...))
	m.dies(8, classify.Validation, 0, append([]byte{0, 0, 0, 0, 7}, "\x104111"...))
	m.run("dlq", "show", "0-6").want(t, exitDone, "PAYLOAD Avro, 10 bytes, schema 7\n{\n  \"card\": \"4111\"\n}")
	m.run("dlq", "show", "0-6", "-o", "json").want(t, exitDone, `"decoded": {`, `"card": "4111"`, `"schema_id": 7`)
	m.run("dlq", "show", "0-7").want(t, exitDone, "NOT DECODED: schema 8: ask the schema registry: ", "Schema not found", "PAYLOAD binary, 10 bytes")
	m.run("dlq", "show", "0-8").want(t, exitDone, "NOT DECODED: the value does not fit its schema 7 (AVRO)", "PAYLOAD binary")
	m.run("dlq", "show", "0-0").want(t, exitDone, "PAYLOAD JSON, ")
	m.run("dlq", "show", "0-6", "--schema-registry", "a:8081").want(t, exitUsage, `--schema-registry: "a:8081" is no http or https URL`)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, is := r.BasicAuth(); is {
			t.Error("the password went to another address")
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(other.Close)
	m.run("dlq", "show", "0-6", "--schema-registry", other.URL).want(t, exitDone, "NOT DECODED: schema 7")
}

// TestRedaction: what the configuration hides is in no output, unless it is asked for, and not lost.
func TestRedaction(t *testing.T) {
	const secret = "4111111111111111"
	cache := t.TempDir()
	m := configured(t, "schema_registry: {url: '"+schemas(t)+"', username: u, password: p}\nindex: {path: '"+cache+"'}\n", `dlq: {redact: {headers: ['(?i)^TRACE$'], text: ['\d{16}', '"holder":"([^"]+)"', 'is (closed)']}}`)
	m.dies(6, classify.Validation, 0, []byte(`{"card":"`+secret+`","holder":"jane roe"}`))
	m.dies(7, classify.Validation, 0, append([]byte{0, 0, 0, 0, 7, 32}, secret...))
	for _, args := range [][]string{
		{"dlq", "list"}, {"dlq", "list", "-o", "json"}, {"dlq", "show", "0-6"}, {"dlq", "show", "0-6", "-o", "json"}, {"dlq", "show", "0-7"}, {"dlq", "show", "0-7", "-o", "json"},
		{"dlq", "stats"}, {"dlq", "stats", "-o", "json"}, {"classify", "--id", "0-6"},
	} {
		got := m.run(args...)
		got.want(t, exitDone, "[redacted]")
		for _, hidden := range []string{secret, "shop is closed", "t-1"} {
			if strings.Contains(got.out, hidden) {
				t.Errorf("%v prints %q:\n%s", args, hidden, got.out)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("indexes %v, %v", files, err)
	}
	if index, err := os.ReadFile(files[0]); err != nil || bytes.Contains(index, []byte(secret)) || bytes.Contains(index, []byte("is closed")) || !bytes.Contains(index, []byte("the shop is [redacted]")) {
		t.Errorf("the index holds what is hidden, or nothing at all (%v)", err)
	}
	m.run("dlq", "show", "0-7").want(t, exitDone, `"card": "[redacted]"`)
	m.run("dlq", "show", "0-7", "--unredacted").want(t, exitDone, `"card": "`+secret+`"`, "t-1")
	m.run("dlq", "show", "0-6", "--raw").want(t, exitUsage, "say --unredacted")
	m.run("dlq", "show", "0-0", "--raw").want(t, exitDone, `{"order":0,`)
	m.run("dlq", "show", "0-6", "--raw", "--unredacted").want(t, exitDone, secret)
	m.run("dlq", "export").want(t, exitUsage, "say --unredacted")
	m.run("dlq", "export", "--unredacted").want(t, exitDone, "exported 8 dead letters")
	session{env: map[string]string{"EDITOR": "cat"}}.run(t, "dlq", "edit", "0-6", "--yes", "-c", m.config).want(t, exitUsage, "say --unredacted")
	said := m.run("replay", "--jq", `error("it is closed")`, "--dry-run")
	said.want(t, exitPart, "left out: jq: error: it is [redacted]")
	for _, program := range []string{`.holder.name`, `.holder + 1`, `error(.holder)`, `.holder | fromjson`} {
		said := m.run("replay", "--jq", program, "--dry-run", "--id", "orders/0/6")
		if said.want(t, exitPart, "left out: jq: "); strings.Contains(said.out, "jane") {
			t.Errorf("what is left out by %s shows what is hidden:\n%s", program, said.out)
		}
	}
	m.run("dlq", "list", "--error", "closed", "--id", "orders/0/6").want(t, exitDone, "orders/0/6")
	editor := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i s/4111/5111/ \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	session{env: map[string]string{"EDITOR": editor}}.run(t, "dlq", "edit", "0-6", "--yes", "--unredacted", "-c", m.config).want(t, exitDone, "5111111111111111")
	m.run("replay", "--id", "orders/0/1", "--yes").want(t, exitDone, "replayed 1 dead letter")
}
