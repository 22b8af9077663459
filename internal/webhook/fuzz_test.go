package webhook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/redeliver/redeliver/consumer"
)

// FuzzBatchAnswer: whatever a service answers to a batch, a record that it fails is not taken for done, one that it does
// not name succeeds only where the answer can be read, and the error fits on a line.
func FuzzBatchAnswer(f *testing.F) {
	for _, answer := range []string{
		`{"results":[{"id":"a/0/1","status":503,"error":"away"}]}`, `{"results":[{"id":"a/0/1","action":"dead-letter","delay":"1h"},{"id":"b/0/2","action":"snooze","delay":"2d"}]}`,
		`{"results":[{"id":"a/0/1"},{"id":"a/0/1"}]}`, `{"results":[{"id":"x"}]}`, `OK`, ``, `{}`, `[]`, `{"results":null}`, `{"results":[null]}`, "{\"results\":[{\"id\":\"a/0/1\",\"error\":\"\x1b[31m\\u0000\"}]}",
		`{"results":[{"id":"a/0/1","status":-1,"delay":"-5s","action":"RETRY "}]}`, `{"results":[{"id":"a/0/1","status":1e99}]}`,
	} {
		f.Add(answer, "application/json")
	}
	f.Add("<html>", "text/html")
	w := newFuzzed(f)
	deliveries := []delivery{{id: "a/0/1"}, {id: "b/0/2"}}
	f.Fuzz(func(t *testing.T, text, contentType string) {
		results, problem := readResults([]byte(text), contentType, deliveries)
		if problem != "" {
			if len(results) > 0 || !oneLine((&AnswerError{URL: w.name, Problem: problem}).Error()) {
				t.Fatalf("%d results beside the problem %q", len(results), problem)
			}
			return
		}
		for id, r := range results {
			if id != r.ID || id != "a/0/1" && id != "b/0/2" {
				t.Fatalf("a result for %q under %q", r.ID, id)
			}
			checkOutcome(t, w, r.Status, r.Action, w.outcome(w.resultVerdict(r), 1))
			if failed := r.Status != 0 && !success(r.Status) || r.Error != "" && r.Status == 0; failed && w.outcome(w.resultVerdict(r), 1) == nil {
				t.Fatalf("%+v counts as done", r)
			}
		}
	})
}

// FuzzAnswer: whatever status and headers a service answers with, only what it means as success is done, and no delay is
// below zero or, by Retry-After, above an hour.
func FuzzAnswer(f *testing.F) {
	f.Add(503, "", "", "120", "", "away")
	f.Add(200, "drop", "", "", "", "")
	f.Add(429, "Snooze", "9999999h", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "\x1b[2J")
	f.Add(204, "explode", "-1s", "-1", "never", "")
	f.Add(-1, "retry", "65536d", strings.Repeat("9", 400), "", "\xff\xfe")
	w := newFuzzed(f)
	f.Fuzz(func(t *testing.T, status int, action, delay, after, date, body string) {
		header := http.Header{"Redeliver-Action": {action}, "Redeliver-Delay": {delay}, "Retry-After": {after}, "Date": {date}}
		a := answer{url: w.name, status: status, header: header, excerpt: excerpt(body)}
		v := a.verdict()
		if v.delay < 0 {
			t.Fatalf("a delay of %v", v.delay)
		}
		if v.err != nil && (v.err.After < 0 || v.err.After > maxRetryAfter) {
			t.Fatalf("Retry-After is %v", v.err.After)
		}
		checkOutcome(t, w, status, action, w.outcome(v, 1))
	})
}

// FuzzBatch: what is posted of a record can be read back by any JSON reader, byte by byte.
func FuzzBatch(f *testing.F) {
	f.Add("orders/0/1", []byte("key"), []byte(`{"a":1}`), "trace", []byte("\xff"), true)
	f.Add("", []byte{}, []byte("\u2028</script>"), "\x00", []byte(nil), false)
	f.Fuzz(func(t *testing.T, id string, key, value []byte, name string, header []byte, null bool) {
		if null {
			value = nil
		}
		body, err := encodeBatch([]delivery{{id: id, key: key, value: value, headers: []consumer.Header{{Key: name, Value: header}}}})
		if err != nil {
			t.Fatal(err)
		}
		var records []batchRecord
		if err := json.Unmarshal(body, &records); err != nil || len(records) != 1 || len(records[0].Headers) != 1 {
			t.Fatalf("%v of %s", err, body)
		}
		r := records[0]
		same(t, "key", r.Key, key)
		same(t, "value", r.Value, value)
		same(t, "header", r.Headers[0].Value, header)
		if len(r.ValueJSON) > 0 && !json.Valid(value) {
			t.Errorf("value_json %q beside a value that is none", r.ValueJSON)
		}
	})
}

func same(t *testing.T, what string, text *string, want []byte) {
	t.Helper()
	if text == nil {
		if want != nil {
			t.Errorf("%s is null, want %q", what, want)
		}
		return
	}
	got, err := base64.StdEncoding.DecodeString(*text)
	if err != nil || want == nil || string(got) != string(want) {
		t.Errorf("%s is %q (%v), want %q", what, got, err, want)
	}
}

func newFuzzed(f *testing.F) *Webhook {
	f.Helper()
	w, err := New(Config{URL: "http://127.0.0.1:9/orders", Timeout: time.Second, BatchMax: 2})
	if err != nil {
		f.Fatal(err)
	}
	return w
}

// checkOutcome holds an outcome to what the answer says.
func checkOutcome(t *testing.T, w *Webhook, status int, action string, err error) {
	t.Helper()
	if plain := strings.TrimSpace(action) == ""; err == nil && (!plain || status != 0 && !success(status)) {
		t.Fatalf("status %d with the action %q counts as done", status, action)
	}
	if err == nil {
		return
	}
	if !oneLine(err.Error()) {
		t.Fatalf("the error is %q", err.Error())
	}
	var s *StatusError
	if errors.As(err, &s) && len(s.Excerpt) > excerptLimit {
		t.Fatalf("an excerpt of %d bytes", len(s.Excerpt))
	}
}

// oneLine: text that is safe to print.
func oneLine(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
}
