package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client talks to a [Server]. It may be used concurrently.
type Client struct {
	base  string
	user  string
	token string
	http  http.Client
}

const (
	// clientTimeout bounds one request of the client.
	clientTimeout = 10 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 64 << 20
)

// NewClient returns a client of the server at address: a URL, or host:port. user is who makes changes, for the log.
func NewClient(address, user string) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("the address of the process is %q: give one like http://127.0.0.1:8080", address)
	}
	return &Client{
		base: u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/"),
		user: user,
		http: http.Client{
			Timeout:       clientTimeout,
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// With returns a client that shows a token, where there is one, and speaks TLS as the configuration says; nil is the system's.
func (c *Client) With(token string, config *tls.Config) *Client {
	other := *c
	other.token = token
	other.http.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}
	return &other
}

// UnreachableError says that nobody answered as a Redeliver process does.
type UnreachableError struct {
	URL string
	Err error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no redeliver process answers at %s: %v", e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// RefusedError says that the process answered, and why it did not do what it was asked.
type RefusedError struct {
	Status  int
	Message string
}

func (e *RefusedError) Error() string { return e.Message }

// URL is the address of the process.
func (c *Client) URL() string { return c.base }

// Status returns how the pipelines of the process are. An error of it and of all that follow is an *UnreachableError
// or a *RefusedError.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/api/v1/status", nil, &s)
}

// Breakers returns the breakers of the process.
func (c *Client) Breakers(ctx context.Context) (b []BreakerStatus, err error) {
	return b, c.do(ctx, http.MethodGet, "/api/v1/breakers", nil, &b)
}

// BreakerEvents returns the last changes of a breaker's state, oldest first.
func (c *Client) BreakerEvents(ctx context.Context, name string) (all []BreakerEvent, err error) {
	return all, c.do(ctx, http.MethodGet, "/api/v1/breakers/"+url.PathEscape(name)+"/events", nil, &all)
}

// Breaker changes a breaker: action is open, close, metrics-only or auto. It returns what the process says about it.
func (c *Client) Breaker(ctx context.Context, name, action string) (message string, err error) {
	return c.change(ctx, "/api/v1/breakers/"+url.PathEscape(name)+"/"+action, struct{}{})
}

// Pause pauses a pipeline.
func (c *Client) Pause(ctx context.Context, pipeline string) (message string, err error) {
	return c.change(ctx, "/api/v1/pipelines/"+url.PathEscape(pipeline)+"/pause", struct{}{})
}

// Resume lets a pipeline go on; admit above 0 lets so many dead letters through before it may hold again.
func (c *Client) Resume(ctx context.Context, pipeline string, admit int) (message string, err error) {
	path := "/api/v1/pipelines/" + url.PathEscape(pipeline) + "/resume"
	if admit > 0 {
		path += "?admit=" + strconv.Itoa(admit)
	}
	return c.change(ctx, path, struct{}{})
}

// Skip settles one record.
func (c *Client) Skip(ctx context.Context, s Skip) (message string, err error) {
	return c.change(ctx, "/api/v1/skip", s)
}

// Release hands a held record, or all of a pipeline, to the handler again.
func (c *Client) Release(ctx context.Context, r Release) (message string, err error) {
	return c.change(ctx, "/api/v1/release", r)
}

func (c *Client) change(ctx context.Context, path string, body any) (string, error) {
	var done Done
	err := c.do(ctx, http.MethodPost, path, body, &done)
	return done.Message, err
}

func (c *Client) do(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(userHeader, c.user)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if err != nil {
		var wrapped *url.Error // says method and URL once more
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return &UnreachableError{URL: c.base, Err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return &UnreachableError{URL: c.base, Err: err}
	}
	return c.read(response.StatusCode, text, into)
}

// read takes an answer apart. What is not JSON as the server writes it comes from somebody else at that address.
func (c *Client) read(status int, text []byte, into any) error {
	if status == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			return &UnreachableError{URL: c.base, Err: fmt.Errorf("another program answers: %w", err)}
		}
		return nil
	}
	var failed Failed
	if err := json.Unmarshal(text, &failed); err != nil || failed.Error == "" {
		return &UnreachableError{URL: c.base, Err: fmt.Errorf("another program answers, with status %d", status)}
	}
	return &RefusedError{Status: status, Message: printable(failed.Error)}
}
