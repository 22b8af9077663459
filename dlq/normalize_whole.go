package dlq

import "strings"

// whole is the length of what begins here and is a variable as a whole, though it is made of several words: an e-mail
// address, a UUID, an IPv6 or MAC address, base64. 0: nothing of these.
func (n *normalizer) whole() int {
	if n.at > 0 && isWord(n.in[n.at-1]) {
		return 0
	}
	rest := n.in[n.at:]
	for _, find := range [...]func(string) int{uuid, colonAddress, email} {
		if size := find(rest); size > 0 {
			return size
		}
	}
	if n.at > 0 && strings.IndexByte("+-_", n.in[n.at-1]) >= 0 {
		return 0 // not its beginning
	}
	return base64Text(rest)
}

// address deals with an IPv6 address that begins with colons.
func (n *normalizer) address() bool {
	if n.at > 0 && isWord(n.in[n.at-1]) {
		return false
	}
	size := colonAddress(n.in[n.at:])
	if size > 0 {
		n.skip(size)
	}
	return size > 0
}

// bracketed deals with an IPv6 address in brackets, which is written so before a port.
func (n *normalizer) bracketed() bool {
	rest := n.in[n.at+1:]
	size := colonAddress(rest)
	if size == 0 || size >= len(rest) || rest[size] != ']' {
		return false
	}
	n.skip(size + 2)
	return true
}

// ends says whether a word or a name ends before s.
func ends(s string) bool { return s == "" || !isWord(s[0]) && s[0] != '_' }

// uuid: 8-4-4-4-12 hex digits.
func uuid(s string) int {
	const size = 36
	if len(s) < size || !ends(s[size:]) {
		return 0
	}
	for i := range size {
		if hyphen := i == 8 || i == 13 || i == 18 || i == 23; hyphen != (s[i] == '-') || !hyphen && !isHex(s[i]) {
			return 0
		}
	}
	return size
}

// colonAddress: groups of up to four hex digits between colons, eight of them or fewer with two colons in a row, and a zone;
// or six groups of two. A digit is among them, for names of programs have two colons in a row too.
func colonAddress(s string) int {
	end, colons, group, digit := 0, 0, 0, false
	for ; end < len(s) && (s[end] == ':' || isHex(s[end]) && group < 4); end++ {
		if group++; s[end] == ':' {
			colons, group = colons+1, 0
		}
		digit = digit || isDigit(s[end])
	}
	text := s[:end]
	if strings.HasSuffix(text, ":") && !strings.HasSuffix(text, "::") {
		end, colons = end-1, colons-1
		text = s[:end]
	}
	short := strings.Count(text, "::") == 1 && colons <= 7
	if !digit || !short && colons != 7 && (colons != 5 || len(text) != 17) {
		return 0
	}
	if end < len(s) && s[end] == '.' && isDigit(s[min(end+1, len(s)-1)]) { // ::ffff:10.0.0.1
		for end < len(s) && (isDigit(s[end]) || s[end] == '.') {
			end++
		}
		end = len(strings.TrimRight(s[:end], "."))
	}
	if end < len(s) && s[end] == '%' {
		for end++; end < len(s) && isWord(s[end]); end++ {
		}
	}
	if !ends(s[end:]) {
		return 0
	}
	return end
}

// email: a name, an at, a domain with a dot.
func email(s string) int {
	const longest = 64
	at := 0
	for at < min(len(s), longest) && (isWord(s[at]) || strings.IndexByte("._%+-", s[at]) >= 0) {
		at++
	}
	if at == 0 || at >= len(s) || s[at] != '@' {
		return 0
	}
	end, dot := at+1, false
	for end < len(s) && (isWord(s[end]) || s[end] == '-' || s[end] == '.') {
		dot = dot || s[end] == '.'
		end++
	}
	end = len(strings.TrimRight(s[:end], ".-"))
	if !dot || end <= at+1 {
		return 0
	}
	return end
}

// base64Text: 24 characters of base64 or more, of all its kinds, and seldom interrupted by those that also divide paths
// and names.
func base64Text(s string) int {
	var end, upper, lower, digits, others, slashes int
	for ; end < len(s) && (s[end] < 0x80 && isWord(s[end]) || strings.IndexByte("/+-_", s[end]) >= 0) && slashes <= 2+end/24; end++ {
		switch c := s[end]; {
		case isDigit(c):
			digits++
		case c >= 'a' && c <= 'z':
			lower++
		case c == '/':
			slashes++
		case c >= 'A' && c <= 'Z':
			upper++
		default:
			others++
		}
	}
	if end < 24 || min(upper, lower, digits*3) < end/8 || slashes > end/24 || others+slashes > end/12 {
		return 0
	}
	for end < len(s) && s[end] == '=' {
		end++
	}
	return end
}
