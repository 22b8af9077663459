package classify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"encoding/asn1"
	"encoding/base32"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A row says what an error is and which rule must say so.
type row struct {
	name  string
	err   error
	class Class
	rule  string // without "built-in: "
	typ   string // of the innermost cause; "" not checked
}

// moreRows are those that need a build tag.
var moreRows []row

func builtInRows(t *testing.T) []row {
	dial := func(cause error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: cause} }
	get := func(cause error) error { return &url.Error{Op: "Get", URL: "http://payments/", Err: cause} }
	return append(moreRows, []row{
		// What an error states outright.
		{"an HTTP status", httpStatus(503), Transient, "HTTP status 503", "classify.httpStatus"},
		{"StatusCode() counts too", statusCode(429), RateLimited, "HTTP status 429", ""},
		{"HTTPStatusCode() counts too", httpStatusCode(401), Authentication, "HTTP status 401", ""},
		{"a status is above its cause's type", statusAnd{400, syscall.ECONNREFUSED}, Validation, "HTTP status 400", "syscall.Errno"},
		{"beside a 200 the cause decides", statusAnd{200, io.ErrUnexpectedEOF}, Network, "io.ErrUnexpectedEOF", ""},
		{"status 0 is none", statusAnd{0, syscall.ECONNREFUSED}, Network, "ECONNREFUSED", ""},
		{"a Kafka code", kerr.NotLeaderForPartition, Transient, "kafka NOT_LEADER_FOR_PARTITION", "*kerr.Error"},
		{"a gRPC code", fmt.Errorf("charge: %w", rpcError(14)), Transient, "gRPC UNAVAILABLE", "classify.rpcError"},
		{"an SQLSTATE", sqlError("40001"), Transient, "SQLSTATE 40001 (transaction rollback)", ""},

		// Types.
		{"a body too large", &http.MaxBytesError{Limit: 10}, Validation, "http.MaxBytesError", ""},
		{"DNS", get(dial(&net.DNSError{Err: "no such host", Name: "payments", IsNotFound: true})), Network, "net.DNSError", "*net.DNSError"},
		{"DNS that timed out", dial(&net.DNSError{IsTimeout: true, UnwrapErr: context.DeadlineExceeded}), Network, "net.DNSError", ""},
		{"an address", dial(&net.AddrError{Err: "missing port in address", Addr: "payments"}), Validation, "net.AddrError", ""},
		{"an address's text", &net.ParseError{Type: "IP address", Text: "1.2.3"}, Validation, "net.ParseError", ""},
		{"an invalid address", net.InvalidAddrError("x"), Validation, "net.InvalidAddrError", ""},
		{"an unknown network", dial(net.UnknownNetworkError("tpc")), Permanent, "net.UnknownNetworkError", ""},
		{"a number", failing(strconv.Atoi("seven")), Validation, "strconv.NumError", ""},
		{"a number's cause alone", fmt.Errorf("age: %w", strconv.ErrSyntax), Validation, "strconv.ErrSyntax", ""},
		{"a number's range alone", fmt.Errorf("age: %w", strconv.ErrRange), Validation, "strconv.ErrRange", ""},
		{"a time", failing(time.Parse(time.RFC3339, "tomorrow")), Validation, "time.ParseError", "*time.ParseError"},
		{"a URL", failing(url.Parse(unparsable)), Validation, "url.Error parse", ""},
		{"an escape", failing(url.QueryUnescape("%zz")), Validation, "url.EscapeError", ""},
		{"a host", url.InvalidHostError(" "), Validation, "url.InvalidHostError", ""},
		{"a runtime panic", panicOf(func() { at(nil, 9) }), System, "runtime.Error", ""},

		// Every type of a package.
		{"JSON syntax", json.Unmarshal([]byte("{"), new(any)), Validation, "json.SyntaxError", "*json.SyntaxError"},
		{"JSON type", json.Unmarshal([]byte(`"x"`), new(int)), Validation, "json.UnmarshalTypeError", ""},
		{"JSON that cannot be written", failing(json.Marshal(unwritable)), Validation, "json.UnsupportedTypeError", ""},
		{"ASN.1", failing(asn1.Unmarshal(nil, new(int))), Validation, "asn1.SyntaxError", ""},
		{"base32", failing(base32.StdEncoding.DecodeString("?")), Validation, "base32.CorruptInputError", ""},
		{"base64", failing(base64.StdEncoding.DecodeString("?")), Validation, "base64.CorruptInputError", ""},
		{"CSV", failing(csv.NewReader(strings.NewReader(`a"b`)).Read()), Validation, "csv.ParseError", ""},
		{"hex", failing(hex.DecodeString("zz")), Validation, "hex.InvalidByteError", ""},
		{"XML", xml.Unmarshal([]byte("<a"), new(struct{})), Validation, "xml.SyntaxError", ""},
		{"IP address", failing(netip.ParseAddr("1.2.3")), Validation, "netip.parseAddrError", ""},
		{"Protobuf", proto.Unmarshal([]byte{0xff}, &emptypb.Empty{}), Validation, "errors.prefixError", ""},
		{"TLS certificate", get(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), Network, "tls.CertificateVerificationError", "x509.UnknownAuthorityError"},
		{"TLS to a plain port", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, Network, "tls.RecordHeaderError", ""},
		{"TLS alert", &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, Network, "tls.AlertError", ""},
		{"x509 host name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "payments"}, Network, "x509.HostnameError", ""},

		// Connections.
		{"refused", get(dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))), Network, "ECONNREFUSED", "syscall.Errno"},
		{"no ports left", dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), System, "EADDRNOTAVAIL", ""},
		{"no file descriptors", dial(os.NewSyscallError("socket", syscall.EMFILE)), System, "EMFILE", ""},
		{"a disk that is full", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, System, "ENOSPC", ""},
		{"a dial that timed out", get(dial(context.DeadlineExceeded)), Network, "net.OpError dial", ""},
		{"a dial that a firewall forbids", dial(os.NewSyscallError("connect", syscall.EPERM)), Network, "net.OpError dial", ""},
		{"another operation", &net.OpError{Op: "read", Err: errors.New("odd")}, Network, "net.OpError read", "*errors.errorString"},
		{"HTTP without an answer", get(errors.New("http: server closed idle connection")), Network, "url.Error", ""},
		{"some other net.Error", netError{}, Network, "net.Error", "classify.netError"},
		{"closed by us", &net.OpError{Op: "read", Err: net.ErrClosed}, Network, "net.ErrClosed", ""},
		{"closed pipe", io.ErrClosedPipe, Network, "io.ErrClosedPipe", ""},
		{"closed before an answer", get(io.EOF), Network, "io.EOF", ""},
		{"cut short", fmt.Errorf("body: %w", io.ErrUnexpectedEOF), Network, "io.ErrUnexpectedEOF", ""},
		{"a database connection", driver.ErrBadConn, Network, "driver.ErrBadConn", ""},

		// Time.
		{"a deadline", fmt.Errorf("charge: %w", context.DeadlineExceeded), Transient, "context.DeadlineExceeded", "context.deadlineExceededError"},
		{"an I/O deadline", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, Transient, "os.ErrDeadlineExceeded", ""},
		{"a file's deadline", deadlineOnly{}, Transient, "os.ErrDeadlineExceeded", ""},
		{"an HTTP client's time-out", clientTimeout(t), Transient, "context.DeadlineExceeded", ""},
		{"a cancelled context", get(context.Canceled), Transient, "context.Canceled", ""},
		{"a handler's time-out", http.ErrHandlerTimeout, Transient, "http.ErrHandlerTimeout", ""},
		{"what calls itself a time-out", timeout{}, Transient, "Timeout()", ""},
		{"what calls itself temporary", temporary{}, Transient, "Temporary()", ""},

		// Files and features.
		{"a permission", &fs.PathError{Op: "open", Path: "key.pem", Err: syscall.EACCES}, Authentication, "fs.ErrPermission", ""},
		{"a permission behind a request", get(&fs.PathError{Op: "open", Path: "key.pem", Err: syscall.EACCES}), Authentication, "fs.ErrPermission", ""},
		{"a file that is not there", failing(os.ReadFile("/does/not/exist")), Permanent, "fs.ErrNotExist", "syscall.Errno"},
		{"a feature that is not there", fmt.Errorf("link: %w", syscall.ENOSYS), Permanent, "errors.ErrUnsupported", ""},
	}...)
}

// unparsable is no constant of a call, so that nobody reads it as a mistake of ours.
var unparsable = strings.Clone("http://[::1")

// unwritable has no JSON.
var unwritable any = make(chan int)

func at(s []int, i int) int { return s[i] }

func TestBuiltInRules(t *testing.T) {
	for _, tt := range builtInRows(t) {
		t.Run(tt.name, func(t *testing.T) {
			var builtInOnly *Classifier
			// A wrapper and a sentinel joined before it change nothing.
			for _, err := range []error{
				tt.err,
				fmt.Errorf("order 7: %w", tt.err),
				fmt.Errorf("%w: %w", errors.New("shop: cannot bill"), tt.err),
			} {
				got := builtInOnly.Classify(err)
				if got.Class != tt.class || got.Rule != "built-in: "+tt.rule {
					t.Errorf("%v:\ngot  %v by %q\nwant %v by %q", err, got.Class, got.Rule, tt.class, "built-in: "+tt.rule)
				}
				if tt.typ != "" && got.Type != tt.typ {
					t.Errorf("%v: innermost cause: got %s, want %s", err, got.Type, tt.typ)
				}
				if got.Message != err.Error() {
					t.Errorf("message: got %q, want %q", got.Message, err)
				}
			}
		})
	}
}

// Every rule that is a row of a table in the code has a row above, or is told
// off here by name.
func TestBuiltInRulesAllHaveARow(t *testing.T) {
	var told []string
	for _, r := range builtInRows(t) {
		told = append(told, r.rule)
	}
	for _, s := range sentinels {
		if !slices.Contains(told, s.name) {
			t.Errorf("no row for the sentinel %s", s.name)
		}
	}
	for path := range packages {
		name := path[strings.LastIndexByte(path, '/')+1:] + "."
		if path == "encoding/json/v2" || path == "encoding/json/jsontext" {
			continue // builtin_jsonv2_test.go
		}
		if !slices.ContainsFunc(told, func(rule string) bool { return strings.HasPrefix(rule, name) }) {
			t.Errorf("no row for the package %s", path)
		}
	}
}

func TestErrnos(t *testing.T) {
	want := map[Class][]syscall.Errno{
		Network: {
			syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETDOWN,
			syscall.ENETRESET, syscall.ENETUNREACH, syscall.ENOTCONN, syscall.EPIPE, syscall.ESHUTDOWN, syscall.ETIMEDOUT,
		},
		System: {
			syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EAGAIN, syscall.EBUSY, syscall.EDQUOT, syscall.EINTR, syscall.EIO, syscall.EMFILE,
			syscall.ENFILE, syscall.ENOBUFS, syscall.ENOLCK, syscall.ENOMEM, syscall.ENOSPC, syscall.EROFS, syscall.ESTALE,
		},
		Validation:     {syscall.EMSGSIZE},
		Authentication: {syscall.EACCES, syscall.EPERM},
		Permanent:      {syscall.ENOENT, syscall.ENOSYS, syscall.ENOTSUP},
	}
	var c *Classifier
	seen := 0
	for class, group := range want {
		for _, errno := range group {
			if got := c.Classify(os.NewSyscallError("x", errno)); got.Class != class {
				t.Errorf("%v: got %v by %q, want %v", errno, got.Class, got.Rule, class)
			}
			if _, ok := errnos[errno]; ok {
				seen++
			}
		}
	}
	if seen != len(errnos) {
		t.Errorf("the table has %d numbers, the test names %d of them", len(errnos), seen)
	}
}

func TestKafkaCodes(t *testing.T) {
	var c *Classifier
	for _, tt := range []struct {
		err  *kerr.Error
		want Class
	}{
		// By Kafka's own word.
		{kerr.LeaderNotAvailable, Transient},
		{kerr.NotEnoughReplicas, Transient},
		{kerr.RequestTimedOut, Transient},
		{kerr.UnsupportedVersion, Permanent},
		{kerr.TopicAlreadyExists, Permanent},
		{kerr.PolicyViolation, Permanent},
	} {
		if got := c.Classify(tt.err); got.Class != tt.want {
			t.Errorf("%s: got %v, want %v", tt.err.Message, got.Class, tt.want)
		}
	}
	// Told apart: all of these differ from Kafka's own word, or refine it.
	for class, codes := range map[Class]string{
		RateLimited:    "89",
		Network:        "8 13",
		System:         "56 57 81 133",
		Authentication: "29 30 31 33 34 53 58 61 62 63 64 65 66 93",
		Validation:     "10 12 17 18 32 37 38 40 42 87 128",
		Transient:      "-1 1 11 22 25 27 45 46 47 48 49 51 52 55 59 60 77 79 82 90 107 108 110 111 113 120 121 122 123 124 129 132",
	} {
		for _, code := range strings.Fields(codes) {
			n, err := strconv.ParseInt(code, 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			e := kerr.TypedErrorForCode(int16(n))
			got := c.Classify(fmt.Errorf("produce: %w", e))
			if want := "built-in: kafka " + e.Message; got.Class != class || got.Rule != want {
				t.Errorf("code %s: got %v by %q, want %v by %q", code, got.Class, got.Rule, class, want)
			}
		}
	}
	// No code that Kafka calls retriable is given up.
	for code := int16(-1); code < 200; code++ {
		e := kerr.TypedErrorForCode(code)
		if e != nil && e.Retriable && !c.Classify(e).Class.Retriable() {
			t.Errorf("%s: Kafka calls it retriable, we do not", e.Message)
		}
	}
}

func TestGRPCCodes(t *testing.T) {
	want := []Class{
		Transient /* OK is no failure: the default */, Transient, Transient, Validation, Transient, Permanent, Permanent, Authentication, RateLimited,
		Permanent, Transient, Validation, Permanent, Transient, Transient, Permanent, Authentication, Transient, /* unheard of */
	}
	var c *Classifier
	for code, class := range want {
		if got := c.Classify(rpcError(code)); got.Class != class {
			t.Errorf("code %d: got %v by %q, want %v", code, got.Class, got.Rule, class)
		}
	}
	for _, tt := range []struct {
		name string
		err  error
		rule string
	}{
		{"OK", rpcError(0), "default"},
		{"a code of the future", rpcError(17), "built-in: gRPC code 17"},
		{"no status", rpcNil{}, "default"},
		{"other shapes of the method", rpcOdd{}, "default"},
		{"a status without a code", rpcCodeless{}, "default"},
	} {
		if got := c.Classify(tt.err); got.Rule != tt.rule {
			t.Errorf("%s: got %q, want %q", tt.name, got.Rule, tt.rule)
		}
	}
}

func TestSQLStates(t *testing.T) {
	var c *Classifier
	for state, want := range map[string]Class{
		"03000": Transient,
		"08006": Network,
		"0A000": Permanent,
		"21000": Validation,
		"22P02": Validation,
		"23505": Validation,
		"25006": Transient,
		"26000": Transient,
		"28P01": Authentication,
		"3D000": Permanent,
		"3F000": Permanent,
		"40P01": Transient,
		"42P01": Permanent,
		"42501": Authentication,
		"44000": Validation,
		"53300": System,
		"54000": Permanent,
		"55P03": Transient,
		"57014": Transient,
		"57P04": Permanent,
		"58030": System,
		"XX000": System,
	} {
		got := c.Classify(sqlError(state))
		if got.Class != want || !strings.HasPrefix(got.Rule, "built-in: SQLSTATE "+state) {
			t.Errorf("%s: got %v by %q, want %v", state, got.Class, got.Rule, want)
		}
	}
	for _, state := range []string{"", "00000", "P0001", "4000", "400011"} {
		if got := c.Classify(sqlError(state)); got.Rule != "default" {
			t.Errorf("%q: got %v by %q, want the default", state, got.Class, got.Rule)
		}
	}
}

func TestOfStatus(t *testing.T) {
	listed := map[int]Class{
		408: Transient, 425: Transient, 429: RateLimited, 401: Authentication, 403: Authentication,
		400: Validation, 405: Validation, 409: Validation, 411: Validation, 413: Validation, 414: Validation, 415: Validation, 422: Validation,
		404: Permanent, 410: Permanent, 501: Permanent,
	}
	for code := -1; code < 700; code++ {
		want, ok := listed[code]
		switch {
		case ok:
		case code < 300 || code >= 600:
			want = None
		case code < 500:
			want = Permanent
		default:
			want = Transient
		}
		if got := OfStatus(code); got != want {
			t.Errorf("%d: got %v, want %v", code, got, want)
		}
	}
}

// failing returns the error of a call that must fail.
func failing[T any](_ T, err error) error {
	return err
}

// panicOf returns the error that f panics with.
func panicOf(f func()) (err error) {
	defer func() { err = recover().(error) }()
	f()
	return nil
}

// clientTimeout is what http.Client returns when its Timeout is over.
func clientTimeout(t *testing.T) error {
	t.Helper()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	client := &http.Client{Timeout: time.Millisecond}
	response, err := client.Get(server.URL)
	if err == nil {
		response.Body.Close()
		t.Fatal("the request was answered: it should have timed out")
	}
	return err
}

// A rule says of each type of errors that it knows that it may: else it would not be asked.
func TestRulesSayWhichTypesTheyMayKnow(t *testing.T) {
	asked := make([]int, len(builtInRules))
	for _, r := range builtInRows(t) {
		for _, node := range treeOf(r.err) {
			for n, rule := range builtInRules {
				if _, _, finds := rule.find(node.err); !finds {
					continue
				}
				if asked[n]++; !rulesFor(node.err).has(n) {
					t.Errorf("%s: rule %d knows a %T, and is not asked of it", r.name, n, node.err)
				}
			}
		}
	}
	for n, times := range asked {
		if times == 0 {
			t.Errorf("rule %d knew nothing", n)
		}
	}
}
