package dlq

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/redeliver/redeliver/classify"
)

// Fingerprint names the problem that an entry died of: entries with one failure class and one error text have the same,
// where numbers, ids, addresses and times in the text do not count. It is the same in every process and release that
// normalizes texts in the same way. The zero Fingerprint is none.
type Fingerprint uint32

// fingerprintLetters of five bits each: a thousand problems have all their own with a probability of 0.9995.
const fingerprintLetters = 6

// Fingerprint returns the entry's.
func (e Entry) Fingerprint() Fingerprint {
	if e.print != 0 {
		return e.print
	}
	return fingerprint(e.State.Class, normalize(e.State.Error))
}

// fingerprint is that of a class and a text that is normalized.
func fingerprint(class classify.Class, text string) Fingerprint {
	sum := fnv.New64a()
	sum.Write([]byte(class.String()))
	sum.Write([]byte{0})
	sum.Write([]byte(text))
	folded := sum.Sum64()
	if f := Fingerprint((folded ^ folded>>30) & (1<<(5*fingerprintLetters) - 1)); f != 0 {
		return f
	}
	return 1
}

// String returns six letters and digits, such as "k3f9qa"; "" for none.
func (f Fingerprint) String() string {
	if f == 0 {
		return ""
	}
	var text [fingerprintLetters]byte
	for i := range text {
		text[i] = tagLetters[f>>(5*(fingerprintLetters-1-i))&31]
	}
	return string(text[:])
}

// MarshalText returns what String does.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is ParseFingerprint.
func (f *Fingerprint) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFingerprint(string(text))
	return err
}

// ParseFingerprint reads what String writes, in upper case too.
func ParseFingerprint(text string) (Fingerprint, error) {
	var f Fingerprint
	for _, letter := range strings.ToLower(text) {
		i := strings.IndexRune(tagLetters, letter)
		if i < 0 || len(text) != fingerprintLetters {
			f = 0
			break
		}
		f = f<<5 | Fingerprint(i)
	}
	if f == 0 {
		return 0, fmt.Errorf("%q is no fingerprint: want six letters and digits as `redeliver dlq stats` shows them, such as k3f9qa", text)
	}
	return f, nil
}
