package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/webhook"
)

// described is an error that somebody describes, or that a dead letter tells of.
type described struct {
	text     string
	typ      string // of the innermost cause
	status   int
	grpc     string
	sqlState string
}

var (
	errorHeader   = regexp.MustCompile(`^(\*?[\pL_][\w./\[\]*-]*\.[\pL_]\w*): (.*)$`)
	leadingStatus = regexp.MustCompile(`^([1-5][0-9]{2})( |$)`)
)

// orOf fills in what redeliver-error of a dead letter says: type and text, and the status that a webhook's error begins with.
func (d described) orOf(header string) described {
	was := described{text: header}
	if m := errorHeader.FindStringSubmatch(strings.ReplaceAll(header, "\n", "\x00")); m != nil {
		was.typ, was.text = m[1], strings.ReplaceAll(m[2], "\x00", "\n")
	}
	if m := leadingStatus.FindStringSubmatch(was.text); m != nil && was.typ == typeName(&webhook.StatusError{}) {
		was.status, _ = strconv.Atoi(m[1])
	}
	if d.typ == "" {
		d.typ = was.typ
	}
	if d.status == 0 {
		d.status = was.status
	}
	d.text = was.text
	return d
}

// asError returns an error of which the rules find what is described.
func (d described) asError(after time.Duration) error {
	err := &describedError{d, after, d.standIn()}
	if d.typ == typeName(&consumer.PanicError{}) {
		return classify.Mark(err, classify.System)
	}
	return err
}

// describedError says of itself what is described.
type describedError struct {
	described
	after time.Duration
	cause error
}

func (e *describedError) Error() string { return e.text }

// Unwrap returns an error of the same type as the described one, for the built-in rules; nil where there is none.
func (e *describedError) Unwrap() error { return e.cause }

// ErrorType is the type that is described; an error of which nothing is said is one of errors.New.
func (e *describedError) ErrorType() string {
	if e.typ == "" {
		return "*errors.errorString"
	}
	return e.typ
}

func (e *describedError) HTTPStatus() int           { return e.status }
func (e *describedError) SQLState() string          { return e.sqlState }
func (e *describedError) RetryAfter() time.Duration { return e.after }
func (e *describedError) GRPCStatus() grpcStatus {
	return grpcStatus(slices.Index(classify.GRPCNames(), e.grpc) + 1) // OK, which is none, is number 0
}

// grpcStatus is a gRPC status as google.golang.org/grpc tells it.
type grpcStatus uint32

// Code returns its number.
func (s grpcStatus) Code() uint32 { return uint32(s) }

// standIns are errors of types that built-in rules know, for a description names a type and has none.
var standIns = []error{
	&net.DNSError{}, &net.OpError{Op: "read", Err: errors.New("")}, &net.AddrError{}, &net.ParseError{}, net.InvalidAddrError(""), net.UnknownNetworkError(""),
	&url.Error{Op: "Get", Err: errors.New("")}, url.EscapeError(""), url.InvalidHostError(""),
	&http.MaxBytesError{}, &strconv.NumError{Err: strconv.ErrSyntax}, &time.ParseError{},
	&json.SyntaxError{}, &json.UnmarshalTypeError{}, &json.UnsupportedTypeError{}, &xml.SyntaxError{},
	&tls.CertificateVerificationError{Err: errors.New("")}, tls.RecordHeaderError{}, tls.AlertError(0),
	x509.UnknownAuthorityError{}, x509.HostnameError{Certificate: &x509.Certificate{}}, x509.CertificateInvalidError{Cert: &x509.Certificate{}},
	context.DeadlineExceeded, os.ErrDeadlineExceeded,
	&webhook.ConnectionError{Err: errors.New("")},
}

// sentinels are errors that are known by their value; their text tells them apart.
var sentinels = []error{
	context.Canceled, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, driver.ErrBadConn, http.ErrHandlerTimeout,
	strconv.ErrSyntax, strconv.ErrRange, fs.ErrNotExist, fs.ErrPermission, errors.ErrUnsupported,
}

// standIn returns an error of the described type, nil where there is none that the built-in rules would know.
func (d described) standIn() error {
	if d.typ == typeName(syscall.Errno(0)) {
		for errno := syscall.Errno(1); errno < 134; errno++ {
			if strings.HasSuffix(d.text, errno.Error()) {
				return errno
			}
		}
	}
	for _, err := range sentinels {
		if d.typ == typeName(err) && (d.text == err.Error() || strings.HasSuffix(d.text, ": "+err.Error())) {
			return err
		}
	}
	for _, err := range standIns {
		if d.typ == typeName(err) {
			return err
		}
	}
	return nil
}
