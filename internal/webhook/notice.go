package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// Notifier posts notices of failures to one address, each once. It may be used concurrently.
type Notifier struct {
	hook *Webhook
	log  *slog.Logger
}

// NewNotifier returns a Notifier, or all that is wrong with its configuration. URL, Headers and Timeout count; what cannot be
// posted goes to the log.
func NewNotifier(c Config, log *slog.Logger) (*Notifier, error) {
	c.BatchMax, c.Concurrency = 0, noticesAtOnce
	hook, err := New(c)
	if err != nil {
		return nil, err
	}
	if _, given := c.header("Content-Type"); !given {
		hook.headers.Set("Content-Type", "application/json")
	}
	return &Notifier{hook: hook, log: log}, nil
}

// noticesAtOnce is how many connections are kept open.
const noticesAtOnce = 2

// notice is a notice as JSON.
type notice struct {
	Pipeline   string    `json:"pipeline"`
	Dependency string    `json:"dependency"`
	Class      string    `json:"class"`
	Severity   string    `json:"severity"`
	Handling   string    `json:"handling"`
	Rule       string    `json:"rule"`
	Count      uint64    `json:"count"`
	Since      time.Time `json:"since"`
	ID         string    `json:"id"`
	Topic      string    `json:"topic"`
	Attempt    int       `json:"attempt"`
	Error      string    `json:"error"`
	Job        job       `json:"job"`
	NotBefore  time.Time `json:"not_before"` // the next of its kind
	Text       string    `json:"text"`       // all of it in a line, as chats want it
}

type job struct {
	Type    string `json:"type,omitempty"`
	User    string `json:"user,omitempty"`
	Project string `json:"project,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
}

// Tell posts a notice. It returns when that was answered, has failed, or ctx has ended.
func (n *Notifier) Tell(ctx context.Context, told consumer.Notice) {
	body, err := json.Marshal(notice{
		Pipeline: told.Pipeline, Dependency: told.Dependency, Class: told.Class.String(), Severity: told.Severity.String(),
		Handling: told.Handling.String(), Rule: told.Rule, Count: told.Count, Since: told.Since.UTC(),
		ID: told.ID, Topic: told.Topic, Attempt: told.Attempt, Error: told.Error,
		Job: job(told.Job), NotBefore: told.NotBefore.UTC(), Text: told.String(),
	})
	if err == nil {
		err = n.post(ctx, body)
	}
	if err != nil {
		var answer *StatusError
		if errors.As(err, &answer) { // what it says may be what it was told
			err = &StatusError{URL: answer.URL, Status: answer.Status}
		}
		n.log.Warn("a notice of failures could not be posted; the next one of its kind counts on", "pipeline", told.Pipeline,
			"class", told.Class, "failures", told.Count, "next_not_before", told.NotBefore, "error", err)
	}
}

func (n *Notifier) post(ctx context.Context, body []byte) error {
	ctx, stop := n.hook.bound(ctx)
	defer stop()
	response, err := n.hook.send(ctx, n.hook.headers.Clone(), body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text := readExcerpt(response.Body, stop)
	if !success(response.StatusCode) {
		return &StatusError{URL: n.hook.name, Status: response.StatusCode, Excerpt: text}
	}
	return nil
}

// Close closes the connections that are idle.
func (n *Notifier) Close() { n.hook.Close() }
