package dlq

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordKind says what a word may be.
type wordKind uint8

const (
	plainWord wordKind = iota // of a language, or a name in a program
	numbered                  // a plain word and a number: node17
	idWord                    // a number, or letters and digits that say nothing
)

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWord: ASCII letters and digits, and all of the runes beyond ASCII.
func isWord(c byte) bool { return wordBytes[c] }

// wordBytes and mailBytes, of words and of names in addresses, are looked up for every byte of a text, often more than once.
var wordBytes, mailBytes = func() (word, mail [256]bool) {
	for i := range word {
		c := byte(i)
		word[i] = isDigit(c) || isLetter(c) || c >= 0x80
		mail[i] = word[i] || strings.IndexByte("._%+-", c) >= 0
	}
	return word, mail
}()

// wordSize is the length of the word that s begins with. Scripts that have no blanks between words have none between a word and
// a number either: there it ends, and at signs that are of no word.
func wordSize(s string) int {
	end := 0
	for end < len(s) && s[end] < 0x80 && isWord(s[end]) {
		end++
	}
	for end < len(s) && s[end] >= 0x80 {
		r, size := utf8.DecodeRuneInString(s[end:])
		if apart(r) != (end > 0 && apartBefore(s[:end])) && end > 0 {
			return end
		}
		end += size
		for end < len(s) && s[end] < 0x80 && isWord(s[end]) && !apart(r) {
			end++
		}
	}
	return end
}

func apartBefore(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return apart(r)
}

// apart says whether a rune beyond ASCII is of no word with letters and digits beside it: of a script of South East or East Asia, or of none, as arrows,
// dashes and quotation marks are.
func apart(r rune) bool {
	return r >= 0x0E00 && r < 0x1100 || r >= 0x2E80 && r != utf8.RuneError || r >= 0xA0 && r < 0x2E80 && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
}

// wordBefore and wordAfter say whether what stands right before, and right behind, is of a word with an ASCII letter or digit.
func wordBefore(s string) bool {
	return s != "" && isWord(s[len(s)-1]) && (s[len(s)-1] < 0x80 || !apartBefore(s))
}

func wordAfter(s string) bool {
	if s == "" || s[0] < 0x80 {
		return s != "" && isWord(s[0])
	}
	r, _ := utf8.DecodeRuneInString(s)
	return !apart(r)
}

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func allHex(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

// kindOf says what a word of letters and digits is.
func kindOf(word string) wordKind {
	if thrown(word) {
		return plainWord
	}
	first, last := 0, len(word)
	for ; first < last && !isDigit(word[first]); first++ {
	}
	if first == last {
		// Words of a language that are hex digits throughout are shorter, but for a handful.
		if len(word) > 3 && allHex(word) && !hexWords[strings.ToLower(word)] || random(word) && !technical[strings.ToLower(word)] {
			return idWord
		}
		return plainWord
	}
	if len(word) <= longestTechnical && technical[strings.ToLower(word)] {
		return plainWord
	}
	if standard(word, first) || named(word) {
		return plainWord
	}
	for ; last > 0 && isDigit(word[last-1]); last-- {
	}
	if first > 0 && first == last && !allHex(word) && typed(word[:first]) {
		return numbered
	}
	return idWord
}

// thrown says whether a word is the name of what a program throws: Http2Exception, X509Error.
func thrown(word string) bool {
	return strings.HasSuffix(word, "Exception") || strings.HasSuffix(word, "Error") || strings.HasSuffix(word, "Fault") || strings.HasSuffix(word, "Failure")
}

// standard says whether a word names a standard, a message of one or an error of a system: ISO20022, SQL0803N. letters is how many
// stand before its first digit.
func standard(word string, letters int) bool {
	digits := strings.TrimRight(word[letters:], "N")
	return letters > 1 && letters <= len("AADSTS") && len(digits) <= 5 && allDigits(digits) && standards[word[:letters]]
}

// typed says whether letters before a number are a word.
func typed(letters string) bool {
	return spoken(letters) && likelihood(letters) >= -1 && kindOf(letters) == plainWord
}

// spoken says whether letters can be spoken, as random ones seldom can: three or more, with a vowel, and with no more than
// three consonants in a row.
func spoken(word string) bool {
	vowels, row := 0, 0
	for i := range len(word) {
		if isVowel(word[i]) {
			vowels, row = vowels+1, 0
		} else if row++; row > 3 {
			return false
		}
	}
	return len(word) >= 3 && vowels > 0
}

// unspoken says whether letters are of those that Kubernetes names pods with, which has no vowels among them.
func unspoken(word string) bool {
	for i := range len(word) {
		if isVowel(word[i]) || word[i] < 'a' || word[i] > 'z' {
			return false
		}
	}
	return len(word) == 5 && !technical[word]
}

func isVowel(c byte) bool { return c >= 0x80 || strings.IndexByte("aeiouyAEIOUY", c) >= 0 }

const longestTechnical = len("complex128")

func set(words string) map[string]bool {
	all := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		all[word] = true
	}
	return all
}

var (
	// technical words have digits that are no numbers, or letters that seldom stand together.
	technical = set(`utf8 utf16 utf32 utf8mb4 ucs2 latin1 int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
		sha1 sha2 sha224 sha256 sha384 sha512 md5 crc32 crc32c base32 base64 ipv4 ipv6 tcp4 tcp6 udp4 udp6 ip4 ip6 x509 x86 amd64 arm64 oauth1 oauth2
		http1 http2 http3 h2 h2c s3 ec2 e2e b2b b2c k8s k3s i18n l10n a11y win32 win64 pkcs1 pkcs7 pkcs8 pkcs11 pkcs12 p12 tls1 ssl2 ssl3 lz4 zstd1
		bzip2 log4j neo4j mp3 mp4 h264 h265 web3 db2 utf7 ed25519 p256 p384 p521 secp256k1 x25519 iso8601 rfc3339 rfc1123 rfc2822 ascii7
		https grpcs pgsql xmlns jdbcs isascii toascii rabbitmq okhttp okhttp3 pymysql mysqldb npmjs
		awssdk npgsql webmvc mockmvc slf4j log4j2 r2dbc pyodbc pyyaml uvloop httplib2 kafkajs bullmq openpyxl pdfbox hsqldb c3p0 ojdbc8 etcdctl mkdocs mqttnet
		wkhtmltopdf ebadf httpx boto3 urllib3 psycopg2 e11000 rs256 hs256 es256 libssh2 i386`)
	// standards and systems whose messages and errors go by their name and a number of one to five digits.
	standards = set(`ISO RFC MT SQL HL GS ERR AADSTS`)
	hexWords  = set(`abcd abed accede acceded aced added aead baaed babe bade bead beaded bedded bede beebe beef beefed cabbed cafe cede ceded dabbed dacca dada dded dead deaf decade decaf decca deced deed deeded deface defaced ebbed ebcd edda efface effaced fabaceae facade face faced fade faded feed`)

	months = set(`Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec January February March April June July August September October November December`)
	days   = set(`Mon Tue Wed Thu Fri Sat Sun Monday Tuesday Wednesday Thursday Friday Saturday Sunday`)
	// units follow a number after a space; zones a time.
	units = set(`ns us µs ms msec s sec secs second seconds m min mins minute minutes h hour hours d day days nanoseconds microseconds millisecond milliseconds
		dBm B kB KB MB GB TB KiB MiB GiB TiB byte bytes
		UTC GMT Z CET CEST EST EDT CST CDT MST MDT PST PDT BST IST JST AM PM am pm`)
)
