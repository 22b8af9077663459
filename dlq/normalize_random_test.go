package dlq

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// One fault with random ids is one problem, but for those few of them that could be names. The bounds are groups of a thousand.
func TestRandomIDsAreSeldomTakenForNames(t *testing.T) {
	const ids, decimal, small = 1000, "0123456789", "abcdefghijklmnopqrstuvwxyz"
	r := rand.New(rand.NewPCG(7, 11))
	from := func(alphabet string, n int) func() string {
		return func() string {
			b := make([]byte, n)
			for i := range b {
				b[i] = alphabet[r.IntN(len(alphabet))]
			}
			return string(b)
		}
	}
	encoded := func(encoding *base64.Encoding, size int) func() string {
		return func() string {
			return encoding.EncodeToString([]byte(from("\x00\x1f\x42\x6d\x93\xb4\xd9\xff\x2c\x77\x58\xe3", size)()))
		}
	}
	base36, base62 := decimal+small, decimal+small+strings.ToUpper(small)
	for _, c := range []struct {
		name string
		id   func() string
		most int
	}{
		{"hex of 4", from("0123456789abcdef", 4), 5},
		{"hex of 6", from("0123456789abcdef", 6), 2},
		{"base36 of 6", from(base36, 6), 100},
		{"base36 of 8", from(base36, 8), 50},
		{"base36 of 16, in capitals", from(strings.ToUpper(base36), 16), 5},
		{"base62 of 8", from(base62, 8), 110},
		{"base62 of 11", from(base62, 11), 40},
		{"KSUID", from(base62, 27), 4},
		{"nanoid", from(base62+"-_", 21), 12},
		{"base64url of 16 bytes", encoded(base64.RawURLEncoding, 16), 15},
		{"base64 of 57 bytes", encoded(base64.StdEncoding, 57), 1},
		{"JWT", func() string {
			return "eyJhbGciOiJIUzI1NiJ9." + encoded(base64.RawURLEncoding, 60)() + "." + encoded(base64.RawURLEncoding, 32)()
		}, 1},
	} {
		for _, around := range [...][2]string{{"order ", " not found"}, {`order "`, `" not found`}, {"order-", " not found"}, {"GET /orders/", "/items failed"}} {
			groups := make(map[string]bool)
			for range ids {
				groups[normalize(around[0]+c.id()+around[1])] = true
			}
			if len(groups) > c.most {
				t.Errorf("%s in %q: %d groups, want at most %d", c.name, around, len(groups), c.most)
			}
		}
	}
}

// Names in programs, and of them, are not random.
func TestNamesAreNotRandom(t *testing.T) {
	for name := range strings.FieldsSeq(`PaymentException MySQLError NoClassDefFoundError JDBCConnectionException XMLHttpRequest HTTPSConnectionPool toJSON isASCII OOMKilled getByID
		DeadlineExceeded ECONNREFUSED UNKNOWN_TOPIC_OR_PARTITION httpd nginx mysql postgres kafka zookeeper rabbitmq elasticsearch kubernetes grpc xhtml systemd openssl
		szczegółowy Zahlungsverfügung anticonstitutionnellement decade facade cafe customer_v OffsetAndMetadata InvalidPidMappingException`) {
		if got := normalize(name); got != name {
			t.Errorf("%s is %s", name, got)
		}
	}
}
