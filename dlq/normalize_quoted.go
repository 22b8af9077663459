package dlq

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoted deals with a quotation that begins here, and says whether one does.
func (n *normalizer) quoted(quote byte) bool {
	if n.depth == quotedDepth || wordBefore(n.in[:n.at]) || strings.HasSuffix(n.in[:n.at], variable) {
		return false
	}
	from := n.at + 1
	size := strings.IndexByte(n.in[from:min(from+quotedReach, len(n.in))], quote)
	end := from + size + 1
	if size < 0 || wordAfter(n.in[min(end, len(n.in)):]) || strings.HasPrefix(n.in[min(end, len(n.in)):], variable) {
		return false
	}
	inner := normalizer{depth: n.depth + 1}
	text := inner.run(n.in[from : from+size])
	id := strings.Contains(text, variable) && !strings.ContainsAny(text, " /:") && !hasName(text)
	if code := n.in[from : from+size]; id && (n.code.is(code, "") || n.code == longCode && applicationSize(code) == len(code)) && !strings.ContainsFunc(code, unicode.IsControl) {
		text, id = code, false // code: "404"
	}
	if id || len(text) > quotedSize && !statement(text) && !complains(text) && !locates(text) && !n.explains() {
		text = variable
	}
	n.code, n.kept, n.last = inner.code, false, "" // {"code":17}
	n.at = end
	if (text == variable || prefix(n.in[from:from+size]) > 0 && strings.HasSuffix(text, "_"+variable)) && n.listed(quote, text) {
		return true
	}
	n.out = append(append(append(n.out, quote), text...), quote)
	return true
}

// listed drops what stands between a quoted variable at the end of what was written and the next one, which is the text of both: lists of
// ids differ in length.
func (n *normalizer) listed(quote byte, text string) bool {
	size := len(text) + len(`"", `)
	before := strings.TrimRight(string(n.out[max(len(n.out)-size, 0):]), ", ")
	if len(before) < len(text)+len(`""`) || !strings.HasSuffix(before, string(quote)+text+string(quote)) {
		return false
	}
	n.out = n.out[:len(n.out)-size+len(before)]
	return true
}

// hasName says whether there is a name that somebody typed beside the variables of a text: that of a table, a field, a topic.
func hasName(text string) bool {
	for text != "" {
		if rest, is := strings.CutPrefix(text, variable); is {
			text = rest
			continue
		}
		end := 0
		for end < len(text) && isWord(text[end]) {
			end++
		}
		if word := text[:end]; end >= 3 && word != strings.ToUpper(word) && spoken(word) {
			return true
		}
		text = text[max(end, 1):]
	}
	return false
}

// statement says whether a quotation is of a program and not somebody's data: SQL, or what Java calls a method, with its modifiers or none.
func statement(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	name, _, call := strings.Cut(text, "(")
	return statements[word] || call && strings.Count(name, ".") > 1 && strings.IndexFunc(name, func(r rune) bool {
		return r != '.' && r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0
}

// locates says whether a quotation is where something is, a path or an address, and not somebody's data.
func locates(text string) bool {
	return !strings.ContainsAny(text, " {}") && (text[0] == '/' || strings.Contains(text, "://"))
}

// explains says whether a quotation begins that is the value of a field in which errors are explained: "message":"...
func (n *normalizer) explains() bool {
	field, is := strings.CutSuffix(strings.TrimRight(string(n.out[max(len(n.out)-len(`"description": `), 0):]), " "), `":`)
	return is && explanations[field[strings.LastIndexByte(field, '"')+1:]]
}

var explanations = set(`message msg detail details error errorMessage title reason description desc`)

var statements = set(`SELECT INSERT UPDATE DELETE MERGE WITH CALL CREATE ALTER public protected private`)

// complains says whether a quotation is the text of another error and not somebody's data: it is no document, and has a word that errors have.
func complains(text string) bool {
	if text[0] == '{' || text[0] == '[' && text[len(text)-1] == ']' || text[0] == '<' && text[len(text)-1] == '>' {
		return false
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r >= utf8.RuneSelf || !isWord(byte(r)) }) {
		if complaints[strings.ToLower(word)] {
			return true
		}
	}
	return false
}

var complaints = set(`cannot constraint denied duplicate errno error exceeded exception expired failed failure forbidden foreign illegal incompatible invalid lookup mismatch
	missing refused rejected reset timeout unable unauthorized unavailable unknown unreachable unsupported violates violation`)
