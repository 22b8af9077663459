package dlq

import "strings"

// followers are the letters that stand after each letter in words: 98 of 100 pairs of letters in English words and in the names
// of programs are among these, of letters that are drawn at random less than half.
var followers = func() (masks [26]uint32) {
	for pair := range strings.FieldsSeq(`a:bcdefgiklmnprstuvwxy b:abeilorsuy c:acehiklmorstuy d:adegilorsuy e:abcdefghiklmnopqrstuvwxy f:aefilorstuy g:aeghilnorstu
		h:aeimnorstuy i:abcdefglmnoprstvxz j:aeou k:aeilnosuy l:adefiklostuvy m:abeilmopsuy n:acdefgiklmnopstuvy o:abcdefgiklmnoprstuvwx p:aehiloprstuy q:u
		r:abcdefgiklmnoprstuvy s:acehiklmnopqstuwy t:acdehilmoprstuwxy u:abcdefgilmnoprst v:aeio w:aehilnors x:aceipt y:aeilmnopst z:aeioyz`) {
		for i := len("a:"); i < len(pair); i++ {
			masks[pair[0]-'a'] |= 1 << (pair[i] - 'a')
		}
	}
	return masks
}()

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isLetter(c byte) bool { return isLower(c | 0x20) }

// disorder counts the pairs of characters in s that stand side by side, and those of them that names seldom have: letters that
// do not follow each other in words, a digit beside a letter, and a capital after a part of fewer than three letters.
func disorder(s string) (odd, pairs int) {
	part := 1 // letters or digits since the last change
	for i := 1; i < len(s); i++ {
		a, b := s[i-1], s[i]
		switch {
		case isLower(a) && isUpper(b):
			if part < 3 {
				odd++
			}
			part = 0
		case isLetter(a) && isLetter(b):
			if followers[a|0x20-'a']>>(b|0x20-'a')&1 == 0 {
				odd++
			}
		case isLetter(a) && isDigit(b) || isDigit(a) && isLetter(b):
			odd++
			part = 0
		case !isDigit(a) || !isDigit(b): // what parts the words of a name
			pairs--
			part = 0
		}
		pairs++
		part++
	}
	return odd, pairs
}

const shortestRandom = 6 // letters, of fewer there is no telling

// random says whether letters were drawn and not typed: three of their pairs in ten are odd, and four where there are but capitals, which
// abbreviations are made of; two pairs at least, and three where there are capitals within.
func random(letters string) bool {
	if len(letters) < shortestRandom {
		return false
	}
	small, large := 0, 0 // letters but for the first
	for i := 1; i < len(letters); i++ {
		switch c := letters[i]; {
		case isLower(c):
			small++
		case c >= 0x80:
			return false
		default:
			large++
		}
	}
	odd, pairs := disorder(letters)
	switch {
	case large == 0:
		return odd >= 2 && odd*10 >= pairs*3
	case small == 0:
		return odd >= 2 && odd*10 >= pairs*4
	}
	return odd >= 3 && odd*10 >= pairs*3
}

// wordLike says whether letters of one case, but for the first, can be a word.
func wordLike(s string) bool {
	odd, pairs := disorder(s)
	return len(s) > 2 && odd == 0 && pairs == len(s)-1 && !isDigit(s[0]) && (s[1:] == strings.ToLower(s[1:]) || s == strings.ToUpper(s)) && spoken(s)
}

// named says whether a word with a number of one or two digits within is a name that somebody typed: one to two capitals or a word
// before it, and behind it a word with a capital, or any behind the "v" of a version: S3Client, OAuth2Service, orderv2api.
func named(word string) bool {
	first := strings.IndexAny(word, "0123456789")
	last := first + 1
	if last < len(word) && isDigit(word[last]) {
		last++
	}
	if first == 0 || last > len(word)-3 || allHex(word) || strings.ContainsAny(word[last:], "0123456789") {
		return false
	}
	before, behind := word[:first], word[last:]
	odd, pairs := disorder(behind)
	if odd > 0 && (odd > 1 || pairs < 6) || !spoken(behind) || !isUpper(behind[0]) && before[first-1] != 'v' {
		return false
	}
	if first < 3 {
		return before == strings.ToUpper(before) && len(behind) > 3
	}
	odd, pairs = disorder(before)
	return odd == 0 || odd == 1 && pairs > 3
}

// scrap says whether a part of what hyphens and the like divide can be one of a random id, and is no word.
func scrap(part string) bool {
	if len(part) < 3 {
		return true
	}
	odd, pairs := disorder(part)
	return odd*4 >= pairs && part[1:] != strings.ToLower(part[1:]) && part != strings.ToUpper(part) || kindOf(part) == idWord
}

func isJoint(c byte) bool { return c == '-' || c == '_' || c == '+' }
