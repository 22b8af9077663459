package dlq

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/redeliver/redeliver/retrytopics"
)

const (
	// variable stands for what differs between texts of one problem.
	variable = "<*>"

	shortCapitals    = 4       // letters of a word behind a number that belong to its id
	normalizedInput  = 2 << 10 // bytes of a text that are looked at
	normalizedRounds = 8
	normalizedSize   = retrytopics.MaxErrorSize - utf8.UTFMax // bytes of the outcome, and of a text that was not cut on its way
	normalizedCut    = 512                                    // bytes of the outcome of one that was: what it ends with is not of the problem
	quotedSize       = 80                                     // bytes of a quotation that is longer is somebody's data
	quotedReach      = 256                                    // bytes before which a quotation ends, or it is none
	quotedDepth      = 2                                      // quotations in quotations
)

// normalize replaces with one sign what differs between the texts of one problem: numbers, ids, hex, UUIDs, addresses,
// times, durations, sizes and the like, one or several in a row. The same sign for all of them, for an id of hex digits may
// happen to be a number. Codes that tell problems apart are kept: "status 404", "SQLSTATE 23505", "503 Service Unavailable".
// It takes time in proportion to the text, of which it looks at the first 2 KiB; the outcome is valid UTF-8 of at most 1020
// bytes, of 512 where the text was cut on its way, and is itself left as it is.
func normalize(text string) string {
	text, _ = normalized(text)
	return text
}

// normalized is normalize, and whether the text was cut on its way.
func normalized(text string) (out string, cut bool) {
	text = strings.ToValidUTF8(cutBytes(text, normalizedInput), "\uFFFD")
	n, most := normalizer{}, normalizedSize
	early := len(text) > most // it was cut on its way
	if cut = early; cut {
		most = normalizedCut
	}
	// Signs that were put in may make another thing of what stands beside them. That ends: mostly at once.
	for range normalizedRounds {
		out := n.run(text)
		if len(out) > most {
			out, cut, early = cutWords(out, most), true, false
		}
		if out == text {
			break
		}
		text = out
	}
	if early {
		text = cutEarly(text)
	}
	return text, cut
}

// cutEarly cuts the end off the outcome of a text that was cut on its way. Where that was differs with the length of what gave way, so that what is left
// of it is of one of a few lengths.
func cutEarly(s string) string {
	for size := normalizedCut * 3 / 4; size >= 64; size = size * 3 / 4 {
		if len(s) >= size+size/8 {
			return cutWords(s, size)
		}
	}
	if space := strings.LastIndexByte(s, ' '); space > 0 {
		return s[:space]
	}
	return s
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
	code  codeKind // of what may come next and is kept, for what was read last is a word such as "status"
	kept  bool     // the word that was read last
	last  string   // it, with nothing but a blank, a hyphen or a line after it
}

func (n *normalizer) run(text string) string {
	*n = normalizer{in: text, out: make([]byte, 0, len(text)+len(variable)), depth: n.depth}
	for n.at < len(n.in) {
		n.step()
	}
	return strings.TrimSpace(string(n.out))
}

func (n *normalizer) step() {
	c := n.in[n.at]
	switch {
	case c == '<' && strings.HasPrefix(n.in[n.at:], variable):
		n.skip(len(variable))
	case c <= ' ' || c == 0x7f:
		n.space()
	case isWord(c):
		n.word()
	case strings.IndexByte("'\"`[(", c) >= 0 && n.constraint():
	case c == '[' && n.bracketed():
	case (c == ':') && n.address():
	case (c == '+' || c == '/') && n.base64():
	case (c == '"' || c == '\'' || c == '`') && n.quoted(c):
	default:
		n.literal(1)
		n.code = n.code.behind(c)
		if c != '-' && c != '_' {
			n.last = ""
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
	id := n.in[n.at : n.at+size]
	capitals := strings.IndexFunc(id, unicode.IsUpper) >= 0
	mixed := capitals && strings.IndexFunc(id, unicode.IsLower) >= 0
	n.at += size
	n.code, n.kept, n.last = noCode, false, ""
	n.head()
	if mixed {
		n.signs(size)
	}
	if i := len(n.out) - 1; i >= 0 && (n.out[i] == '-' || n.out[i] == '+') && (i == 0 || strings.IndexByte(" (=:[{,<>", n.out[i-1]) >= 0) {
		n.out = n.out[:i]
	}
	if !n.joined() && !(capitals && size >= shortestRandom && n.again()) {
		n.out = append(n.out, variable...)
	}
	n.tail(mixed)
	n.unit()
}

// head takes back what was written of an id of which hyphens and the like divide a part that is none by itself: the "W-" of W-x7f3k9q2.
func (n *normalizer) head() {
	for len(n.out) > 1 && isJoint(n.out[len(n.out)-1]) {
		end := len(n.out) - 1
		from := end
		for from > 0 && n.out[from-1] < 0x80 && isWord(n.out[from-1]) {
			from--
		}
		if from == end || from > 0 && n.out[from-1] >= 0x80 || !scrap(string(n.out[from:end])) {
			return
		}
		n.out = n.out[:from]
	}
}

// signs takes back those of base64 that an id begins with: one hyphen or line that parts it from a name stays, and so does the slash
// of a path, before which there is something or behind which there is too little.
func (n *normalizer) signs(size int) {
	if bytes.HasSuffix(n.out, []byte("://")) {
		return
	}
	for i := len(n.out) - 1; i >= 0; i-- {
		behind := i > 0 && (isWord(n.out[i-1]) || n.out[i-1] == '>')
		if behind || !isJoint(n.out[i]) && (n.out[i] != '/' || size < 2*shortestBase64 || i > 0 && strings.IndexByte(" \"'+/", n.out[i-1]) < 0) {
			return
		}
		n.out = n.out[:i]
	}
}

// tail passes over what else such an id has behind: the "-XK" of 8812-XK. Behind one in letters of both cases all is of it but for
// words.
func (n *normalizer) tail(mixed bool) {
	for n.at < len(n.in) && isJoint(n.in[n.at]) {
		end := n.at + 1
		for end < len(n.in) && n.in[end] < 0x80 && isWord(n.in[end]) {
			end++
		}
		if size := uuid(n.in[n.at+1:]); size > 0 {
			n.at += 1 + size
			continue
		}
		part := n.in[n.at+1 : end]
		if part == "" || wordAfter(n.in[end:]) || !scrap(part) && (!mixed || isLower(part[0]) && wordLike(part) || words(part)) {
			return
		}
		n.at = end
	}
	for i := 0; i < 2 && strings.HasPrefix(n.in[n.at:], "=") && ends(n.in[n.at+1:]); i++ {
		n.at++ // base64
	}
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

// again drops what stands between a random id behind a prefix and the next one behind the same: cus_<*>, cus_. Lists of them differ in length.
func (n *normalizer) again() bool {
	from := len(n.out) - 1
	if from < 0 || n.out[from] != '_' {
		return false
	}
	for from > 0 && isLower(n.out[from-1]) {
		from--
	}
	end := from
	for end > 0 && from-end < 2 && strings.IndexByte(joints, n.out[end-1]) >= 0 {
		end--
	}
	first := end - len(variable) - (len(n.out) - from)
	if end == from || first < 0 || first > 0 && isWord(n.out[first-1]) || !strings.HasPrefix(string(n.out[first:end]), string(n.out[from:])) || string(n.out[end-len(variable):end]) != variable {
		return false
	}
	n.out = n.out[:end]
	return true
}

// unit passes over the unit of a number, or the zone of a time.
func (n *normalizer) unit() {
	rest := n.in[n.at:]
	if zone := zoneSize(rest); zone > 0 {
		n.at += zone
		return
	}
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
	if end == 1 && rest[1:] != "" && rest[1] == '(' { // a zone
		if zone := strings.IndexByte(rest, ')'); zone > 0 && zone <= len(" (CEST") && units[rest[2:zone]] {
			n.at += zone + 1
		}
		return
	}
	if units[rest[1:end]] {
		n.at += end
		n.unit()
	}
}

// zoneSize is how long the name of a zone is that stands in brackets behind a time of Java, 0 where none does: [Europe/Berlin].
func zoneSize(text string) int {
	if !strings.HasPrefix(text, "[") {
		return 0
	}
	end := strings.IndexByte(text[:min(len(text), len("[America/Argentina/ComodRivadavia]"))], ']')
	if end < 0 {
		return 0
	}
	name := text[1:end]
	if name != "UTC" && name != "GMT" && (!strings.Contains(name, "/") || name[0] < 'A' || name[0] > 'Z') || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/") != "" {
		return 0
	}
	return end + 1
}

// word deals with the letters and digits that begin here.
func (n *normalizer) word() {
	if size := mailReply(n.in[n.at:]); size > 0 && !wordBefore(n.in[:n.at]) {
		n.literal(size)
		n.code, n.kept, n.last = noCode, true, ""
		return
	}
	if size := n.whole(); size > 0 {
		before := prefix(n.in[n.at : n.at+size])
		n.literal(before)
		n.skip(size - before)
		return
	}
	end := n.at + wordSize(n.in[n.at:])
	word := n.in[n.at:end]
	switch kind := kindOf(word); {
	case kind == plainWord:
		n.plain(word)
	case n.isCode(word, end):
		more := strings.HasPrefix(n.in[end:], " (") // Error 1062 (23000)
		n.literal(len(word))
		n.kept, n.last = true, ""
		if n.code = noCode; more {
			n.code = shortCode
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
	if n.ofID(word) {
		n.skip(len(word))
		return
	}
	if n.code == longCode {
		if size := applicationSize(n.in[n.at:]); size > 0 {
			n.literal(size)
			n.code, n.kept, n.last = noCode, true, ""
			return
		}
	}
	n.literal(len(word))
	n.code = codeAfter(word, n.last)
	if word == "data" && n.directory() {
		n.code = directoryCode
	}
	n.kept, n.last = true, word
	if n.code == httpCode {
		n.literal(httpVersion(n.in[n.at:]))
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

// ofID says whether letters behind a hyphen are of the id before it: of a pod, of ORD-4711-WJTV, and of a node, whose name has four letters and
// digits behind the eight hex digits of its pool's template (gke-prod-pool-7f9c6d8b-fjge).
func (n *normalizer) ofID(word string) bool {
	before, hyphen := strings.CutSuffix(string(n.out[max(len(n.out)-len(variable)-1, 0):]), "-")
	switch {
	case !hyphen:
		return false
	case unspoken(word):
		return true
	case before != variable || len(word) > shortCapitals:
		return false
	case word == strings.ToUpper(word):
		return true
	}
	const template = len("-7f9c6d8b-")
	pool := n.in[max(n.at-template, 0):n.at]
	return len(word) == len("fjge") && isLower(word[0]) && !wordLike(word) && len(pool) == template && pool[0] == '-' && allHex(pool[1:template-1])
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
