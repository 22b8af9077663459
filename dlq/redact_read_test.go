package dlq_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// What is hidden of JSON is what the patterns match of it as it is written, and as somebody reads it.
func TestRedactedJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, pattern, in, want string }{
		{"a letter that is escaped", `\d{16}`, `{"card":"\u0034111111111111111","n":1}`, `{"card":"[redacted]","n":1}`},
		{"all letters escaped", `abc`, `["\u0061\u0062\u0063!"]`, `["[redacted]!"]`},
		{"an escape in the middle", `a/b`, `{"path":"a\/b"}`, `{"path":"[redacted]"}`},
		{"an escape in the name", `"holder":"([^"]+)"`, `{"hol\u0064er":"jane"}`, `{"hol\u0064er":"[redacted]"}`},
		{"a quote in the value", `"holder":"([^"]+)"`, `{"holder":"jane \"j\" roe","n":1}`, `{"holder":"[redacted]","n":1}`},
		{"two halves of a letter", "😀x", `["\ud83d\ude00x"]`, `["[redacted]"]`},
		{"half a letter", "x", `["\ud83dx"]`, `["\ud83d[redacted]"]`},
		{"control characters", "a\tb\nc", `["a\tb\nc\r\b\f"]`, `["[redacted]\r\b\f"]`},
		{"blanks that are not in the pattern", `"holder":"([^"]+)"`, "{ \"holder\" :\t\"jane\" }", "{ \"holder\" :\t\"[redacted]\" }"},
		{"blanks that are shown", `"holder": "([^"]+)"`, `{"holder":"jane"}`, `{"holder":"[redacted]"}`},
		{"lines that are shown", `"a": 1,\n    "pin": (\d+)`, `{"of":{"a":1,"pin":77},"none":{},"pin":88}`, `{"of":{"a":1,"pin":"[redacted]"},"none":{},"pin":88}`},
		{"all of a string", `^\d{4}$`, `{"pin":"0411","card":"04110411"}`, `{"pin":"[redacted]","card":"04110411"}`},
		{"a document in a string", `"pin":(\d+)`, `{"body":"{\"pin\":4711,\"n\":1}"}`, `{"body":"{\"pin\":\"[redacted]\",\"n\":1}"}`},
		{"two deep", `"pin":"(\w+)"`, `["[\"{\\\"pin\\\":\\\"ab\\u0063\\\"}\"]"]`, `["[\"{\\\"pin\\\":\\\"[redacted]\\\"}\"]"]`},
		{"a string alone", `secret`, `"\u0073ecret"`, `"[redacted]"`},
		{"what a pattern says of escapes", `\\u0034(1+)`, `{"card":"\u0034111"}`, `{"card":"\u0034[redacted]"}`},
		{"behind the number of a schema", `\d{4}`, "\x00\x00\x00\x00\x07" + `{"pin":"\u0034711"}`, "\x00\x00\x00\x00\x07" + `{"pin":"[redacted]"}`},
		{"a part of a number", `4\d{3}`, `{"pin": 14711 ,"n":[4711,-4711.5]}`, `{"pin": "[redacted]" ,"n":["[redacted]","[redacted]"]}`},
		{"a number in a document in a document", `4711`, `["{\"a\":\"[4711]\"}"]`, `["{\"a\":\"[\\\"[redacted]\\\"]\"}"]`},
		{"more than a number", `"pin":4711`, `{"pin":4711,"n":1}`, `{[redacted],"n":1}`},
		{"a number and what overlaps it", `4711|:47`, `{"pin":4711}`, `{"pin"[redacted]}`},
		{"behind a mark of the order of bytes", `secret`, "\ufeff" + `{"a":"\u0073ecret"}`, "\ufeff" + `{"a":"[redacted]"}`},
		{"one behind the other", `secret`, `{"a":"\u0073ecret"}` + "\n7 " + `["secre\u0074"] "secre\u0074" secret`, `{"a":"[redacted]"}` + "\n7 " + `["[redacted]"] "[redacted]" [redacted]`},
		{"behind a number", `secret`, `1 null true {"a":"\u0073ecret"}`, `1 null true {"a":"[redacted]"}`},
		{"a number alone", `47`, `4711`, `[redacted]11`},
		{"up to what is none", `secret`, `{"a":"\u0073ecret"} oops {"a":"\u0073ecret"}`, `{"a":"[redacted]"} oops {"a":"\u0073ecret"}`},
		{"what is no JSON is read as it is", `4711`, `{"pin":"4\u003711",}`, `{"pin":"4\u003711",}`},
		{"nothing", `4711`, `{"a":"\n","b":[1,{}],"c":[]}`, `{"a":"\n","b":[1,{}],"c":[]}`},
	} {
		r := &dlq.Redaction{Text: patterns(c.pattern)}
		if got := string(r.Bytes([]byte(c.in))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for in, want := range map[string]string{
		encoded(`{"pin":"4\u003711"}`): dlq.Redacted, encoded(`{"pin":"4711"}`): dlq.Redacted, encoded(`{"pin":"4\u003712"}`): encoded(`{"pin":"4\u003712"}`),
	} {
		equal(t, "bytes in a decoded document", string((&dlq.Redaction{Text: patterns(`4711`)}).Decoded([]byte(`{"body":"`+in+`"}`))), `{"body":"`+want+`"}`)
	}
	both := &dlq.Redaction{Text: patterns(`holder`, `"holder":"([^"]+)"`, `jane roe`)}
	equal(t, "what two patterns hide", both.String(`{"holder":"jane"} jane roe`), `{"[redacted]":"[redacted]"} [redacted]`)
}

// Wherever a text is cut off, nothing of what would have been hidden of the whole is shown.
func TestRedactedBeginning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, before, secret, after string }{
		{`\d{16}`, "card ", "4111111111111111", " is refused"},
		{`\b\d{16}\b`, "card ", "4111111111111111", " is refused"},
		{`"holder":"([^"]+)"`, `refused: {"holder":"`, "JANE RÖE", `"}`},
		{`(?i)password[=:] *(\S+)`, "login PassWord=  ", "geheim", " failed"},
		{`(?:AB|CD){2,4}(?:x|yz)*Q`, "a b ", "ABCDABxyzyzQ", " c"},
		{`S{3}T{0}U{2,}`, "to ", "SSSUUUU", " c"},
		{`(?s)BEGIN.*?END`, "key ", "BEGIN\nMIIC\nEND", " is bad"},
		{`(?m)^Bearer \w+$`, "token\n", "Bearer XYZXYZ", "\nis bad"},
		{`\BXX\B`, "eX", "XX", "Xx"},
		{`[A-Z]{2}\d{2}[A-Z0-9]{10,30}`, "iban ", "DE89370400440532013000", ", no"},
	} {
		r := &dlq.Redaction{Text: patterns(c.pattern)}
		whole := c.before + c.secret + c.after
		if !r.Text[0].MatchString(whole) {
			t.Fatalf("%s matches nothing", c.pattern)
		}
		for end := range whole {
			shown := r.Beginning(whole[:end])
			kept := strings.TrimSuffix(strings.ReplaceAll(shown, dlq.Redacted, ""), c.after[:max(0, end-len(c.before)-len(c.secret))])
			if strings.ContainsAny(strings.TrimPrefix(kept, c.before), c.secret) && !strings.HasPrefix(c.before, kept) {
				t.Errorf("%s: of %q there is shown %q", c.pattern, whole[:end], shown)
			}
		}
	}
	r := &dlq.Redaction{Text: patterns(`\d{16}`, `(?:(?:a{30}){30}){1}`, `(?i)secret=(\w+)`)}
	for in, want := range map[string]string{
		"": "", "timeout": "timeout", "status 503": "status [redacted]", "not so SECR": "not so [redacted]", "4 of 5 secrets are known.": "4 of 5 secrets are known.",
	} {
		equal(t, in, r.Beginning(in), want)
	}
}

// A text of which too much was written ends somewhere, and shows nothing of what goes on behind its end; one that is whole shows all.
func TestRedactedErrorThatIsCut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cuts := func(n int64, length int, change func(*retrytopics.State)) {
		s := death(0, n)
		s.Error = strings.Repeat("x", length-len(`, holder "jane roe", 12 `)) + `, holder "jane roe", 12 years` + strings.Repeat(" more", 100)
		s.History = []retrytopics.Try{{N: 1, At: 1, Class: "permanent", Error: strings.Repeat("y", 241) + `, holder "jane roe"`}}
		if change != nil {
			change(&s)
		}
		b.produce(dlq.Letter(&kgo.Record{Value: []byte("v")}, s, dead, retrytopics.MinHeaderLimit))
	}
	cuts(0, retrytopics.MaxErrorSize+12, nil)
	cuts(1, retrytopics.MaxErrorSize+5, func(s *retrytopics.State) { s.Error = "\xff\xff\xff\xff\xff\xff\xff" + s.Error })
	for i := range int64(40) { // somewhere the header ends within the name
		cuts(2+i, 900+int(i), func(s *retrytopics.State) {
			s.History, s.Group, s.Replay = nil, strings.Repeat("g", 249), strings.Repeat("r", 40)
			s.ID, s.Dependency = fmt.Sprint(100+i, strings.Repeat("i", 700)), strings.Repeat("d", 128)
		})
	}
	r := &dlq.Redaction{Text: patterns(`holder "([^"]+)"`)}
	cut := 0
	for _, e := range b.entries(b.open(), dlq.Filter{}) {
		hidden := r.Entry(e)
		texts := hidden.State.Error + fmt.Sprint(hidden.State.History)
		for _, h := range hidden.Record.Headers {
			texts += string(h.Value)
		}
		if strings.Contains(texts, `"j`) {
			t.Errorf("%s shows %s", e.ID(), texts)
		}
		if strings.HasSuffix(hidden.State.Error, dlq.Redacted) {
			cut++
		}
	}
	if cut < 10 {
		t.Errorf("%d errors ended within what is hidden: this test tests nothing", cut)
	}
	s := death(0, 100)
	s.Error = `it ends with holder "`
	equal(t, "a text that was not cut", r.Entry(dlq.Entry{State: s, Record: &kgo.Record{}}).State.Error, s.Error)
}

// What another text holds of one that was cut off shows nothing of what goes on behind that either.
func TestRedactedAnswerThatIsCut(t *testing.T) {
	t.Parallel()
	r := &dlq.Redaction{Text: patterns(`holder "([^"]+)"`)}
	much := strings.Repeat("x", 500)
	for in, want := range map[string]string{
		`422: no holder "jane r… (POST http://a/)`:                     `422: no [redacted]… (POST http://a/)`,
		`422: no holder… or h…`:                                        `422: no [redacted]… or [redacted]…`,
		`422: no holder "jane roe", and s…`:                            `422: no holder "[redacted]", and s…`,
		`422: ` + much + ` holder "jane r (POST http://a/)`:            `422: ` + much + ` [redacted] (POST http://a/)`,
		`422: all of holder "jane roe is no name (POST http://a/)`:     `422: all of holder "jane roe is no name (POST http://a/)`,
		`422: all of it ` + much + ` is of no holder (POST http://a/)`: `422: all of it ` + much + ` is of no [redacted] (POST http://a/)`,
	} {
		equal(t, "why", r.Why(in), want)
		s := death(0, 1)
		s.Error = in
		s.History = []retrytopics.Try{{Error: in}}
		e := r.Entry(dlq.Entry{State: s, Record: &kgo.Record{}})
		equal(t, "error", e.State.Error, want)
		if strings.Contains(in, "…") {
			equal(t, "of an earlier attempt", e.State.History[0].Error, want)
		}
	}
}

// The copies of a text that other programs read show no more of it than it does itself.
func TestRedactedDialects(t *testing.T) {
	t.Parallel()
	r := &dlq.Redaction{Text: patterns(`holder "([^"]+)"`, `\d{16}`)}
	shown := func(record *kgo.Record) (texts map[string]string) {
		texts = make(map[string]string)
		for _, h := range r.Entry(dlq.Entry{Record: record, State: death(0, 1)}).Record.Headers {
			if _, is := retrytopics.ErrorHeader(h.Key); is {
				texts[h.Key] = string(h.Value)
			}
		}
		return texts
	}
	written := func(text string) *kgo.Record {
		s := death(0, 1)
		s.Error = text
		return dlq.Letter(&kgo.Record{Value: []byte("v")}, s, dead, 0, retrytopics.WrittenDialects()...)
	}
	for _, class := range []string{"", "*pay.Error: ", "*" + strings.Repeat("long", 100) + ".Error: ", "*\xff\xff\xff\xff\xff\xff\xff\xff\xff.Error: "} {
		for _, size := range []int{0, 1, 2, 3, 9, 12} { // of what is left of the end
			end := `holder "jane roe", 12 years`
			text := class + strings.Repeat("é", (retrytopics.MaxErrorSize-len(class))/2-20) + " "
			text += strings.Repeat("x", retrytopics.MaxErrorSize-len(text)-len(`holder "`)-size) + end
			texts := shown(written(text))
			if len(texts) != 4 {
				t.Errorf("there are %d copies of the text", len(texts))
			}
			for name, got := range texts {
				if strings.Contains(got, `"j`) || !strings.HasSuffix(got, dlq.Redacted) && !strings.HasSuffix(got, `holder "`) && !strings.HasSuffix(got, `"[redacted]", `) {
					t.Errorf("%.12q and %d letters: %s shows …%s", class, size, name, got[max(0, len(got)-30):])
				}
			}
		}
	}
	answer := `422: no holder "jane r… (POST http://a/)`
	for name, got := range shown(written("*pay.Error: " + answer)) {
		equal(t, "an answer in "+name, strings.TrimPrefix(got, "*pay.Error: "), `422: no [redacted]… (POST http://a/)`)
	}
	equal(t, "a header of itself", string(r.Header(kgo.RecordHeader{Key: "dead-letter-reason", Value: []byte(`no holder "jan`)}).Value), "no [redacted]")
	foreign := `java.lang.Error: holder "`
	for _, length := range []int{0, 1000 - len(foreign), retrytopics.MaxErrorSize + 1 - len(foreign), 5000} { // that nobody cut
		text := strings.Repeat("x", length) + foreign
		headers := []kgo.RecordHeader{{Key: "kafka_exception-fqcn", Value: []byte("java.lang.Error")}}
		for _, name := range []string{
			"kafka_exception-stacktrace", "kafka_exception-message", "kafka_dlt-exception-message", "dead-letter-cause", "__dlq.errors.message", "__connect.errors.exception.message",
		} {
			if name != "kafka_exception-message" || length != 1000-len(foreign) { // with its type it is as long as a text that may have been cut
				headers = append(headers, kgo.RecordHeader{Key: name, Value: []byte(text)})
			}
		}
		for name, got := range shown(&kgo.Record{Headers: headers}) {
			equal(t, fmt.Sprint(name, " of ", len(text)), got, text)
		}
	}
	note := kgo.RecordHeader{Key: "note", Value: []byte(strings.Repeat("x", retrytopics.MaxErrorSize-8) + ` holder "`)}
	equal(t, "another header", string(r.Header(note).Value), string(note.Value))
}

// What a mark says of an edit is quoted, and cut off where it is long.
func TestRedactedEdit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters(3)
	r := &dlq.Redaction{Headers: patterns(`^token$`), Text: patterns(`"holder":"([^"]+)"`)}
	edits := []dlq.Replay{
		{SetHeaders: []kgo.RecordHeader{{Key: "body", Value: []byte(`{"holder":"jane roe"}`)}, {Key: "token", Value: []byte("jane")}, {Key: "n", Value: []byte("1")}}, SetKey: []byte(`{"holder":"jane"}`)},
		{SetHeaders: []kgo.RecordHeader{{Key: "body", Value: []byte(strings.Repeat("z", 985) + `{"holder":"jane roe"}`)}}},
		{SetHeaders: []kgo.RecordHeader{{Key: "plain", Value: []byte("kept")}}},
	}
	var shown []string
	for i, edit := range edits {
		edit.Filter.IDs = []string{fmt.Sprintf("%d-0", i)}
		b.replay(b.open(), edit)
		e := b.entries(b.open(), dlq.Filter{IDs: edit.Filter.IDs, All: true})[0]
		if !strings.Contains(e.Mark.Edit, "jan") && i < 2 {
			t.Fatalf("the mark does not say jane: %s", e.Mark.Edit)
		}
		shown = append(shown, r.Entry(e).Mark.Edit)
		if strings.Contains(shown[i], "jan") {
			t.Errorf("it is shown that %s", shown[i])
		}
	}
	equal(t, "the first", shown[0], `set header body="{\"holder\":\"[redacted]\"}", set header token=[redacted], set header n="1", set key "{\"holder\":\"[redacted]\"}"`)
	equal(t, "the last", shown[2], `set header plain="kept"`)
}

// Many documents with something to hide in each are gone through once: to look at all of it for each of them would take minutes.
func TestRedactedManyDocuments(t *testing.T) {
	t.Parallel()
	const documents = 300_000
	r := &dlq.Redaction{Text: patterns(`4111`)}
	equal(t, "hidden", r.String(strings.Repeat(`{"c":4111}`, documents)) == strings.Repeat(`{"c":"[redacted]"}`, documents), true)
}

// TestDeeplyNestedPayloadsTakeLittle: some KiB of brackets, which would be gigabytes as they are laid out for people, are read, and hidden in, like
// any others.
func TestDeeplyNestedPayloadsTakeLittle(t *testing.T) {
	r := &dlq.Redaction{Text: []*regexp.Regexp{regexp.MustCompile(`\d{16}`)}}
	for _, depth := range []int{1000, 9000} {
		payload := []byte(strings.Repeat("[", depth) + `"4111\u003111111111111"` + strings.Repeat(",0", depth) + strings.Repeat("]", depth))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		shown := r.Bytes(payload)
		runtime.ReadMemStats(&after)
		if !bytes.Contains(shown, []byte(dlq.Redacted)) || bytes.Contains(shown, []byte("4111")) {
			t.Errorf("%d deep: nothing is hidden", depth)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
			t.Errorf("%d deep: %d bytes of payload took %d of memory", depth, len(payload), took)
		}
	}
}
