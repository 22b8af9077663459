package classify

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// A builtInRule looks at one error of a chain. The why it returns stands behind
// "built-in: " in Failure.Rule.
type builtInRule func(err error) (class Class, why string, ok bool)

// builtInRules in their order. What an error states comes before what its type
// suggests, the particular before the general: an errno before the operation it
// ended, a dial that timed out before any other time-out.
var builtInRules = []builtInRule{
	byStatus,
	byKafkaCode,
	byGRPCCode,
	bySQLState,
	byType,
	byPackage,
	byErrno,
	byDial,
	byDeadline,
	bySentinel,
	byPermission,
	byNetworkType,
	byTimeout,
}

// builtIn asks the built-in rules: chain by chain, rule by rule, outside in.
func builtIn(t tree) (at int, class Class, rule string, ok bool) {
	var onStack [8]error
	path := onStack[:0]
	for i := range t {
		if !t[i].leaf {
			continue
		}
		path = t.chain(i, path[:0])
		for _, r := range builtInRules {
			for _, err := range path {
				if class, why, ok := r(err); ok {
					return i, class, "built-in: " + why, true
				}
			}
		}
	}
	return 0, None, "", false
}

// byType knows single types of the standard library.
func byType(err error) (Class, string, bool) {
	switch e := err.(type) {
	case *http.MaxBytesError:
		return Validation, "http.MaxBytesError", true
	case *net.DNSError:
		return Network, "net.DNSError", true
	case *net.AddrError, *net.ParseError, net.InvalidAddrError:
		return Validation, typeName(err), true
	case net.UnknownNetworkError:
		return Permanent, "net.UnknownNetworkError", true
	case *strconv.NumError:
		return Validation, "strconv.NumError", true
	case *time.ParseError:
		return Validation, "time.ParseError", true
	case *url.Error:
		return Validation, "url.Error parse", e.Op == "parse"
	case url.EscapeError, url.InvalidHostError:
		return Validation, typeName(err), true
	case runtime.Error:
		// A nil pointer, an index out of range: recovered from a panic.
		return System, "runtime.Error", true
	}
	return None, "", false
}

// packages gives a class to every error type that a package defines. That
// covers what is not exported too, as the alerts of crypto/tls, and links none
// of them into a program.
var packages = map[string]Class{
	"crypto/tls":  Network,
	"crypto/x509": Network,

	"encoding/asn1":          Validation,
	"encoding/base32":        Validation,
	"encoding/base64":        Validation,
	"encoding/csv":           Validation,
	"encoding/hex":           Validation,
	"encoding/json":          Validation,
	"encoding/json/jsontext": Validation,
	"encoding/json/v2":       Validation,
	"encoding/xml":           Validation,
	"net/netip":              Validation,

	"google.golang.org/protobuf/internal/errors": Validation,
}

func byPackage(err error) (Class, string, bool) {
	class := factsOf(err).ofPackage
	if class == None {
		return None, "", false
	}
	return class, typeName(err), true
}

// facts are what the type of an error says, whatever its value: reading it by reflection for each failure is most of what the built-in
// rules take.
type facts struct {
	ofPackage Class // that the package gives to all of its errors
	grpc      bool  // it has a method GRPCStatus
}

// known are the facts of the types that were met. There are as many as a program has types of errors.
var known sync.Map // reflect.Type to facts

func factsOf(err error) facts {
	t := reflect.TypeOf(err)
	if f, met := known.Load(t); met {
		return f.(facts)
	}
	_, grpc := t.MethodByName("GRPCStatus")
	f := facts{ofPackage: packages[elem(err).PkgPath()], grpc: grpc}
	known.Store(t, f)
	return f
}

// byDial: there was no connection, for whatever reason: refused, timed out, or
// forbidden by a firewall, which looks like a permission.
func byDial(err error) (Class, string, bool) {
	op, ok := err.(*net.OpError)
	return Network, "net.OpError dial", ok && op.Op == "dial"
}

// byDeadline: a deadline passed. A cancelled context is the same to a record:
// nothing is known of it but that it did not finish.
func byDeadline(err error) (Class, string, bool) {
	switch {
	case is(err, context.DeadlineExceeded):
		return Transient, "context.DeadlineExceeded", true
	case is(err, os.ErrDeadlineExceeded):
		return Transient, "os.ErrDeadlineExceeded", true
	case is(err, context.Canceled):
		return Transient, "context.Canceled", true
	}
	return None, "", false
}

// sentinels are errors known by their value.
var sentinels = []struct {
	err   error
	name  string
	class Class
}{
	{net.ErrClosed, "net.ErrClosed", Network},
	{io.ErrClosedPipe, "io.ErrClosedPipe", Network},
	// The other side went away. (A JSON decoder that reads a value cut short
	// says the same; it is retried in vain before it is dead-lettered, where the
	// opposite mistake would give up on a record that was well.)
	{io.ErrUnexpectedEOF, "io.ErrUnexpectedEOF", Network},
	{io.EOF, "io.EOF", Network},
	{driver.ErrBadConn, "driver.ErrBadConn", Network},
	{http.ErrHandlerTimeout, "http.ErrHandlerTimeout", Transient},
	{strconv.ErrSyntax, "strconv.ErrSyntax", Validation},
	{strconv.ErrRange, "strconv.ErrRange", Validation},
	{fs.ErrNotExist, "fs.ErrNotExist", Permanent},
	{errors.ErrUnsupported, "errors.ErrUnsupported", Permanent},
}

func bySentinel(err error) (Class, string, bool) {
	asked, asks := err.(interface{ Is(error) bool }) // once, for a dozen of them
	for _, s := range sentinels {
		if err == s.err || asks && asked.Is(s.err) {
			return s.class, s.name, true
		}
	}
	return None, "", false
}

func byPermission(err error) (Class, string, bool) {
	return Authentication, "fs.ErrPermission", is(err, fs.ErrPermission)
}

// byNetworkType: an operation on a connection, or an HTTP request that got no
// answer, failed for a reason that no rule above knows.
func byNetworkType(err error) (Class, string, bool) {
	switch e := err.(type) {
	case *net.OpError:
		return Network, "net.OpError " + e.Op, !e.Timeout()
	case *url.Error:
		return Network, "url.Error", !e.Timeout()
	}
	return None, "", false
}

// byTimeout believes an error that calls itself a time-out or temporary.
func byTimeout(err error) (Class, string, bool) {
	if x, ok := err.(interface{ Timeout() bool }); ok && x.Timeout() {
		return Transient, "Timeout()", true
	}
	if x, ok := err.(interface{ Temporary() bool }); ok && x.Temporary() {
		return Transient, "Temporary()", true
	}
	if _, ok := err.(net.Error); ok {
		return Network, "net.Error", true
	}
	return None, "", false
}

// typeName is the type's name without the star: "json.SyntaxError".
func typeName(err error) string {
	return elem(err).String()
}

func elem(err error) reflect.Type {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
