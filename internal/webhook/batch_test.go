package webhook

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

func TestABatchIsAJSONArray(t *testing.T) {
	url, requests := service(t)
	w := open(t, Config{URL: url, BatchMax: 10})
	first := order()
	first.value = []byte(`{"a": "<ü>"}`)
	first.headers = []consumer.Header{{Key: "h", Value: []byte("1")}, {Key: "h"}, {Key: "a b", Value: []byte{0xff}}}
	second := delivery{id: "orders/3/43", topic: "orders", partition: 3, offset: 43, attempt: 1, group: "g", pipeline: "p"}
	third := delivery{id: "orders/3/44", topic: "orders", partition: 3, offset: 44, attempt: 1, key: []byte{}, value: []byte("\"\xff\"")}
	for i, err := range w.postBatch(context.Background(), []delivery{first, second, third}) {
		if err != nil {
			t.Errorf("record %d failed: %v", i, err)
		}
	}
	got := <-requests
	want := `[
		{"id":"orders/3/42","topic":"orders","partition":3,"offset":42,"key":"AGv/","value":"eyJhIjogIjzDvD4ifQ==","value_json":{"a":"<ü>"},
		 "headers":[{"key":"h","value":"MQ=="},{"key":"h","value":null},{"key":"a b","value":"/w=="}],"attempt":2},
		{"id":"orders/3/43","topic":"orders","partition":3,"offset":43,"key":null,"value":null,"headers":[],"attempt":1},
		{"id":"orders/3/44","topic":"orders","partition":3,"offset":44,"key":"","value":"Iv8i","headers":[],"attempt":1}]`
	var g, w2 any
	if err := json.Unmarshal(got.body, &g); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	if err := json.Unmarshal([]byte(want), &w2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w2, g); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for name, want := range map[string][]string{
		"Content-Type": {"application/json"}, "Redeliver-Group": {"g"}, "Redeliver-Pipeline": {"p"}, "Redeliver-Id": nil, "Idempotency-Key": nil,
	} {
		if diff := cmp.Diff(want, got.header[name]); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestABatchIsAnsweredRecordByRecord(t *testing.T) {
	const address = "http://127.0.0.1/orders"
	failed := func(status int, excerpt string) *StatusError {
		return &StatusError{URL: address, Status: status, Excerpt: excerpt}
	}
	unusable := func(problem string) error { return &AnswerError{URL: address, Problem: problem} }
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		want   [3]error // for the ids a, b, c
	}{
		{"no body", 204, nil, "", [3]error{}},
		{"a word", 200, nil, "OK", [3]error{}},
		{"no results", 200, nil, `{}`, [3]error{}},
		{"what is not listed succeeded", 200, nil, `{"results":[{"id":"b","status":503,"error":"later\n"}],"more":1}`, [3]error{nil, failed(503, "later"), nil}},
		{
			"actions", 207, nil,
			`{"results":[{"id":"a","action":"snooze","delay":"1m"},{"id":"b","status":503,"action":"dead-letter"},{"id":"c","action":"retry","delay":"2s"}]}`,
			[3]error{consumer.Snooze(time.Minute), consumer.DeadLetter(failed(503, "")), consumer.RetryAfter(2*time.Second, classify.Mark(failed(200, ""), classify.Transient))},
		},
		{"a listed success", 200, nil, `{"results":[{"id":"a","status":200},{"id":"b"}]}`, [3]error{}},
		{"an error without a status", 200, nil, `{"results":[{"id":"a","error":"no"}]}`, [3]error{failed(500, "no"), nil, nil}},
		{"as a whole", 429, nil, "slow down", [3]error{failed(429, "slow down"), failed(429, "slow down"), failed(429, "slow down")}},
		{"results of a failure do not count", 500, nil, `{"results":[]}`, [3]error{failed(500, `{"results":[]}`), failed(500, `{"results":[]}`), failed(500, `{"results":[]}`)}},
		{
			"an action for those that are not listed", 200, http.Header{"Redeliver-Action": {"snooze"}, "Redeliver-Delay": {"1m"}},
			`{"results":[{"id":"b","status":200}]}`, [3]error{consumer.Snooze(time.Minute), nil, consumer.Snooze(time.Minute)},
		},
		{"half a body", 200, nil, `{"results":[`, all(unusable("unexpected end of JSON input"))},
		{"another shape", 200, nil, `{"results":{"a":1}}`, all(unusable("json: cannot unmarshal object into Go struct field batchAnswer.results of type []webhook.batchResult"))},
		{"JSON that is no object", 200, http.Header{"Content-Type": {"application/json"}}, `[]`, all(unusable("json: cannot unmarshal array into Go value of type webhook.batchAnswer"))},
		{"an id that was not sent", 200, nil, `{"results":[{"id":"d","status":500}]}`, all(unusable(`it has a result for the id "d", which is not in the batch`))},
		{"two results for one id", 200, nil, `{"results":[{"id":"a","status":500},{"id":"a","status":200}]}`, all(unusable(`it has two results for the id "a"`))},
		{"an answer without bounds", 200, nil, strings.Repeat(" ", int(answerLimit(3))+1), all(unusable("it is larger than 1060864 bytes"))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name, values := range test.header {
					w.Header()[name] = values
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			w := open(t, Config{URL: server.URL, BatchMax: 3})
			w.name = address // as the wanted errors have it
			got := w.postBatch(context.Background(), []delivery{{id: "a", attempt: 1}, {id: "b", attempt: 1}, {id: "c", attempt: 1}})
			for i, want := range test.want {
				if !reflect.DeepEqual(got[i], want) {
					t.Errorf("record %d:\ngot  %#v\nwant %#v", i, got[i], want)
				}
			}
		})
	}
}

func all(err error) [3]error { return [3]error{err, err, err} }

// no-loss: an answer that broke off may have told of failures.
func TestABatchWhoseAnswerBreaksOffFails(t *testing.T) {
	url := byHand(t, says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"results\":["))
	w := open(t, Config{URL: url, BatchMax: 2})
	for i, err := range w.postBatch(context.Background(), []delivery{{id: "a"}, {id: "b"}}) {
		if failure := classify.New(nil).Classify(err); failure.Class != classify.Network || !strings.Contains(failure.Message, "broke off after 12 bytes") {
			t.Errorf("record %d is %v (%s): %v", i, failure.Class, failure.Rule, err)
		}
	}
}

func TestABatchWhoseAnswerNeverEndsTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := virtual(t, Config{BatchMax: 2}, func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		for i, err := range w.postBatch(ctx, []delivery{{id: "a"}, {id: "b"}}) {
			if failure := classify.New(nil).Classify(err); failure.Class != classify.Transient {
				t.Errorf("record %d is %v (%s): %v", i, failure.Class, failure.Rule, err)
			}
		}
	})
}

func TestTheHandlerMakesBatchesOnlyWhenAsked(t *testing.T) {
	url, requests := service(t)
	r := &consumer.Record{Topic: "orders", Partition: 1, Offset: 7, Value: []byte("v")}
	for _, max := range []int{0, 1, 2} {
		w := open(t, Config{URL: url, BatchMax: max})
		if err := w.Handler().Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		body := string((<-requests).body)
		if batch := strings.HasPrefix(body, `[{"id":"orders/1/7"`); batch != (max > 1) || (!batch && body != "v") {
			t.Errorf("batch.max %d: got %s", max, body)
		}
	}
}
