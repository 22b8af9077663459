package dlq

import "strings"

// codeKind says what a code looks like that may follow a word and tells problems apart.
type codeKind uint8

const (
	noCode        codeKind = iota
	shortCode              // five letters and digits at most, or 0x and hex digits: status 404, errno 104, SQLSTATE 42P01
	errorCode              // the same after "error", where numbers of things follow as well
	longCode               // six: error code 190001
	signalCode             // two digits: signal 9
	httpCode               // three digits: HTTP 302
	statusCode             // a known HTTP status of a failure, which ends its clause: got 503
	returnCode             // that, or a number below zero: returned -1
	declineCode            // a bracket and what replyCode is
	replyCode              // two letters and digits that a bracket closes: declined (05)
	directoryCode          // three hex digits: data 52e
)

var (
	codeWords = map[string]codeKind{
		"error": errorCode, "err": errorCode, "wsaerror": errorCode, "code": longCode, "errno": shortCode, "winerror": errorCode, "alert": signalCode, "sqlstate": shortCode, "sqlcode": shortCode, "hresult": shortCode,
		"status": shortCode, "http": httpCode, "ora": shortCode, "exit": shortCode, "exited": shortCode, "signal": signalCode, "msg": shortCode, "rc": shortCode, "reason": shortCode,
		"curl": shortCode, "errorcode": longCode, "errcode": longCode, "statuscode": shortCode, "exitcode": shortCode, "exitstatus": shortCode, "resultcode": longCode,
		"responsecode": shortCode, "respcode": shortCode, "returncode": shortCode, "reasoncode": shortCode, "declinecode": shortCode, "refusalcode": shortCode,
		"httpstatus": shortCode, "httpcode": shortCode, "osstatus": shortCode, "hr": shortCode, "ntstatus": shortCode, "declined": declineCode, "result": noCode, // but for that of LDAP
		"response": statusCode, "success": statusCode, "with": statusCode, "got": statusCode, "received": statusCode, "returned": returnCode, "answered": statusCode, "replied": statusCode,
		"responded": statusCode, "failed": statusCode, "state": noCode, "a": noCode, "is": noCode, "was": noCode, "of": noCode, // but for what codeAfter tells
	}
	// ofCodes are the words that stand before "code" and do not make it that of a thing, as in "postal code".
	ofCodes = set(`exception error err status exit exited result response return returned reason reply http fault abort vendor native grpc sql decline refusal reject
		with and or the a of by has got unexpected unknown`)
	// goesOn are the words that may follow a status in its clause; others say of what a number is.
	goesOn = set(`for from on after at in by when while during to and but instead with error response null`)
	// givesStatus are the words between which and a status an article may stand: responded with a 404.
	givesStatus = set(`with got received returned answered replied responded`)
)

const longestCodeWord = len("responsecode")

// codeStarts and codeEnds are the first and the last letters that code words of each length have: by those most other words are told
// from them.
var codeStarts, codeEnds = func() (starts, ends [longestCodeWord + 1]uint32) {
	for word := range codeWords {
		starts[len(word)] |= 1 << (word[0] - 'a')
		ends[len(word)] |= 1 << (word[len(word)-1] - 'a')
	}
	return starts, ends
}()

// codeAfter is the kind of code that may follow a word, with the one before it.
func codeAfter(word, before string) codeKind {
	if strings.HasSuffix(word, "Code") {
		word = lastParts(word)
	}
	if len(word) > longestCodeWord {
		return noCode
	}
	first, last := word[0]|0x20, word[len(word)-1]|0x20 // in lower case
	if !isLower(first) || !isLower(last) || codeStarts[len(word)]>>(first-'a')&1 == 0 || codeEnds[len(word)]>>(last-'a')&1 == 0 {
		return noCode
	}
	lower := strings.ToLower(word)
	kind := codeWords[lower]
	switch {
	case lower == "code" && before != "" && !ofCodes[strings.ToLower(before)] && !strings.HasSuffix(before, "ErrorDomain"):
		return noCode
	case lower == "with" && strings.EqualFold(before, "exited"):
		return shortCode
	case lower == "result" && strings.EqualFold(before, "ldap"), lower == "state" && strings.EqualFold(before, "sql"):
		return shortCode
	case lower == "a" && givesStatus[strings.ToLower(before)], (lower == "is" || lower == "was" || lower == "of") && (strings.EqualFold(before, "status") || strings.EqualFold(before, "code")):
		return statusCode
	}
	return kind
}

// lastParts is the end of a name that has "Code" at its end and the part before it, for that says what the code is of: the ReasonCode of
// refusalReasonCode.
func lastParts(name string) string {
	from := len(name) - len("Code")
	for from > 0 && isLower(name[from-1]) {
		from--
	}
	if from == len(name)-len("Code") {
		return name // HTTPCode
	}
	return name[max(from-1, 0):]
}

// directory says whether what was written is what Active Directory says before its reason, behind the code 49 that all of them have:
// error code 49 - 80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v4563.
func (n *normalizer) directory() bool {
	const before = "AcceptSecurityContext error, data"
	return string(n.out[max(len(n.out)-len(before), 0):]) == before
}

// behind is what is left of the expectation after a sign.
func (k codeKind) behind(c byte) codeKind {
	switch {
	case k == declineCode && c == '(':
		return replyCode
	case k == declineCode, strings.IndexByte(":=([/-\"'", c) < 0, k == errorCode && c == '[', k == signalCode && c == '-':
		return noCode
	}
	return k
}

// is says whether a word with digits is a code of the kind. rest is what comes after it.
func (k codeKind) is(word, rest string) bool {
	if k == noCode || strings.HasPrefix(rest, "%") {
		return false
	}
	next, blank := strings.CutPrefix(rest, " ")
	next = next[:wordSize(next)]
	if blank && units[next] {
		return false
	}
	switch k {
	case httpCode:
		return len(word) == 3 && allDigits(word)
	case statusCode:
		return phrases[word] != "" && (!blank || next == "" || !isLower(next[0]) || goesOn[next])
	case returnCode:
		return statusCode.is(word, rest)
	case declineCode:
		return false
	case replyCode:
		return len(word) == 2 && shortShape(word) && strings.HasPrefix(rest, ")")
	case directoryCode:
		return len(word) == 3 && allHex(word)
	case signalCode:
		return len(word) <= 2 && allDigits(word)
	case longCode:
		return len(word) <= 6 && shortShape(word) || hexCode(word)
	}
	return len(word) <= 5 && shortShape(word) || hexCode(word)
}

// applicationSize is how long the code of an application is that s begins with, as stands behind words for codes: PAY-1001, E1001. 0: there is none.
func applicationSize(s string) int {
	letters := 0
	for letters < len(s) && isUpper(s[letters]) {
		letters++
	}
	from := letters
	if from < len(s) && (s[from] == '-' || s[from] == '_') {
		from++
	}
	end := from
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if letters == 0 || letters > 8 || end == from || end-from > 6 || numberedThings[s[:letters]] || wordAfter(s[end:]) {
		return 0
	}
	return end
}

func failedStatus(word string) bool {
	return len(word) == 3 && (word[0] == '4' || word[0] == '5') && allDigits(word)
}

func shortShape(word string) bool { return word == strings.ToUpper(word) }

func hexCode(word string) bool {
	return len(word) <= len("0x80070005") && strings.HasPrefix(word, "0x") && allHex(word[2:])
}

// isCode says whether a word with digits is a code that tells problems apart. end is where it ends.
func (n *normalizer) isCode(word string, end int) bool {
	rest := n.in[end:]
	if len(rest) > 1 && strings.IndexByte(".:-,/", rest[0]) >= 0 && isDigit(rest[1]) {
		return false // an address, a time
	}
	if n.code == longCode && applicationSize(word) > 0 {
		return true
	}
	negative := len(n.out) > 0 && n.out[len(n.out)-1] == '-'
	switch {
	case failedStatus(word) && (phrased(word, rest) || n.opens() && statusCode.is(word, rest) || phrases[word] != "" && n.answered(rest)), n.leads(word, rest), n.opens() && n.numberOf(word, rest):
		return true
	case n.code == returnCode && negative:
		return len(word) <= 4 && allDigits(word)
	case n.code == errorCode && strings.HasSuffix(string(n.out[max(len(n.out)-2, 0):]), ": ") && len(rest) > 1 && rest[0] == ' ' && isLower(rest[1]):
		return false // Error: 17 rows
	}
	return n.code.is(word, rest)
}

// opens says whether the message of an exception or an error begins, whose name was written last: HTTPError: 404, ApiError(429, OperationalError: (1205.
func (n *normalizer) opens() bool {
	text := string(n.out[max(len(n.out)-len("Exception: ("), 0):])
	text = strings.TrimSuffix(text, "(")
	return thrown(strings.TrimSuffix(text, ": ")) && (strings.HasSuffix(text, ": ") || n.out[len(n.out)-1] == '(')
}

// numberOf says whether a number is the first argument of an exception of Python, and its text the second: (1205, 'Lock wait timeout exceeded').
func (n *normalizer) numberOf(word, rest string) bool {
	return allDigits(word) && len(word) <= 5 && n.out[len(n.out)-1] == '(' && (strings.HasPrefix(rest, ", '") || strings.HasPrefix(rest, `, "`) || strings.HasPrefix(rest, ", b'"))
}

// answered says whether a status is all that an error says behind a request: POST http://shop.internal/orders/17: 404.
func (n *normalizer) answered(rest string) bool {
	request, colon := strings.CutSuffix(string(n.out[max(len(n.out)-quotedReach, 0):]), ": ")
	return rest == "" && colon && strings.Contains(request[strings.LastIndexByte(request, ' ')+1:], "/")
}

// mailReply is the length of a reply of a mail server and its enhanced code (RFC 3463), which begin with the same digit: 550 5.1.1,
// 452-4.2.2. 0: there is none.
func mailReply(s string) int {
	const reply = len("550 ")
	if len(s) <= reply || s[0] < '2' || s[0] > '5' || s[0] == '3' || s[0] != s[reply] || s[reply-1] != ' ' && s[reply-1] != '-' || !allDigits(s[:reply-1]) {
		return 0
	}
	end, digits, dots := reply, 0, 0
	for ; end < len(s); end++ {
		switch {
		case isDigit(s[end]):
			digits++
		case s[end] == '.' && dots < 2 && digits > 0 && end+1 < len(s) && isDigit(s[end+1]):
			digits, dots = 0, dots+1
		case dots < 2 || isWord(s[end]) || s[end] == '.' && end+1 < len(s) && isDigit(s[end+1]):
			return 0
		default:
			return end
		}
		if digits > 3 || dots == 0 && digits > 1 {
			return 0
		}
	}
	if dots < 2 {
		return 0
	}
	return end
}

// leads says whether a code stands where a message begins: E1001: declined, [PAY-1001] declined, [404] during. One with digits among its
// letters is an id, such as that of a mail in a queue (DD7D18D675: bounced), but for the few names that have some (B2B1001: declined), and so is the
// number of a thing (ORD-1001: already shipped), and one of five digits that is none of the few systems' that have so many (TNS-12541: no listener).
func (n *normalizer) leads(word, rest string) bool {
	if len(rest) > 0 && rest[0] == ']' && failedStatus(word) {
		return n.begins(len(n.out)-1) && n.out[len(n.out)-1] == '['
	}
	closed := strings.HasPrefix(rest, "]")
	if !closed && !strings.HasPrefix(rest, ": ") {
		return false
	}
	letters := strings.TrimRight(word, "0123456789")
	digits := len(word) - len(letters)
	if digits < 3 || digits > 5 {
		return false
	}
	most := 4
	from := len(n.out)
	if letters == "" {
		from--
		if from < 0 || n.out[from] != '-' {
			return false
		}
		end := from
		for from > 0 && isUpper(n.out[from-1]) {
			from--
		}
		letters = string(n.out[from:end])
	}
	if fiveDigits[letters] {
		most = 5
	}
	if closed {
		if from--; from < 0 || n.out[from] != '[' {
			return false
		}
	}
	if letters == "" || len(letters) > 8 || digits > most || numberedThings[letters] || letters != strings.ToUpper(letters) || !isUpper(letters[0]) || !n.begins(from) {
		return false
	}
	return !strings.ContainsAny(letters, "0123456789") || technical[strings.ToLower(letters)]
}

// fiveDigits are the names before codes of five digits, numberedThings those before the numbers of things.
var (
	fiveDigits     = set(`ORA TNS PLS IMP EXP LRM RMAN SP JBO MSG DIA CRS PRC ERR SQLSTATE`)
	numberedThings = set(`ORD ORDER SO PO INV INVOICE SKU CUST CUSTOMER CN RMA RET RO SHIP SHP TRK PKG JOB TASK TICKET REQ TXN TX ACC ACCT USER USR ITEM PROD CASE BATCH LOT PR MR ID NO NR`)
)

// begins says whether a message begins at a place of what was written: at its start or behind a colon.
func (n *normalizer) begins(at int) bool {
	return at == 0 || at > 1 && string(n.out[at-2:at]) == ": "
}

// phrased says whether an HTTP status is followed by what it means, or by the first word of it if that is long.
func phrased(status, rest string) bool {
	phrase, is := phrases[status]
	rest, blank := strings.CutPrefix(rest, " ")
	if !is || !blank {
		return false
	}
	if strings.HasPrefix(rest, "Client Error") || strings.HasPrefix(rest, "Server Error") { // of requests, where the server gives no phrase
		return true
	}
	if word, _, _ := strings.Cut(phrase, " "); len(word) >= 5 {
		phrase = word
	}
	return strings.HasPrefix(rest, phrase)
}

// phrases are those of RFC 9110 and its like, and of what proxies add to them.
var phrases = map[string]string{
	"400": "Bad Request", "401": "Unauthorized", "402": "Payment Required", "403": "Forbidden", "404": "Not Found", "405": "Method Not Allowed", "406": "Not Acceptable",
	"407": "Proxy Authentication Required", "408": "Request Timeout", "409": "Conflict", "410": "Gone", "411": "Length Required", "412": "Precondition Failed",
	"413": "Request", "414": "Request", "415": "Unsupported Media Type", "416": "Requested Range", "417": "Expectation Failed", "421": "Misdirected Request",
	"422": "Unprocessable Entity", "423": "Locked", "424": "Failed Dependency", "425": "Too Early", "426": "Upgrade Required", "428": "Precondition Required", "429": "Too Many Requests",
	"431": "Request Header Fields Too Large", "451": "Unavailable For Legal Reasons", "499": "Client Closed Request", "500": "Internal Server Error", "501": "Not Implemented", "502": "Bad Gateway",
	"503": "Service Unavailable", "504": "Gateway", "505": "HTTP Version Not Supported", "507": "Insufficient Storage", "508": "Loop Detected", "511": "Network Authentication Required", "494": "Request Header", "495": "SSL Certificate Error", "496": "SSL Certificate Required", "497": "HTTP Request Sent", "498": "Invalid Token",
	"525": "SSL Handshake Failed", "526": "Invalid SSL Certificate", "527": "Railgun Error", "530": "Site Is Frozen", "598": "Network Read Timeout", "599": "Network Connect Timeout",
	"520": "Web Server", "521": "Web Server", "522": "Connection Timed Out", "523": "Origin Is Unreachable", "524": "A Timeout Occurred", "529": "Site Is Overloaded",
}
