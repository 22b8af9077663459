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
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A builtInRule looks at one error of a chain.
type builtInRule struct {
	// may says of a type whether the rule knows errors of it, some at least. It is asked once for each type.
	may func(reflect.Type) bool
	// find returns the class of an error. The why stands behind "built-in: " in Failure.Rule.
	find func(err error) (class Class, why string, ok bool)
}

// builtInRules in their order. What an error states comes before what its type
// suggests, the particular before the general: an errno before the operation it
// ended, a dial that timed out before any other time-out.
var builtInRules = []builtInRule{
	{either(implements[httpStatuser], implements[statusCoder], implements[httpStatusCoder]), byStatus},
	{isA[*kerr.Error], byKafkaCode},
	{hasGRPCStatus, byGRPCCode},
	{implements[sqlStater], bySQLState},
	{either(isOneOf(types), isA[*url.Error], implements[runtime.Error]), byType},
	{func(t reflect.Type) bool { return ofPackage(t) != None }, byPackage},
	{isA[syscall.Errno], byErrno},
	{isA[*net.OpError], byDial},
	{either(implements[equaler], ofTypesOf(context.DeadlineExceeded, os.ErrDeadlineExceeded, context.Canceled)), byDeadline},
	{either(implements[equaler], ofTypesOf(sentinelErrors()...)), bySentinel},
	{either(implements[equaler], ofTypesOf(fs.ErrPermission)), byPermission},
	{either(isA[*net.OpError], isA[*url.Error]), byNetworkType},
	{either(implements[timeoutError], implements[temporaryError]), byTimeout},
}

// builtIn asks the built-in rules: chain by chain, rule by rule, outside in.
func builtIn(t tree) (at int, class Class, rule string, ok bool) {
	var onStack [8]error
	var theirs [8]rules
	path, each := onStack[:0], theirs[:0]
	for i := range t {
		if !t[i].leaf {
			continue
		}
		path, each = t.chain(i, path[:0]), each[:0]
		var any rules
		for _, err := range path {
			may := rulesFor(err)
			each, any = append(each, may), any|may
		}
		for n := range builtInRules {
			if !any.has(n) {
				continue
			}
			for j, err := range path {
				if !each[j].has(n) {
					continue
				}
				if class, why, ok := builtInRules[n].find(err); ok {
					return i, class, "built-in: " + why, true
				}
			}
		}
	}
	return 0, None, "", false
}

// types are single types of the standard library.
var types = map[reflect.Type]Class{
	reflect.TypeFor[*http.MaxBytesError]():     Validation,
	reflect.TypeFor[*net.DNSError]():           Network,
	reflect.TypeFor[*net.AddrError]():          Validation,
	reflect.TypeFor[*net.ParseError]():         Validation,
	reflect.TypeFor[net.InvalidAddrError]():    Validation,
	reflect.TypeFor[net.UnknownNetworkError](): Permanent,
	reflect.TypeFor[*strconv.NumError]():       Validation,
	reflect.TypeFor[*time.ParseError]():        Validation,
	reflect.TypeFor[url.EscapeError]():         Validation,
	reflect.TypeFor[url.InvalidHostError]():    Validation,
}

func byType(err error) (Class, string, bool) {
	if e, ok := err.(*url.Error); ok {
		return Validation, "url.Error parse", e.Op == "parse"
	}
	if _, ok := err.(runtime.Error); ok {
		// A nil pointer, an index out of range: recovered from a panic.
		return System, "runtime.Error", true
	}
	class := types[reflect.TypeOf(err)]
	return class, typeName(err), class != None
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

func ofPackage(t reflect.Type) Class { return packages[pointee(t).PkgPath()] }

func byPackage(err error) (Class, string, bool) {
	class := ofPackage(reflect.TypeOf(err))
	return class, typeName(err), class != None
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

func sentinelErrors() (all []error) {
	for _, s := range sentinels {
		all = append(all, s.err)
	}
	return all
}

func bySentinel(err error) (Class, string, bool) {
	asked, asks := err.(equaler) // once, for a dozen of them
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

type (
	timeoutError   interface{ Timeout() bool }
	temporaryError interface{ Temporary() bool }
)

// byTimeout believes an error that calls itself a time-out or temporary.
func byTimeout(err error) (Class, string, bool) {
	if x, ok := err.(timeoutError); ok && x.Timeout() {
		return Transient, "Timeout()", true
	}
	if x, ok := err.(temporaryError); ok && x.Temporary() {
		return Transient, "Temporary()", true
	}
	if _, ok := err.(net.Error); ok {
		return Network, "net.Error", true
	}
	return None, "", false
}

// typeName is the type's name without the star: "json.SyntaxError".
func typeName(err error) string { return pointee(reflect.TypeOf(err)).String() }

// pointee is what a pointer points to, and else the type itself.
func pointee(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
