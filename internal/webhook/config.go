package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/redeliver/redeliver/internal/certs"
)

// Config says where records are posted and how.
type Config struct {
	// BatchMax is how many records one request carries at most. Defaults to 1: the body is the record's value as it is.
	// Above 1 the body is a JSON array, see the contract's section on handlers.
	BatchMax int
	// CloudEvents describes records as events, in the binary mode of CloudEvents over HTTP. Not with a BatchMax above 1. Defaults to none.
	CloudEvents *CloudEvents
	// BatchWait is how long the first record of a batch waits for others. Defaults to 0: what is there already.
	BatchWait time.Duration
	// Concurrency is how many requests are in flight at most; as many connections are kept open. Defaults to 64.
	Concurrency int
	// Headers are sent with every request, over the defaults for Content-Type and User-Agent. Those that Redeliver or
	// HTTP itself sets are refused. Defaults to none.
	Headers map[string]string
	// HTTP2 speaks HTTP/2 with a service that has it, over TLS, and HTTP/1.1 with others. One connection then carries many requests, and takes
	// all of them with it when it breaks. Defaults to false: HTTP/1.1 only.
	HTTP2 bool
	// Proxy is the URL of the proxy, http, https or socks5. Defaults to that of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
	Proxy string
	// Secrets returns what requests are signed with, see [Secret]; asked at each request. The first is for who knows the newest one only, and
	// all are signed with, so that one may follow another. nil: requests are not signed.
	Secrets func() ([]Secret, error)
	// ServerName is the name that the service's certificate is checked for. Defaults to the host of the URL.
	ServerName string
	// TLS are the authorities that the service's certificate is checked by, and the certificate of this client. Files that change are
	// read again. Defaults to the system's authorities and no certificate.
	TLS *certs.Material
	// PolicyDelay returns the delay of the policy after the given attempt. A snooze without a delay of its own takes
	// it. Defaults to one second.
	PolicyDelay func(attempt int) time.Duration
	// Timeout bounds one request, from connecting to the end of the answer. The context of the call bounds it too.
	// Defaults to none.
	Timeout time.Duration
	// URL is where records are posted: http or https, with a host. User and password in it become basic
	// authentication; neither they nor the query appear in errors. Required.
	URL string
}

// ownHeaders are set by this package, from the record.
var ownHeaders = map[string]bool{
	"Idempotency-Key": true,
	"Traceparent":     true,
	"Tracestate":      true,
	// It would make the transport send requests again by itself, see idempotencyKey.
	"X-Idempotency-Key": true,
	// Of signatures.
	"Webhook-Id":        true,
	"Webhook-Timestamp": true,
	"Webhook-Signature": true,
}

// transportHeaders are set by HTTP itself.
var transportHeaders = map[string]bool{
	"Connection":        true,
	"Content-Length":    true,
	"Expect":            true,
	"Host":              true,
	"Keep-Alive":        true,
	"Te":                true,
	"Trailer":           true,
	"Transfer-Encoding": true,
	"Upgrade":           true,
}

// Validate returns what is wrong with the configuration, all of it at once, each error naming its field.
func (c Config) Validate() error {
	_, err := parseURL(c.URL)
	errs := []error{err}
	if c.BatchMax < 0 {
		errs = append(errs, fmt.Errorf("batch.max is %d: give 1 or more", c.BatchMax))
	}
	if c.BatchWait < 0 {
		errs = append(errs, fmt.Errorf("batch wait is %v: give 0 or more", c.BatchWait))
	}
	if c.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("concurrency is %d: give 1 or more", c.Concurrency))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout is %v: give 0 (none) or more", c.Timeout))
	}
	if c.Proxy != "" {
		if u, err := url.Parse(c.Proxy); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
			errs = append(errs, errors.New("proxy is no URL of a proxy: it must begin with http://, https:// or socks5:// and name a host"))
		}
	}
	if c.CloudEvents != nil && c.BatchMax > 1 {
		errs = append(errs, errors.New("cloudevents describes one record: leave out batch.max"))
	}
	for name, value := range c.Headers {
		errs = append(errs, validateHeader(name, value))
	}
	return errors.Join(errs...)
}

func validateHeader(name, value string) error {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case !legalName(name):
		return fmt.Errorf("headers: %q is no legal name of an HTTP header", name)
	case !legalValue(value):
		return fmt.Errorf("headers: the value of %s has a control character", name)
	case ownHeaders[canonical] || strings.HasPrefix(canonical, "Redeliver-") || strings.HasPrefix(canonical, kafkaHeader):
		return fmt.Errorf("headers: %s is set by Redeliver from the record: choose another name", name)
	case transportHeaders[canonical]:
		return fmt.Errorf("headers: %s is set by HTTP itself: leave it out", name)
	}
	return nil
}

func parseURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("url is missing: give the address that records are posted to, like http://127.0.0.1:9000/orders")
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The error of net/url quotes the whole address, with its password.
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, fmt.Errorf("url cannot be read: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("url is %q: it must begin with http:// or https:// and name a host", display(u))
	}
	return u, nil
}

// display is the address as errors show it: without user, password, query and fragment, which may be secrets.
func display(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque}
	return shown.String()
}

// fixedHeaders are those of every request: the defaults, the configured ones and the authentication out of the URL.
func (c Config) fixedHeaders(u *url.URL) http.Header {
	h := http.Header{
		"Content-Type": {"application/octet-stream"},
		"User-Agent":   {"redeliver"},
	}
	if c.BatchMax > 1 {
		h.Set("Content-Type", "application/json")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		r := http.Request{Header: h}
		r.SetBasicAuth(u.User.Username(), password)
	}
	for name, value := range c.Headers {
		h.Set(name, value)
	}
	return h
}

// header returns the configured value of a header, and whether there is one.
func (c Config) header(canonical string) (string, bool) {
	for name, value := range c.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == canonical {
			return value, true
		}
	}
	return "", false
}
