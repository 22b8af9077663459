package dlq

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redeliver/redeliver/classify"
)

// Each line holds texts that are one problem, as it is shown.
func TestTextsOfOneProblemAreNormalizedAlike(t *testing.T) {
	for want, texts := range map[string][]string{
		"order <*> not found":                             {"order 8812 not found", "order 3fa85f64-5717-4562-b3fc-2c963f66afa6 not found", "order deadbeef not found", "order 12345678 not found", "order 0xc000123 not found", "order x7f3k9q2 not found"},
		`order "<*>" not found`:                           {`order "ORD-8812-XK" not found`, `order "42" not found`, `order "a1B2" not found`},
		"dial tcp <*>: connect: connection refused":       {"dial tcp 10.0.0.7:9092: connect: connection refused", "dial tcp [::1]:443: connect: connection refused", "dial tcp [fe80::1%eth0]:80: connect: connection refused", "dial tcp 2001:db8::17: connect: connection refused"},
		"read tcp <*>-><*>: reset":                        {"read tcp 10.1.2.3:41522->10.0.0.7:443: reset", "read tcp [::1]:1->[2001:db8::2]:443: reset"},
		"no answer after <*>":                             {"no answer after 30s", "no answer after 1m30.5s", "no answer after 300 ms", "no answer after 2 seconds", "no answer after 1.5s"},
		"expired at <*>":                                  {"expired at 2025-11-23T12:13:20Z", "expired at 2025-11-23 12:13:20.123 +0000 UTC", "expired at 2025-11-23 12:13:20.123456 +0100 CET m=+0.000123", "expired at Sun, 23 Nov 2025 12:13:20 GMT", "expired at 23/Nov/2025:12:13:20 +0000", "expired at Nov 23, 2025 3:04 PM", "expired at 1763900000000", "expired at Monday, 03-Mar-25 10:00:00 UTC", "expired at Mon Jan 2 15:04:05 2006"},
		"user <*> is unknown":                             {"user ann@example.com is unknown", "user bob.b+tag@mail.example.co.uk is unknown", "user 17 is unknown"},
		"offsets <*> are gone":                            {"offsets 3, 5, 9 are gone", "offsets 7 are gone", "offsets -1 are gone", "offsets 1,234,567 are gone"},
		"token <*> expired":                               {"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U expired"},
		"Post http://payments.internal:<*>/orders/<*>: x": {"Post http://payments.internal:8080/orders/8812: x", "Post http://payments.internal:9090/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6: x"},
		"pod payments-<*> is gone":                        {"pod payments-7f9c6d8b54-x2x1z is gone", "pod payments-6d8b547f9c-kqzvb is gone"},
		"node<*>: disk full":                              {"node17: disk full", "node3: disk full"},
		"status 404":                                      {"status 404"},
		"SQLSTATE 42P01 at line <*>":                      {"SQLSTATE 42P01 at line 17", "SQLSTATE 42P01 at line 170"},
		"pq: error code 23505 in shard <*>":               {"pq: error code 23505 in shard 3"},
		"Error 1062 (23000): Duplicate entry '<*>' for k": {"Error 1062 (23000): Duplicate entry '8812' for k", "Error 1062 (23000): Duplicate entry 'a-7' for k"},
		"it said 503 Service Unavailable after <*>":       {"it said 503 Service Unavailable after 3s", "it said 503 Service Unavailable after 17 ms"},
		"HTTP/1.1 500 from <*>":                           {"HTTP/1.1 500 from 10.0.0.1", "HTTP/1.1 500 from 10.0.0.2:80"},
		"*http2.StreamError: stream <*>":                  {"*http2.StreamError: stream 7", "*http2.StreamError: stream 19"},
		"two lines, and what is <*>":                      {"two lines,\n\tand what is  5 ", "two lines, and what is 6"},
		"Mai oder September":                              {"Mai oder September"},
		"invalid character '}' after object key":          {"invalid character '}' after object key"},
		"can't read the customer's name":                  {"can't read the customer's name"},
		`cannot parse "<*>": too long`:                    {`cannot parse "` + strings.Repeat("lorem ipsum ", 9) + `": too long`},
		"load <*>% on <*>":                                {"load 95.5% on 3fa85f64", "load 7% on 99999999"},
	} {
		for _, text := range texts {
			if got := normalize(text); got != want {
				t.Errorf("%q\n got %q\nwant %q", text, got, want)
			}
		}
	}
}

// What tells problems apart stays.
func TestDifferentProblemsStayApart(t *testing.T) {
	texts := []string{
		"status 404", "status 410", "status: 503", "code = Unavailable", "code = Internal", "errno 104", "errno 111", "exit status 1", "exit status 2",
		"SQLSTATE 23505", "SQLSTATE 23503", "ORA-00942", "ORA-01017", `{"code":17}`, `{"code":18}`, "502 Bad Gateway", "503 Service Unavailable",
		"unknown field \"amount\"", "unknown field \"customer\"", "std::bad_alloc", "de::Error", "x509: expired", "x86: expired",
		"dial tcp payments.internal:443: refused", "dial tcp stock.internal:443: refused", "utf8: bad", "utf16: bad", "int32 overflows", "int64 overflows",
		"status \"404\"", "status \"405\"",
	}
	seen := make(map[Fingerprint]string)
	for _, text := range texts {
		f := fingerprint(classify.Network, normalize(text))
		if other, is := seen[f]; is {
			t.Errorf("%q and %q are both %q", text, other, normalize(text))
		}
		seen[f] = text
	}
	one := fingerprint(classify.Network, "x")
	if other := fingerprint(classify.Transient, "x"); one == other {
		t.Error("the class does not count")
	}
}

func TestFingerprintText(t *testing.T) {
	f := fingerprint(classify.Network, "connection refused")
	got, err := ParseFingerprint(strings.ToUpper(f.String()))
	if err != nil || got != f || len(f.String()) != fingerprintLetters {
		t.Errorf("%v is read as %v: %v", f, got, err)
	}
	for _, bad := range []string{"", "abc", "abcdefg", "abcdeu", "k3-9qa", "000000"} {
		if got, err := ParseFingerprint(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
	if got := (Entry{}).Fingerprint(); got == 0 {
		t.Error("an entry without an error text has no fingerprint")
	}
}

// FuzzNormalize: any text becomes one that is bounded, valid UTF-8, on one line, and left as it is the next time.
func FuzzNormalize(f *testing.F) {
	for _, text := range []string{
		"*net.OpError: dial tcp 10.0.0.7:9092: connect: connection refused", `order "ORD-1" of 'ann' at [::1]:9092, 2025-11-23T12:13:20.5Z`, "503 Service Unavailable",
		"code: \"404\" 'a\"b1\"c'", "Nov 3 <*> Mon, 4", "\xff\x00\u2028", "-5 +3 - -1", strings.Repeat("a1 ", 900), strings.Repeat("x", 3000), "::1 :: a::b1 1::", "a@b.c1 x@y", "1 m=+1 UTC",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := normalize(text)
		if len(once) > normalizedSize || !utf8.ValidString(once) || strings.ContainsAny(once, "\n\r\t\x00") {
			t.Fatalf("%q becomes %q", text, once)
		}
		if twice := normalize(once); twice != once {
			t.Fatalf("%q\nbecomes %q\nand then %q", text, once, twice)
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	const text = `*url.Error: Post "http://payments.internal:8080/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6": dial tcp 10.0.0.7:9092: connect: connection refused`
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		normalize(text)
	}
}
