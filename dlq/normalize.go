package dlq

import (
	"strings"
	"unicode/utf8"
)

const (
	// variable stands for what differs between texts of one problem.
	variable = "<*>"

	normalizedInput  = 2 << 10 // bytes of a text that are looked at
	normalizedRounds = 8
	normalizedSize   = 512 // bytes of the outcome: an error text that was cut on its way has the same beginning
	quotedSize       = 80  // bytes of a quotation that is longer is somebody's data
	quotedReach      = 256 // bytes before which a quotation ends, or it is none
	quotedDepth      = 2   // quotations in quotations
)

// normalize replaces with one sign what differs between the texts of one problem: numbers, ids, hex, UUIDs, addresses,
// times, durations, sizes and the like, one or several in a row. The same sign for all of them, for an id of hex digits may
// happen to be a number. Codes that tell problems apart are kept: "status 404", "SQLSTATE 23505", "503 Service Unavailable".
// It takes time in proportion to the text, of which it looks at the first 2 KiB; the outcome has at most 512 bytes of valid
// UTF-8, and is itself left as it is.
func normalize(text string) string {
	text = strings.ToValidUTF8(cutBytes(text, normalizedInput), "\uFFFD")
	n := normalizer{}
	// Signs that were put in may make another thing of what stands beside them. That ends: mostly at once.
	for range normalizedRounds {
		out := n.run(text)
		if len(out) > normalizedSize {
			out = cutWords(out, normalizedSize)
		}
		if out == text {
			break
		}
		text = out
	}
	return text
}

// cutWords is at most n bytes of s, without a part of a word at the end, which could be taken for another one.
func cutWords(s string, n int) string {
	short := cutBytes(s, n)
	if space := strings.LastIndexByte(short, ' '); space > 0 {
		return short[:space]
	}
	return strings.TrimRight(short, "<*")
}

// cutBytes is at most n bytes of s, without a part of a rune at the end.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// normalizer goes once through a text.
type normalizer struct {
	in    string
	at    int
	out   []byte
	depth int
	// code says that a code may come, which is kept: what was read last is a word such as "status". It is the number of
	// digits that such a code has at most.
	code int
}

func (n *normalizer) run(text string) string {
	n.in, n.at, n.out, n.code = text, 0, make([]byte, 0, len(text)+len(variable)), 0
	for n.at < len(n.in) {
		n.step()
	}
	return strings.TrimSpace(string(n.out))
}

func (n *normalizer) step() {
	c := n.in[n.at]
	switch {
	case strings.HasPrefix(n.in[n.at:], variable):
		n.skip(len(variable))
	case c <= ' ' || c == 0x7f:
		n.space()
	case isWord(c):
		n.word()
	case c == '[' && n.bracketed():
	case (c == ':') && n.address():
	case (c == '"' || c == '\'' || c == '`') && n.quoted(c):
	default:
		n.literal(1)
		if !strings.ContainsRune(`:=#([/-"'`, rune(c)) {
			n.code = 0
		}
	}
}

func (n *normalizer) literal(size int) {
	n.out = append(n.out, n.in[n.at:n.at+size]...)
	n.at += size
}

// space makes one space of any number.
func (n *normalizer) space() {
	if len(n.out) > 0 && n.out[len(n.out)-1] != ' ' {
		n.out = append(n.out, ' ')
	}
	n.at++
}

// joints may stand between two variables that are one: the parts of a date, of an address, of a list.
const joints = " ,;:./+_-|#@"

// skip leaves size bytes out as a variable, with its sign and its unit, and as one with a variable just before it.
func (n *normalizer) skip(size int) {
	n.at += size
	n.code = 0
	if i := len(n.out) - 1; i >= 0 && (n.out[i] == '-' || n.out[i] == '+') && (i == 0 || strings.IndexByte(" (=:[{,<>", n.out[i-1]) >= 0) {
		n.out = n.out[:i]
	}
	if !n.joined() {
		n.out = append(n.out, variable...)
	}
	n.unit()
}

// joined drops what stands between the variable at the end of what was written and the next one, where that is only joints.
func (n *normalizer) joined() bool {
	end := len(n.out)
	for end > 0 && len(n.out)-end < 3 && strings.IndexByte(joints, n.out[end-1]) >= 0 {
		end--
	}
	if !strings.HasSuffix(string(n.out[max(end-len(variable), 0):end]), variable) {
		return false
	}
	n.out = n.out[:end]
	return true
}

// unit passes over the unit of a number, or the zone of a time.
func (n *normalizer) unit() {
	rest := n.in[n.at:]
	if !strings.HasPrefix(rest, " ") {
		return
	}
	if strings.HasPrefix(rest, " m=+") || strings.HasPrefix(rest, " m=-") { // the monotonic clock in a time of Go
		n.at += len(" m=")
		return
	}
	end := 1
	for end < len(rest) && isWord(rest[end]) {
		end++
	}
	if units[rest[1:end]] {
		n.at += end
		n.unit()
	}
}

// quoted deals with a quotation that begins here, and says whether one does.
func (n *normalizer) quoted(quote byte) bool {
	if n.depth == quotedDepth || n.at > 0 && isWord(n.in[n.at-1]) || strings.HasSuffix(n.in[:n.at], variable) {
		return false
	}
	from := n.at + 1
	size := strings.IndexByte(n.in[from:min(from+quotedReach, len(n.in))], quote)
	end := from + size + 1
	if size < 0 || end < len(n.in) && isWord(n.in[end]) || strings.HasPrefix(n.in[min(end, len(n.in)):], variable) {
		return false
	}
	inner := normalizer{depth: n.depth + 1}
	text := inner.run(n.in[from : from+size])
	id := strings.Contains(text, variable) && !strings.ContainsAny(text, " /:")
	if id && n.code > 0 && size <= n.code {
		text, id = n.in[from:from+size], false // code: "404"
	}
	if id || len(text) > quotedSize {
		text = variable
	}
	n.code = inner.code // {"code":17}
	n.out = append(append(append(n.out, quote), text...), quote)
	n.at = end
	return true
}

// word deals with the letters and digits that begin here.
func (n *normalizer) word() {
	if size := n.whole(); size > 0 {
		n.skip(size)
		return
	}
	end := n.at
	for end < len(n.in) && isWord(n.in[end]) {
		end++
	}
	word := n.in[n.at:end]
	switch kind := kindOf(word); {
	case kind == plainWord:
		n.plain(word)
	case n.isCode(word, end):
		more := strings.HasPrefix(n.in[end:], " (") // Error 1062 (23000)
		n.literal(len(word))
		if n.code = 0; more {
			n.code = 5
		}
	case kind == numbered:
		n.literal(len(strings.TrimRight(word, "0123456789")))
		n.skip(end - n.at)
	default:
		n.skip(len(word))
	}
}

// plain deals with a word without digits: one that belongs to a time, one that a code may follow, or any other.
func (n *normalizer) plain(word string) {
	if n.calendar(word) {
		n.skip(len(word))
		return
	}
	if len(n.out) > 0 && n.out[len(n.out)-1] == '-' && unspoken(word) {
		n.skip(len(word))
		return
	}
	n.literal(len(word))
	n.code = codeAfter(word)
	if version := httpVersion(n.in[n.at:]); version > 0 && strings.EqualFold(word, "http") {
		n.literal(version)
	}
}

// httpVersion is the length of "/1.1" and the like.
func httpVersion(s string) int {
	for _, version := range []string{"/1.1", "/1.0", "/2.0", "/2", "/3"} {
		if strings.HasPrefix(s, version) && (len(s) == len(version) || !isWord(s[len(version)])) {
			return len(version)
		}
	}
	return 0
}

// codeAfter is how many letters and digits a code has at most that follows a word.
func codeAfter(word string) int {
	last := word[len(word)-1] | 0x20 // in lower case
	if len(word) > longestCodeWord || strings.IndexByte("reosptal", last) < 0 {
		return 0
	}
	return codeWords[strings.ToLower(word)]
}

// isCode says whether a word with digits is a code that tells problems apart. end is where it ends.
func (n *normalizer) isCode(word string, end int) bool {
	rest := n.in[end:]
	if len(rest) > 1 && strings.IndexByte(".:-,/", rest[0]) >= 0 && isDigit(rest[1]) {
		return false // an address, a time
	}
	digits := allDigits(word)
	if digits && len(word) == 3 && (word[0] == '4' || word[0] == '5') && len(rest) > 1 && rest[0] == ' ' && rest[1] >= 'A' && rest[1] <= 'Z' {
		return true // 404 Not Found
	}
	if len(word) > n.code {
		return false
	}
	return digits || strings.ToUpper(word) == word
}

// calendar says whether a word is the name of a month or a day in a time.
func (n *normalizer) calendar(word string) bool {
	if word[0] < 'A' || word[0] > 'Z' {
		return false
	}
	month, day := months[word], days[word]
	if !month && !day {
		return false
	}
	rest := strings.TrimLeft(n.in[n.at+len(word):], " ,-/.")
	if rest != "" && (isDigit(rest[0]) || strings.HasPrefix(rest, variable)) {
		return true
	}
	if month {
		return strings.HasSuffix(strings.TrimRight(string(n.out), " ,-/."), variable)
	}
	return len(rest) >= 3 && months[strings.TrimRight(rest[:min(len(rest), 9)], " 0123456789-,:<*>")]
}
