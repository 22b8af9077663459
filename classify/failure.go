package classify

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A Failure is what is known of a failed attempt: its class, and why.
type Failure struct {
	// Class is one of the seven, or None when there was no error.
	Class Class

	// Treatment is that of the rule that decided, and of the class.
	Treatment

	// Type is the Go type of the innermost cause, as %T prints it:
	// "syscall.Errno", "*errors.errorString". Of joined causes it is the one
	// that decided.
	Type string

	// Message is the error's whole text, wrappers included, of any length.
	Message string

	// Rule says for people which rule decided: "user rule 2: match "quota"",
	// "built-in: net.DNSError", "marked system", "default".
	Rule string

	// UserRule is the number of the user's rule that decided, from 1; 0: none.
	UserRule int

	// Status is the HTTP status (100 to 599) that the error carries, 0 if none.
	Status int

	// RetryAfter is how long the error asks to wait before the next try, 0 if
	// it does not ask. It is as the error said it, without an upper bound.
	RetryAfter time.Duration
}

// Text returns "type: message" in at most limit bytes: what a person sees in
// the redeliver-error header. It is valid UTF-8 whatever the message was, and is
// cut between runes. A limit of zero or less gives "".
func (f Failure) Text(limit int) string {
	if limit <= 0 {
		return ""
	}
	text := cut(f.Message, limit) // a message may be megabytes, a header is not
	if f.Type != "" {
		text = f.Type + ": " + text
	}
	return cut(strings.ToValidUTF8(text, "\uFFFD"), limit)
}

// cut returns at most limit bytes of s, without splitting a rune.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	// A rune has at most four bytes; what has no boundary among that many is not
	// UTF-8 and can be cut anywhere.
	for end := limit; end >= 0 && limit-end < utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end]
		}
	}
	return s[:limit]
}
