package classify_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redeliver/redeliver/classify"
)

func TestFailureText(t *testing.T) {
	for _, tt := range []struct {
		name         string
		typ, message string
		limit        int
		want         string
	}{
		{"whole", "syscall.Errno", "connection refused", 1024, "syscall.Errno: connection refused"},
		{"exactly", "E", "abc", 6, "E: abc"},
		{"cut", "E", "abc", 5, "E: ab"},
		{"cut in the type", "syscall.Errno", "refused", 3, "sys"},
		{"nothing", "E", "abc", 0, ""},
		{"less than nothing", "E", "abc", -1, ""},
		{"a rune is not split", "E", "grün", 6, "E: gr"},
		{"a rune that just fits", "E", "grün", 7, "E: grü"},
		{"four bytes are not split", "E", "😀😀", 10, "E: 😀"},
		{"what is no UTF-8 is replaced", "E", "a\xffb", 1024, "E: a\uFFFDb"},
		{"and the replacement still fits", "E", "\xff\xff", 6, "E: \uFFFD"},
		{"only continuation bytes", "E", strings.Repeat("\x80", 9), 6, "E: \uFFFD"},
		{"a replacement that does not fit", "", "\xef", 1, ""},
		{"no type", "", "abc", 2, "ab"},
	} {
		f := classify.Failure{Type: tt.typ, Message: tt.message}
		if got := f.Text(tt.limit); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzFailureText(f *testing.F) {
	f.Add("syscall.Errno", "connection refused", 1024)
	f.Add("E", "gr\u00fcn \U0001F600", 7)
	f.Add("", "\x80\x80\xff\xf0\x9f", 3)
	f.Fuzz(func(t *testing.T, typ, message string, limit int) {
		limit %= 2048
		got := classify.Failure{Type: typ, Message: message}.Text(limit)
		if len(got) > max(limit, 0) {
			t.Fatalf("%d bytes, limit %d: %q", len(got), limit, got)
		}
		if !utf8.ValidString(got) {
			t.Fatalf("not UTF-8: %q", got)
		}
		whole := typ + ": " + message
		if typ == "" {
			whole = message
		}
		if !utf8.ValidString(whole) {
			return
		}
		if !strings.HasPrefix(whole, got) {
			t.Fatalf("%q is not how %q begins", got, whole)
		}
		if limit > 0 && len(got) < min(len(whole), limit-utf8.UTFMax+1) {
			t.Fatalf("cut more than a rune: %d of %d bytes, limit %d", len(got), len(whole), limit)
		}
	})
}
