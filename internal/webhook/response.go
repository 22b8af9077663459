package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

const (
	// excerptLimit is how much of an answer's body is read for the error message, in bytes; the rest is left.
	excerptLimit = 512
	// drainLimit is how much more is read so that the connection can be used again, and drainTime for how long: what an
	// answer says after its header decides nothing.
	drainLimit = 64 << 10
	drainTime  = time.Second
	// maxRetryAfter bounds Retry-After.
	maxRetryAfter = time.Hour
)

// StatusError is the error of an answer that is no success. It carries what classification and policy read from an
// error: the status and the delay that was asked for.
type StatusError struct {
	URL     string        // without user, password and query
	Status  int           // of the answer, or of the record in a batch
	Excerpt string        // the beginning of the body, or the record's error in a batch; on one line
	Note    string        // what was wrong with the answer itself, else ""
	After   time.Duration // as Retry-After asks, at most an hour; 0: not asked
}

// Error begins with the status, which is what a narrow list of dead letters has to show.
func (e *StatusError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", e.Status)
	for _, part := range []struct{ before, text string }{{" ", http.StatusText(e.Status)}, {": ", e.Excerpt}, {"; ", e.Note}} {
		if part.text != "" {
			b.WriteString(part.before + part.text)
		}
	}
	return b.String() + posted(e.URL)
}

// posted ends the text of every error of this package.
func posted(url string) string { return " (POST " + url + ")" }

// HTTPStatus returns the status.
func (e *StatusError) HTTPStatus() int { return e.Status }

// RetryAfter returns the delay that the service asked for, 0 when it did not.
func (e *StatusError) RetryAfter() time.Duration { return e.After }

// ConnectionError is the error of a request that got no answer: no connection, or one that broke before the answer.
// It is a [net.Error], so that it is classed network, whatever the cause.
type ConnectionError struct {
	URL string // without user, password and query
	Err error
}

func (e *ConnectionError) Error() string { return "no answer: " + e.Err.Error() + posted(e.URL) }

// Unwrap returns the transport's error.
func (e *ConnectionError) Unwrap() error { return e.Err }

// Timeout returns false: a time-out before there is a connection means that there is none, and the end of the call's
// context is another error.
func (e *ConnectionError) Timeout() bool { return false }

// Temporary returns false; it makes the error a [net.Error].
func (e *ConnectionError) Temporary() bool { return false }

// noAnswer is the error of a request that the transport could not make or that ended with its context.
func (w *Webhook) noAnswer(ctx context.Context, err error) error {
	switch cause := ctx.Err(); {
	case errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w%s", cause, posted(w.name))
	case cause != nil:
		return fmt.Errorf("given up: %w%s", cause, posted(w.name))
	}
	return &ConnectionError{URL: w.name, Err: err}
}

// answer is what the service said about a record.
type answer struct {
	url     string
	status  int
	header  http.Header
	excerpt string
}

// action is what the service wants done, whatever the status.
type action string

const (
	byStatus   action = ""
	retry      action = "retry"
	snooze     action = "snooze"
	deadLetter action = "dead-letter"
	drop       action = "drop"
)

// verdict is what an answer means for its record. With action byStatus a nil err is a success.
type verdict struct {
	action action
	delay  time.Duration // asked for; 0: the policy's
	err    *StatusError

	dependency string // that failed, "": the one that the service is
}

// verdict reads the answer.
func (a answer) verdict() verdict {
	wanted := a.header.Get("Redeliver-Action")
	if wanted == "" && success(a.status) { // as nearly all: what else it says of this record is for those that are not done
		return verdict{dependency: dependencyName(a.header.Get("Redeliver-Dependency"))}
	}
	v := decide(wanted, a.header.Get("Redeliver-Delay"), &StatusError{
		URL:     a.url,
		Status:  a.status,
		Excerpt: a.excerpt,
		After:   retryAfter(a.header, time.Now()),
	})
	v.dependency = dependencyName(a.header.Get("Redeliver-Dependency"))
	return v
}

// dependencyName is the name as it is declared: nobody declares longer ones, or such as do not print.
func dependencyName(s string) string { return excerpt(strings.TrimSpace(s)) }

// decide combines the status with the action and delay that were asked for. An action that is not known fails the
// attempt even on a 2xx: the service wanted something else than success.
func decide(wanted, delay string, e *StatusError) verdict {
	v := verdict{err: e}
	switch act := action(strings.ToLower(strings.TrimSpace(wanted))); act {
	case retry, snooze, deadLetter, drop:
		v.action = act
	case byStatus:
		if success(e.Status) {
			return verdict{}
		}
	default:
		e.note("the action %q is none of retry, snooze, dead-letter, drop", excerpt(wanted))
		if success(e.Status) {
			v.action = retry
		}
	}
	if delay = strings.TrimSpace(delay); delay != "" {
		d, err := parseDelay(delay)
		if err != nil {
			e.note("the delay %q is not one like 30s", excerpt(delay))
		}
		v.delay = d
	}
	return v
}

// outcome says a verdict in the terms of a handler's error.
func (w *Webhook) outcome(v verdict, attempt int) error {
	err := w.decided(v, attempt)
	if v.dependency == "" {
		return err
	}
	return consumer.DependencyFailed(v.dependency, err)
}

func (w *Webhook) decided(v verdict, attempt int) error {
	switch v.action {
	case retry:
		if v.delay > 0 {
			return consumer.RetryAfter(v.delay, v.failure(classify.Transient))
		}
		return consumer.Retriable(v.failure(classify.Transient))
	case snooze:
		return consumer.Snooze(cmp.Or(v.delay, v.err.After, w.config.PolicyDelay(attempt)))
	case deadLetter:
		return consumer.DeadLetter(v.failure(classify.Permanent))
	case drop:
		return consumer.Drop(v.err.Error())
	}
	if v.err == nil {
		return nil
	}
	return v.err
}

// failure is the error, with the class that it has where its status means success.
func (v verdict) failure(class classify.Class) error {
	if success(v.err.Status) {
		return classify.Mark(v.err, class)
	}
	return v.err
}

func (e *StatusError) note(format string, args ...any) {
	if e.Note != "" {
		e.Note += "; "
	}
	e.Note += fmt.Sprintf(format, args...)
}

func success(status int) bool { return status >= 200 && status < 300 }

// retryAfter reads Retry-After: seconds, or a date, which is taken against the service's own clock where it tells it.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 32)
		if err != nil { // beyond any bound
			return maxRetryAfter
		}
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// parseDelay reads a duration: Go's, or days like 2d.
func parseDelay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); err != nil && ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // 65535 days are within a Duration
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	return d, nil
}

// readExcerpt reads the beginning of an answer's body for the error message, and a little more, so that the
// connection can be used again. It ends the request with stop when that takes long.
func readExcerpt(body io.Reader, stop context.CancelFunc) string {
	if body == http.NoBody {
		return ""
	}
	late := time.AfterFunc(drainTime, stop)
	defer late.Stop()
	buffer := make([]byte, excerptLimit+1)
	n, err := io.ReadFull(body, buffer)
	if err == nil {
		_, _ = io.CopyN(io.Discard, body, drainLimit) // an error only costs the connection
	}
	return excerpt(string(buffer[:n]))
}

// cutOff ends an excerpt that is not all of the text. Whoever hides parts of texts has to know: what is hidden may go on behind it.
const cutOff = "…"

// excerpt returns text of others as one line that is safe to print and to keep in a header, within excerptLimit bytes.
func excerpt(s string) string {
	if len(s) > excerptLimit {
		return printableLine(s[:excerptLimit-len(cutOff)]) + cutOff
	}
	return printableLine(s)
}

func printableLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	return strings.Join(strings.Fields(s), " ")
}
