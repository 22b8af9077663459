package webhook

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// Webhook posts records to one address. It may be used concurrently.
type Webhook struct {
	config    Config
	url       *url.URL
	name      string // of the address, in errors
	headers   http.Header
	transport *http.Transport // nil where certificates may change
	renewing  *renewing
}

// New returns a Webhook, or all that is wrong with its configuration.
func New(c Config) (*Webhook, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Concurrency == 0 {
		c.Concurrency = 64
	}
	if c.PolicyDelay == nil {
		c.PolicyDelay = func(int) time.Duration { return time.Second }
	}
	u, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	w := &Webhook{config: c, name: display(u), headers: c.fixedHeaders(u)}
	if c.TLS != nil {
		w.renewing = &renewing{config: c, material: c.TLS}
	} else {
		w.transport = newTransport(c, nil)
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	w.url = u
	return w, nil
}

// Handler returns the handler that posts each record or, with a BatchMax above 1, each batch.
func (w *Webhook) Handler() consumer.Handler {
	if w.config.BatchMax > 1 {
		return consumer.BatchFunc(w.handleBatch, consumer.BatchOf(w.config.BatchMax, w.config.BatchWait))
	}
	return consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error {
		return w.postOne(ctx, deliveryOf(r))
	})
}

func (w *Webhook) handleBatch(ctx context.Context, b *consumer.Batch) error {
	deliveries := make([]delivery, len(b.Records))
	for i, r := range b.Records {
		deliveries[i] = deliveryOf(r)
	}
	for i, err := range w.postBatch(ctx, deliveries) {
		b.Fail(i, err)
	}
	return nil
}

// Close closes the connections that are idle. Requests in flight go on.
func (w *Webhook) Close() { w.connections().CloseIdleConnections() }

// connections returns what a new request goes through.
func (w *Webhook) connections() *http.Transport {
	if w.renewing != nil {
		return w.renewing.transport()
	}
	return w.transport
}

// postOne posts one record and returns its outcome, in the terms of a handler's error.
func (w *Webhook) postOne(ctx context.Context, d delivery) error {
	ctx, stop := w.bound(ctx)
	defer stop()
	header := w.recordHeader(d)
	carryTrace(ctx, header)
	if w.config.CloudEvents != nil {
		w.config.CloudEvents.describe(header, d)
	}
	if err := w.sign(header, d.id, d.value); err != nil {
		return err
	}
	response, err := w.send(ctx, header, d.value)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	a := answer{url: w.name, status: response.StatusCode, header: response.Header}
	a.excerpt = readExcerpt(response.Body, stop)
	return w.outcome(a.verdict(), d.attempt)
}

// bound returns the context of one request, and what ends it.
func (w *Webhook) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.config.Timeout > 0 {
		return context.WithTimeout(ctx, w.config.Timeout)
	}
	return context.WithCancel(ctx)
}

// send makes one request. An error says that there is no answer.
func (w *Webhook) send(ctx context.Context, header http.Header, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(body))
	if err != nil {
		return nil, w.noAnswer(ctx, err)
	}
	request.URL, request.Host, request.Header = w.url, w.url.Host, header
	if w.config.HTTP2 {
		sendOnce(request, body)
	}
	response, err := w.connections().RoundTrip(request)
	if err != nil {
		return nil, w.noAnswer(ctx, err)
	}
	return response, nil
}

// sendOnce keeps the transport from sending a request again, which it does with HTTP/2 where it can have the body a second time, or where
// there is none: also when the service has read the request and then refused it. What it still repeats are requests of which it wrote nothing.
func sendOnce(request *http.Request, body []byte) {
	request.GetBody = nil
	if len(body) == 0 {
		request.Body = io.NopCloser(bytes.NewReader(nil)) // one that is there, and empty
	}
}
