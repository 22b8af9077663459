package dlq

import "strings"

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isLetter(c byte) bool { return isLower(c | 0x20) }

const shortestRandom = 6 // letters, of fewer there is no telling

// random says whether letters were drawn and not typed. That has to be 32 times as likely, for words and names are met more often than ids
// without a digit, and 128 times where there are but capitals, which abbreviations are made of; less in both cases, for hardly any long name comes near 1.
func random(letters string) bool {
	if len(letters) < shortestRandom {
		return false
	}
	capitals := true
	for i := range len(letters) {
		if letters[i] >= 0x80 {
			return false
		}
		capitals = capitals && isUpper(letters[i])
	}
	least := -5
	switch {
	case capitals:
		least = -7
	case isMixed(letters):
		least = max(least, min(len(letters)-14, 3))
	}
	return likelihood(letters) <= least
}

// wordLike says whether letters of one case, but for the first, can be a word.
func wordLike(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) {
			return false
		}
	}
	return len(s) > 2 && !isMixed(s) && spoken(s) && likelihood(s) >= 0
}

// words says whether letters are made of words of four letters or more, in capitals or each with a small or a large first one: PAYMENT, orderLines.
func words(s string) bool {
	if likelihood(s) < 2 {
		return false
	}
	for s != "" {
		end := 1
		for end < len(s) && isUpper(s[end]) {
			end++
		}
		if end == 1 {
			for end < len(s) && isLower(s[end]) {
				end++
			}
		}
		if end < 4 || !wordLike(s[:end]) {
			return false
		}
		s = s[end:]
	}
	return true
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
	if likelihood(behind) < 0 || !spoken(behind) || !isUpper(behind[0]) && before[first-1] != 'v' {
		return false
	}
	if first < 3 {
		return before == strings.ToUpper(before) && len(behind) > 3
	}
	return likelihood(before) >= 0
}

// scrap says whether a part of what hyphens and the like divide can be one of a random id, and is no word.
func scrap(part string) bool {
	return len(part) < 3 || isMixed(part) && likelihood(part) < 0 || kindOf(part) == idWord
}

func isJoint(c byte) bool { return c == '-' || c == '_' || c == '+' }
