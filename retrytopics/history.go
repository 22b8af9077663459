package retrytopics

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redeliver/redeliver/classify"
)

// Try is a failed attempt in a record's history, as it travels.
type Try struct {
	N     int    `json:"n"`     // which attempt
	At    int64  `json:"at"`    // Unix ms of its end
	Ms    int64  `json:"ms"`    // how long it took
	Class string `json:"class"` // of the failure
	Error string `json:"error"` // at most 256 bytes of it travel
}

// MaxTryErrorSize bounds the error of one entry, so that one long message does not
// push the others out.
const MaxTryErrorSize = 256

// appendHistory writes the newest tries that fit into limit bytes as a JSON
// array, newest last; nothing when not even one does.
func appendHistory(dst []byte, tries []Try, limit int) []byte {
	from, size := len(tries), len("[]")
	for i := range tries {
		size += tries[i].most() + len(",")
	}
	if size <= limit { // whatever is in them: most histories are short, and need not be looked at
		from = 0
	} else {
		size = len("[]")
	}
	for from > 0 {
		size += tries[from-1].size() + len(",")
		if size > limit {
			break
		}
		from--
	}
	if from == len(tries) {
		return dst
	}
	dst = append(dst, '[')
	for i := from; i < len(tries); i++ {
		if i > from {
			dst = append(dst, ',')
		}
		dst = tries[i].append(dst)
	}
	return append(dst, ']')
}

func (t *Try) append(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"n":`...), int64(t.N), 10)
	dst = strconv.AppendInt(append(dst, `,"at":`...), t.At, 10)
	dst = strconv.AppendInt(append(dst, `,"ms":`...), t.Ms, 10)
	dst = appendJSONString(append(dst, `,"class":`...), t.Class)
	dst = appendJSONString(append(dst, `,"error":`...), cutText(t.Error, MaxTryErrorSize))
	return append(dst, '}')
}

// most is what append writes at the very most, whatever the texts hold.
func (t *Try) most() int {
	const numbers = 3 * len("-9223372036854775808")
	return t.plain() + numbers + (len(`\u0000`)-1)*(len(t.Class)+min(len(t.Error), MaxTryErrorSize))
}

// plain is about what append writes of texts in which nothing has to be escaped.
func (t *Try) plain() int {
	const numbers = 2 + 13 + 6 // as they mostly are
	return len(`{"n":,"at":,"ms":,"class":"","error":""}`) + numbers + len(t.Class) + min(len(t.Error), MaxTryErrorSize)
}

// size bounds what append writes.
func (t *Try) size() int {
	return len(`{"n":,"at":,"ms":,"class":"","error":""}`) +
		digits(int64(t.N)) + digits(t.At) + digits(t.Ms) + jsonSize(t.Class) + jsonSize(cutText(t.Error, MaxTryErrorSize))
}

// digits is the number of bytes that n takes in decimal.
func digits(n int64) int {
	size := 1
	if n < 0 {
		size = 2
	}
	for n /= 10; n != 0; n /= 10 {
		size++
	}
	return size
}

// appendJSONString quotes as JSON wants it and keeps everything readable that
// may be: only quotes, backslashes, control characters and what is no UTF-8
// are escaped.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	plain := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		width := 1
		if b >= utf8.RuneSelf {
			var r rune
			r, width = utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || width > 1 {
				i += width
				continue
			}
		}
		dst = append(dst, s[plain:i]...)
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b == '\n':
			dst = append(dst, '\\', 'n')
		case b == '\t':
			dst = append(dst, '\\', 't')
		case b == '\r':
			dst = append(dst, '\\', 'r')
		case b < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		default:
			dst = append(dst, "\uFFFD"...)
		}
		i += width
		plain = i
	}
	return append(append(dst, s[plain:]...), '"')
}

// jsonSize is the number of bytes that s takes between its quotes, at most.
func jsonSize(s string) int {
	size, ascii := len(s), true
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b < 0x20:
			size += len(`\u0000`) - 1
		case b == '"' || b == '\\':
			size++
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	if !ascii && !utf8.ValidString(s) {
		size += 2 * len(s) // each byte may become U+FFFD
	}
	return size
}

// parseHistory reads a history. What can be read of a damaged one is returned
// beside the error.
func parseHistory(text string) ([]Try, error) {
	p := historyReader{rest: text}
	if tries, ok := p.read(); ok {
		return tries, nil
	}
	// Not as this package writes it: another writer's spacing or escapes.
	var tries []Try
	if err := json.Unmarshal([]byte(text), &tries); err != nil {
		return p.tries, historyProblem(err)
	}
	for i := range tries {
		tries[i].Class = internClass(tries[i].Class)
	}
	return tries, nil
}

func historyProblem(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("at byte %d: %w", syntax.Offset, err)
	}
	return err
}

// historyReader reads exactly what appendHistory writes, without copying: the
// entries share the text. It is several times as fast as encoding/json, which
// matters because every retried record comes with a history.
type historyReader struct {
	rest  string
	tries []Try
}

func (p *historyReader) read() ([]Try, bool) {
	if !p.skip("[") {
		return nil, false
	}
	p.tries = make([]Try, 0, min(1+strings.Count(p.rest, "},{"), 64))
	for {
		t, ok := p.try()
		if !ok {
			return nil, false
		}
		p.tries = append(p.tries, t)
		if p.skip("]") {
			return p.tries, p.rest == ""
		}
		if !p.skip(",") {
			return nil, false
		}
	}
}

func (p *historyReader) try() (t Try, ok bool) {
	n, ok1 := p.number(`{"n":`)
	at, ok2 := p.number(`,"at":`)
	ms, ok3 := p.number(`,"ms":`)
	class, ok4 := p.text(`,"class":"`)
	message, ok5 := p.text(`,"error":"`)
	ok = ok1 && ok2 && ok3 && ok4 && ok5 && p.skip("}")
	return Try{N: int(n), At: at, Ms: ms, Class: internClass(class), Error: message}, ok
}

func (p *historyReader) skip(text string) bool {
	rest, ok := strings.CutPrefix(p.rest, text)
	p.rest = rest
	return ok
}

func (p *historyReader) number(key string) (int64, bool) {
	if !p.skip(key) {
		return 0, false
	}
	end := 0
	for end < len(p.rest) && (p.rest[end] == '-' || p.rest[end]-'0' <= 9) {
		end++
	}
	text := p.rest[:end]
	n, err := strconv.ParseInt(text, 10, 64)
	p.rest = p.rest[end:]
	// JSON has no leading zeros, and none are written.
	return n, err == nil && (text[0] != '0' || end == 1) && !strings.HasPrefix(text, "-0")
}

// text reads up to the closing quote. A backslash or a control character
// leaves the string to encoding/json.
func (p *historyReader) text(key string) (string, bool) {
	if !p.skip(key) {
		return "", false
	}
	for i := 0; i < len(p.rest); i++ {
		switch b := p.rest[i]; {
		case b == '"':
			s := p.rest[:i]
			p.rest = p.rest[i+1:]
			return s, utf8.ValidString(s)
		case b == '\\' || b < 0x20:
			return "", false
		}
	}
	return "", false
}

// internClass spares keeping the text of a history alive for a known word.
func internClass(name string) string {
	if class, ok := classNamed(name); ok {
		return class.String()
	}
	return name
}

var classes = classify.Classes()

func classNamed(name string) (classify.Class, bool) {
	for _, c := range classes {
		if c.String() == name {
			return c, true
		}
	}
	return classify.None, false
}

// cutText shortens to at most limit bytes, on a rune boundary.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	limit = max(limit, 0)
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
