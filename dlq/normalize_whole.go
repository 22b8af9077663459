package dlq

import (
	"strings"
	"unicode/utf8"
)

// whole is the length of what begins here and is a variable as a whole, though it is made of several words: an e-mail
// address, a UUID, an IPv6 or MAC address, an id with hyphens, base64. 0: nothing of these.
func (n *normalizer) whole() int {
	if wordBefore(n.in[:n.at]) {
		return 0
	}
	rest := n.in[n.at:]
	for _, find := range [...]func(string) int{uuid, hardware, license, webToken, colonAddress, email} {
		if size := find(rest); size > 0 {
			return size
		}
	}
	if n.at > 0 && isJoint(n.in[n.at-1]) && !n.kept {
		return 0 // not its beginning
	}
	return n.token()
}

// address deals with an IPv6 address that begins with colons.
func (n *normalizer) address() bool {
	if wordBefore(n.in[:n.at]) {
		return false
	}
	size := colonAddress(n.in[n.at:])
	if size > 0 {
		n.skip(size)
	}
	return size > 0
}

// base64 deals with base64 that begins with one of its signs.
func (n *normalizer) base64() bool {
	if n.at > 0 && (wordBefore(n.in[:n.at]) || isJoint(n.in[n.at-1]) || n.in[n.at-1] == '/' || n.in[n.at-1] == '>') {
		return false
	}
	if strings.HasSuffix(n.in[:n.at], ":") && strings.HasPrefix(n.in[n.at:], "//") {
		return false // the address of a web site
	}
	signs := 1
	for signs < 3 && n.at+signs < len(n.in) && strings.IndexByte("+/", n.in[n.at+signs]) >= 0 {
		signs++
	}
	rest := n.in[n.at+signs:]
	if first, _, path := strings.Cut(rest[:min(len(rest), longestToken)], "/"); path && pathPart(first) {
		return false
	}
	size := token(rest)
	if word := rest[:wordSize(rest)]; size == 0 && len(word) >= shortestBase64 && kindOf(word) == idWord {
		size = len(word)
	}
	if size >= shortestBase64 {
		n.skip(signs + size)
	}
	return size >= shortestBase64
}

// bracketed deals with what brackets tell from names and paths: an IPv6 address, which is written so before a port, and twelve bytes in
// base64, as transactions have that Spanner aborts.
func (n *normalizer) bracketed() bool {
	rest := n.in[n.at+1:]
	if size := colonAddress(rest); size > 0 && size < len(rest) && rest[size] == ']' {
		n.skip(size + 2)
		return true
	}
	if !slashed(rest) {
		return false
	}
	n.literal(len("["))
	n.skip(bracketedBase64)
	return true
}

const bracketedBase64 = 16

// slashed says whether base64 of that size, with slashes and no words in it, and a bracket begin s.
func slashed(s string) bool {
	if len(s) <= bracketedBase64 || s[bracketedBase64] != ']' {
		return false
	}
	id := s[:bracketedBase64]
	upper, lower, slash, from := 0, 0, false, 0
	for i := range len(id) {
		switch c := id[i]; {
		case isLower(c):
			lower++
		case isUpper(c):
			upper++
		case c == '/' || c == '+':
			if wordLike(id[from:i]) {
				return false
			}
			slash, from = slash || c == '/', i+1
		case !isDigit(c):
			return false
		}
	}
	return slash && !wordLike(id[from:]) && min(upper, lower) >= 2 && likelihood(id) < -3
}

// ends says whether a word or a name ends before s.
func ends(s string) bool { return s == "" || !wordAfter(s) && s[0] != '_' }

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

// hardware: six groups of two hex digits between hyphens.
func hardware(s string) int {
	const size = 17
	if len(s) < size || !ends(s[size:]) || s[2] != '-' {
		return 0
	}
	for i := range size {
		if hyphen := i%3 == 2; hyphen != (s[i] == '-') || !hyphen && !isHex(s[i]) {
			return 0
		}
	}
	return size
}

// license: three groups or more of one size from four to eight, of capitals and digits between hyphens, of which one has a capital behind a digit: 7XK2-GUNC-91QB.
func license(s string) int {
	group, mixed, groups, end := 0, false, 0, 0
	for {
		size := 0
		for end+size < len(s) && (isDigit(s[end+size]) || isUpper(s[end+size])) {
			mixed = mixed || size > 0 && isUpper(s[end+size]) && isDigit(s[end+size-1])
			size++
		}
		if groups == 0 {
			group = size
		}
		if size != group || size < 4 || size > 8 {
			return 0
		}
		groups, end = groups+1, end+size
		if end == len(s) || s[end] != '-' {
			break
		}
		end++
	}
	if groups < 3 || !mixed || !ends(s[end:]) {
		return 0
	}
	return end
}

// webToken: a JWT, three parts of base64 of which the first is that of a JSON object.
func webToken(s string) int {
	if !strings.HasPrefix(s, "eyJ") {
		return 0
	}
	end, dots := 0, 0
	for ; end < len(s) && (s[end] < 0x80 && isWord(s[end]) || s[end] == '-' || s[end] == '_' || s[end] == '.' && dots < 2); end++ {
		if s[end] == '.' {
			dots++
		}
	}
	if dots < 2 {
		return 0
	}
	return end
}

// colonAddress: groups of up to four hex digits between colons, eight of them or fewer with two colons in a row, and a zone;
// or six groups of two. A digit is among them, for names of programs have two colons in a row too.
func colonAddress(s string) int {
	const longestAddress = len("2001:0db8:0000:0000:0000:0000:0000:0001") + 1
	end, colons, group, digit := 0, 0, 0, false
	for ; end < min(len(s), longestAddress) && (s[end] == ':' || isHex(s[end]) && group < 4); end++ {
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
	at := mailSize(s[:min(len(s), longest)])
	if at == 0 || at >= len(s) || s[at] != '@' {
		return 0
	}
	domain := s[at+1:]
	domain = domain[:mailSize(domain)]
	if end := strings.IndexAny(domain, "_%+"); end >= 0 {
		domain = domain[:end]
	}
	domain = strings.TrimRight(domain, ".-")
	if strings.IndexByte(domain, '.') <= 0 {
		return 0
	}
	return at + 1 + len(domain)
}

// mailSize is how long s can be of one part of an address.
func mailSize(s string) int {
	end := 0
	for end < len(s) && mailBytes[s[end]] {
		if s[end] < 0x80 {
			end++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[end:])
		if apart(r) {
			break
		}
		end += size
	}
	return end
}

// token is the length of an id in base64 of any kind that begins here, or in another alphabet that has hyphens and lines in it. A slash is of
// it but in the address of a web site, and behind another slash, where it parts a path, but of a long one.
func (n *normalizer) token() int {
	rest := n.in[n.at:]
	end := 0
	for end < len(rest) && rest[end] < 0x80 && isWord(rest[end]) {
		end++
	}
	if end == len(rest) || !isJoint(rest[end]) && rest[end] != '/' {
		return 0 // a word, as most are
	}
	for end < min(len(rest), longestToken) && ofToken(rest[end]) {
		end++
	}
	if slash := strings.IndexByte(rest[:end], '/'); slash >= 0 && (n.inAddress() || n.at > 0 && n.in[n.at-1] == '/' && end < longBase64) {
		rest = rest[:slash]
	}
	return token(rest)
}

// inAddress says whether the address of a web site, or of the like, has begun and not ended yet.
func (n *normalizer) inAddress() bool {
	before := n.in[max(n.at-quotedReach, 0):n.at]
	return strings.Contains(before[strings.LastIndexAny(before, " \"'`?<>(")+1:], "://")
}

const (
	longestToken   = 256
	shortestToken  = 10
	shortestBase64 = 20 // with slashes
	longBase64     = 48 // of which slashes do not part a path
)

// token is the length of an id in base64 of any kind, or in another alphabet that has hyphens and lines in it: letters of both
// cases that are rather drawn than typed. A word at its beginning or end, or of a path, is not of it; and where there are hyphens or lines besides,
// which no alphabet has that has slashes, these part it from something else.
func token(s string) int {
	upper, lower, slash, joints := false, false, 0, false
	end := 0
	for ; end < min(len(s), longestToken) && ofToken(s[end]); end++ {
		if s[end] == '/' && slash == 0 {
			slash = end
		}
		upper, lower, joints = upper || isUpper(s[end]), lower || isLower(s[end]), joints || s[end] == '-' || s[end] == '_'
	}
	if !upper || !lower {
		return 0
	}
	size := 0
	switch {
	case slash == 0:
		size = tokenOf(s[:end], shortestToken)
	case joints:
		return tokenOf(s[:slash], shortestToken)
	default:
		if size = tokenOf(s[:end], shortestBase64); size <= slash {
			size = tokenOf(s[:slash], shortestToken)
		}
	}
	for size >= longestToken && size < len(s) && ofToken(s[size]) {
		size++
	}
	return size
}

// ofToken says whether a character can be one of an id that [token] finds.
func ofToken(c byte) bool { return c < 0x80 && isWord(c) || isJoint(c) || c == '/' }

// tokenOf is the length of an id at the beginning of s, which is made of its characters.
func tokenOf(s string, shortest int) int {
	const divisors = "-_+/"
	least := 3 + min(len(s)/16, 4) // the longer it is the longer are the words that chance makes
	isName := func(part string, least int) bool {
		return len(part) >= least && ((least == 3 || isLower(part[0])) && wordLike(part) || words(part))
	}
	first := strings.IndexAny(s, divisors)
	beginning := least
	if first > 0 && isJoint(s[first]) {
		beginning = min(least, 4) // of which there is one only
	}
	if first < 0 || isName(s[:first], beginning) || s[first] == '/' && len(s) < 32 && smallLetters(s[:first]) {
		return 0
	}
	for i := first; i < len(s); { // parts of a path
		part := s[i+1:]
		size := strings.IndexAny(part, divisors)
		if size < 0 {
			size = len(part)
		}
		if s[i] == '/' && isName(part[:size], max(least, 4)) {
			s = s[:i]
			break
		}
		i += 1 + size
	}
	for last := strings.LastIndexAny(s, divisors); last > 0 && isName(s[last+1:], least); last = strings.LastIndexAny(s, divisors) {
		s = s[:last]
	}
	upper, lower := 0, 0
	for i := range len(s) {
		if isLower(s[i]) {
			lower++
		} else if isUpper(s[i]) {
			upper++
		}
	}
	if len(s) < shortest || min(upper, lower) < len(s)/8 || likelihood(s) >= -3 {
		return 0
	}
	return len(s)
}

// prefix is the length of what stands before one random part and says what it is of, with its line: the "cus_" of cus_NffrFeUfNV2Hib. It
// has three to eight small letters that are not drawn at random, for others are of an id in which lines are letters too. 0: there is none.
func prefix(id string) int {
	end := 0
	for end < len(id) && isLower(id[end]) {
		end++
	}
	if end < 3 || end > 8 || len(id)-end <= shortestRandom || id[end] != '_' {
		return 0
	}
	upper := false
	for i := end + 1; i < len(id); i++ {
		if id[i] >= 0x80 || !isWord(id[i]) && (!isJoint(id[i]) || len(id)-end < shortestBase64) {
			return 0
		}
		upper = upper || isUpper(id[i])
	}
	if says := likelihood(id[:end]); !upper || says < -6 || end > 3 && (says < 0 || !spoken(id[:end])) {
		return 0
	}
	return end + 1
}

// pathPart says whether the first part of a path can be a name: small letters, hyphens and lines, and the digits of a version.
func pathPart(s string) bool {
	name := strings.TrimRight(s, "0123456789")
	for i := range len(name) {
		if !isLower(name[i]) && name[i] != '-' && name[i] != '_' {
			return false
		}
	}
	return len(s) > 1 && name != ""
}

// smallLetters says whether a part of a path is made of two or more of them and nothing else.
func smallLetters(s string) bool {
	for i := range len(s) {
		if !isLower(s[i]) {
			return false
		}
	}
	return len(s) > 1
}
