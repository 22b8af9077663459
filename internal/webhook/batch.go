package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// batchRecord is one record in the body of a batch.
type batchRecord struct {
	ID        string          `json:"id"`
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Key       *string         `json:"key"`   // base64, null for a null key
	Value     *string         `json:"value"` // base64, null for a null value
	ValueJSON json.RawMessage `json:"value_json,omitempty"`
	Headers   []batchHeader   `json:"headers"`
	Attempt   int             `json:"attempt"`
}

// batchHeader is one of the record's own headers: a list and not an object, for names repeat and have an order.
type batchHeader struct {
	Key   string  `json:"key"`
	Value *string `json:"value"` // base64, null for a null value
}

// batchAnswer is the body of the answer to a batch. A record that it does not list succeeded.
type batchAnswer struct {
	Results []batchResult `json:"results"`
}

// batchResult says about one record what status, Redeliver-Action, Redeliver-Delay and Redeliver-Dependency say about a request.
type batchResult struct {
	ID     string `json:"id"`
	Status int    `json:"status"`
	Action string `json:"action"`
	Delay  string `json:"delay"`
	Error  string `json:"error"`

	Dependency string `json:"dependency"`
}

// postBatch posts records in one request and returns the outcome of each, in their order.
func (w *Webhook) postBatch(ctx context.Context, deliveries []delivery) []error {
	ctx, stop := w.bound(ctx)
	defer stop()
	whole, results, err := w.exchange(ctx, stop, deliveries)
	errs := make([]error, len(deliveries))
	for i, d := range deliveries {
		v := whole
		if r, ok := results[d.id]; ok {
			v = w.resultVerdict(r)
		}
		if errs[i] = err; err == nil {
			errs[i] = w.outcome(v, d.attempt)
		}
	}
	return errs
}

// exchange makes the request and reads the answer: what it says about the whole batch and, on a 2xx, about single
// records. An error fails every record.
func (w *Webhook) exchange(ctx context.Context, stop context.CancelFunc, deliveries []delivery) (whole verdict, results map[string]batchResult, err error) {
	body, err := encodeBatch(deliveries)
	if err != nil {
		return verdict{}, nil, err
	}
	header := w.batchRequestHeader(deliveries[0])
	carryTrace(ctx, header)
	if err := w.sign(header, batchID(deliveries), body); err != nil {
		return verdict{}, nil, err
	}
	response, err := w.send(ctx, header, body)
	if err != nil {
		return verdict{}, nil, err
	}
	defer response.Body.Close()
	a := answer{url: w.name, status: response.StatusCode, header: response.Header}
	if !success(a.status) {
		a.excerpt = readExcerpt(response.Body, stop)
		return a.verdict(), nil, nil
	}
	limit := answerLimit(len(deliveries))
	text, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return verdict{}, nil, w.noAnswer(ctx, fmt.Errorf("it broke off after %d bytes: %w", len(text), err))
	case int64(len(text)) > limit:
		return verdict{}, nil, &AnswerError{URL: w.name, Problem: fmt.Sprintf("it is larger than %d bytes", limit)}
	}
	results, problem := readResults(text, response.Header.Get("Content-Type"), deliveries)
	if problem != "" {
		return verdict{}, nil, &AnswerError{URL: w.name, Problem: problem}
	}
	return a.verdict(), results, nil
}

// answerLimit bounds the answer to a batch, in bytes: a megabyte, and room for an error text for each record.
func answerLimit(records int) int64 { return 1<<20 + 4<<10*int64(records) }

// AnswerError is the error of a batch that was answered with success, but with results that cannot be read. Every
// record of the batch fails with it: a result that is not understood may be a failure.
type AnswerError struct {
	URL     string // without user, password and query
	Problem string
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf(`the answer to the batch cannot be used: %s; expected {"results":[{"id","status","action","delay","error","dependency"}]} or no body`, e.Problem) + posted(e.URL)
}

// readResults reads the answer's body. A body that is not meant as results, like the text OK, lists none.
func readResults(text []byte, contentType string, deliveries []delivery) (results map[string]batchResult, problem string) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || (text[0] != '{' && !strings.Contains(contentType, "json")) {
		return nil, ""
	}
	var body batchAnswer
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, excerpt(err.Error())
	}
	known := make(map[string]bool, len(deliveries))
	for _, d := range deliveries {
		known[d.id] = true
	}
	results = make(map[string]batchResult, len(body.Results))
	for _, r := range body.Results {
		if !known[r.ID] {
			return nil, fmt.Sprintf("it has a result for the id %q, which is not in the batch", excerpt(r.ID))
		}
		if _, dup := results[r.ID]; dup {
			return nil, fmt.Sprintf("it has two results for the id %q", excerpt(r.ID))
		}
		results[r.ID] = r
	}
	return results, ""
}

// resultVerdict reads one result. Without a status it is 500 when there is an error and 200 when there is none.
func (w *Webhook) resultVerdict(r batchResult) verdict {
	status := r.Status
	switch {
	case status == 0 && r.Error == "":
		status = http.StatusOK
	case status == 0:
		status = http.StatusInternalServerError
	}
	v := decide(r.Action, r.Delay, &StatusError{URL: w.name, Status: status, Excerpt: excerpt(r.Error)})
	v.dependency = dependencyName(r.Dependency)
	return v
}

// encodeBatch is the body of the request.
func encodeBatch(deliveries []delivery) ([]byte, error) {
	records := make([]batchRecord, len(deliveries))
	for i, d := range deliveries {
		records[i] = batchRecord{
			ID: d.id, Topic: d.topic, Partition: d.partition, Offset: d.offset,
			Key: encoded(d.key), Value: encoded(d.value), Attempt: d.attempt,
			Headers: make([]batchHeader, len(d.headers)),
		}
		if utf8.Valid(d.value) && json.Valid(d.value) {
			records[i].ValueJSON = d.value
		}
		for j, own := range d.headers {
			records[i].Headers[j] = batchHeader{Key: own.Key, Value: encoded(own.Value)}
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(records); err != nil {
		return nil, fmt.Errorf("encode a batch of %d records: %w", len(records), err)
	}
	return b.Bytes(), nil
}

func encoded(b []byte) *string {
	if b == nil {
		return nil
	}
	s := base64.StdEncoding.EncodeToString(b)
	return &s
}
