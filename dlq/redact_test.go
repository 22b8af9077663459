package dlq_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

func patterns(texts ...string) (all []*regexp.Regexp) {
	for _, text := range texts {
		all = append(all, regexp.MustCompile(text))
	}
	return all
}

func TestRedactedText(t *testing.T) {
	r := &dlq.Redaction{Text: patterns(`\b\d{16}\b`, `"iban":"([A-Z0-9]+)"`, `(a(b))c`, `x*`)}
	for in, want := range map[string]string{
		"":                                       "",
		"nothing to hide":                        "nothing to hide",
		"card 4111111111111111.":                 "card [redacted].",
		"4111111111111111 4222222222222222":      "[redacted] [redacted]",
		`{"iban":"DE89","n":1}`:                  `{"iban":"[redacted]","n":1}`,
		"groups in groups: abc":                  "groups in groups: [redacted]c",
		"\xff4111111111111111\xff is hidden not": "\xff[redacted]\xff is hidden not",
	} {
		if got := r.String(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	var none *dlq.Redaction
	if b := none.Bytes(nil); b != nil || none.Hides() || none.String("4111111111111111") != "4111111111111111" {
		t.Error("no redaction hides something")
	}
	if b := r.Bytes(nil); b != nil {
		t.Error("null is not null any more")
	}
}

// TestRedactedByWhatReadsOtherwise: a pattern that is compiled for POSIX hides what it finds, and not what its text would find else, and one with U+FFFD also the
// bytes that are no UTF-8, which it finds there.
func TestRedactedByWhatReadsOtherwise(t *testing.T) {
	for text, pattern := range map[string]*regexp.Regexp{
		"pin=1234":      regexp.MustCompilePOSIX(`pin=[0-9]+x{2}?`),
		"card=1234":     regexp.MustCompilePOSIX(`card=[0-9]{4}z+?`),
		"jos\xe9 1234":  regexp.MustCompile("jos\ufffd.*"),
		"name=caf\xff.": regexp.MustCompile("name=caf\ufffd+."),
	} {
		if got := (&dlq.Redaction{Text: []*regexp.Regexp{pattern}}).String(text); got != "[redacted]" {
			t.Errorf("%q by %q: %q", text, pattern, got)
		}
	}
}

// TestRedactedOnce: what is hidden already stays as it stands, whatever part of that a pattern finds.
func TestRedactedOnce(t *testing.T) {
	for pattern, texts := range map[string]map[string]string{
		`\w+`:        {"call me": "[redacted] [redacted]", `{"n":12}`: `{"[redacted]":"[redacted]"}`},
		`e`:          {"here": "h[redacted]r[redacted]", "[redacted]e": "[redacted][redacted]"},
		`[a-z]+. \w`: {"[redacted] b [red": "[redacted] [red"},
		`(?s)a.*`:    {"a [redacted] b": "[redacted]", "[redacted] b": "[redacted]"},
	} {
		r := &dlq.Redaction{Text: patterns(pattern)}
		for text, want := range texts {
			once := r.String(text)
			if twice := r.String(once); once != want || twice != once {
				t.Errorf("%s in %q: got %q, and then %q, want %q", pattern, text, once, twice, want)
			}
		}
	}
}

// TestRedactedEntry: nothing of what is hidden is anywhere in the entry, which is still the same entry of the same problem; the record
// that was read stays as it was.
func TestRedactedEntry(t *testing.T) {
	const secret = "4111111111111111"
	b := setup(t)
	s := death(0, 1)
	s.Error = "*pay.Error: card " + secret + " is refused"
	s.History = []retrytopics.Try{{N: 1, At: 1, Class: "permanent", Error: "card " + secret}}
	b.produce(dlq.Letter(&kgo.Record{Key: []byte(secret), Value: []byte(`{"card":"` + secret + `"}`), Headers: []kgo.RecordHeader{
		{Key: "Authorization", Value: []byte("Bearer abc")}, {Key: "note", Value: []byte("card " + secret)}, {Key: "authorization", Value: nil},
	}}, s, dead, 0))
	whole := b.entries(b.open(), dlq.Filter{})[0]
	r := &dlq.Redaction{Headers: patterns(`(?i)^authorization$`), Text: patterns(`\d{16}`)}
	hidden := r.Entry(whole)
	texts := []string{hidden.State.Error, hidden.State.History[0].Error, string(hidden.Record.Key), string(hidden.Record.Value)}
	for _, h := range hidden.Record.Headers {
		texts = append(texts, string(h.Value))
	}
	for _, text := range texts {
		if strings.Contains(text, secret) || strings.Contains(text, "Bearer") {
			t.Errorf("not hidden: %s", text)
		}
	}
	if hidden.Record.Headers[2].Value != nil {
		t.Error("a header that was null is not")
	}
	equal(t, "fingerprint", hidden.Fingerprint(), whole.Fingerprint())
	equal(t, "id", hidden.ID(), whole.ID())
	if !strings.Contains(string(whole.Record.Value), secret) || string(whole.Record.Headers[0].Value) != "Bearer abc" {
		t.Error("the entry itself was changed")
	}
}

// What is wrong with headers quotes them: nothing of what is hidden of them is shown, in whatever form, and the damaged headers of a letter of ours are hidden
// like others. What holds nothing of it is told as it is.
func TestRedactedDamage(t *testing.T) {
	t.Parallel()
	const secret = "4111111111111111"
	r := &dlq.Redaction{Headers: patterns(`^redeliver-due$`), Text: patterns(`\d{16}`, `holder "(\w+)`)}
	for _, c := range []struct{ name, header, value, want string }{
		{"matched", retrytopics.HeaderAttempt, "card " + secret, `redeliver-attempt "card [redacted]": is damaged`},
		{"nothing", retrytopics.HeaderAttempt, "card 4111", `redeliver-attempt "card 4111": want a number from 0 to 2147483647`},
		{"hidden by name", retrytopics.HeaderDue, "soon", `redeliver-due "[redacted]": is damaged`},
		{"cut off", retrytopics.HeaderAttempt, strings.Repeat("x", 56) + secret, `redeliver-attempt "[redacted]": is damaged`},
		{"behind what is told", retrytopics.HeaderAttempt, strings.Repeat("x", 80) + secret, `redeliver-attempt "[redacted]": is damaged`},
		{"quoted in what is wrong", retrytopics.HeaderCounts, `holder "jane`, `redeliver-counts "holder \"[redacted]": is damaged`},
		{"quoted further on", retrytopics.HeaderCounts, strings.Repeat("x", 60) + `,holder "jane`, `redeliver-counts "[redacted]": is damaged`},
		{"escaped", retrytopics.HeaderHistory, `{"error":"card \u0034111111111111111, which is no good for what is asked for"}`, `redeliver-history "[redacted]": is damaged`},
		{"as a number", retrytopics.HeaderHistory, `[{"n":1,"class":"transient","at":1,"error":` + secret + `}]`, `redeliver-history "[{\"n\":1,\"class\":\"transient\",\"at\":1,\"error\":\"[redacted]\"}]": is damaged`},
		{"of another program", "kafka_original-offset", "card " + secret, `kafka_original-offset "card [redacted]": is damaged`},
	} {
		record := dlq.Letter(&kgo.Record{Value: []byte("v")}, death(0, 1), dead, 0)
		if strings.HasPrefix(c.header, "kafka_") {
			record.Headers = []kgo.RecordHeader{{Key: "kafka_original-topic", Value: []byte("orders")}, {Key: "kafka_original-partition", Value: []byte{0, 0, 0, 1}}}
		}
		record.Headers = slices.DeleteFunc(record.Headers, func(h kgo.RecordHeader) bool { return h.Key == c.header })
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: c.header, Value: []byte(c.value)})
		b := setup(t)
		b.produce(record)
		whole := b.entries(b.open(), dlq.Filter{})[0]
		hidden := r.Entry(whole)
		equal(t, c.name, fmt.Sprint(hidden.Err), c.want)
		equal(t, c.name+", in the header", string(hidden.Record.Headers[len(hidden.Record.Headers)-1].Value) == c.value, c.name == "nothing")
		var damaged *retrytopics.DamagedHeaderError
		if !errors.As(hidden.Err, &damaged) || damaged.Header != c.header {
			t.Errorf("%s: the error does not name the header any more: %v", c.name, hidden.Err)
		}
	}
	missing := &retrytopics.DamagedHeaderError{Header: retrytopics.HeaderDue, Problem: "is missing or empty"}
	equal(t, "a header that is missing", r.Entry(dlq.Entry{Err: missing, Record: &kgo.Record{}}).Err.Error(), "redeliver-due: is missing or empty")
	other := errors.New("no header, but " + secret)
	equal(t, "another error", r.Entry(dlq.Entry{Err: other, Record: &kgo.Record{}}).Err.Error(), "no header, but [redacted]")
}

// Hiding merges and splits no problems, whatever it hides of their texts, and hides what a pattern finds by the numbers beside it, which are
// not in the text of a problem any more.
func TestRedactedProblems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, text := range []string{
		"holder ann, account 4711, is closed", // these three are one problem: the numbers differ
		"holder ann, account 4712, is closed",
		"holder ann, account 12, is closed",
		"holder bob, account 4711, is closed", // another one, which looks the same when the name is hidden
	} {
		s := death(0, int64(i))
		s.Error = text
		b.produce(letter(s))
	}
	r := &dlq.Redaction{Text: patterns(`holder (\w+), account \d+`)}
	stats, err := b.open().Stats(b.ctx(), dlq.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "problems", len(stats.Problems), 2)
	equal(t, "entries of the first", stats.Problems[0].Entries, 3)
	for _, p := range stats.Problems {
		equal(t, "what a pattern finds in the text of a problem", r.String(p.Error), p.Error) // the number it looks for is gone
		for _, e := range b.entries(b.open(), dlq.Filter{IDs: []string{p.Example}}) {
			hidden := r.Problem(p, &e)
			equal(t, "text", hidden.Error, "holder [redacted], account <*>, is closed")
			equal(t, "fingerprint", hidden.Fingerprint, p.Fingerprint)
		}
		equal(t, "without its example", r.Problem(p, nil).Error, dlq.Redacted)
	}
}
