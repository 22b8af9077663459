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
	base36, letters := decimal+small, small+strings.ToUpper(small)
	base62 := decimal + letters
	for _, c := range []struct {
		name string
		id   func() string
		most int
	}{
		{"hex of 4", from("0123456789abcdef", 4), 5},
		{"hex of 6", from("0123456789abcdef", 6), 2},
		{"base36 of 6", from(base36, 6), 80},
		{"base36 of 8", from(base36, 8), 30},
		{"base36 of 16", from(base36, 16), 3},
		{"base36 of 8, in capitals", from(strings.ToUpper(base36), 8), 45},
		{"base36 of 16, in capitals", from(strings.ToUpper(base36), 16), 5},
		{"letters, 8 of them", from(small, 8), 160},
		{"letters, 16 of them", from(small, 16), 30},
		{"capitals, 16 of them", from(strings.ToUpper(small), 16), 40},
		{"letters of both cases, 8 of them", from(letters, 8), 100},
		{"letters of both cases, 16 of them", from(letters, 16), 4},
		{"letters of both cases, 24 of them", from(letters, 24), 2},
		{"base62 of 8", from(base62, 8), 35},
		{"base62 of 11", from(base62, 11), 12},
		{"base62 of 16", from(base62, 16), 2},
		{"base62 of 24", from(base62, 24), 2},
		{"KSUID", from(base62, 27), 2},
		{"nanoid", from(base62+"-_", 21), 6},
		{"base64url of 16 bytes", encoded(base64.RawURLEncoding, 16), 6},
		{"base64 of 57 bytes", encoded(base64.StdEncoding, 57), 2},
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
		IOUtilsToByteArrayFn KafkaJSNumberOfRetriesExceeded SQLIntegrityConstraintViolationException UniqueViolationError PgError pgconn pgxpool asyncpg aiohttp okhttp pymysql
		mysqldb npmjs kubectl dynamodb cockroachdb sqlalchemy msgpack protobuf logstash haproxy undici redisson hikaricp EHOSTUNREACH EOPNOTSUPP EBADMSG SIGXCPU
		keyboard Rechtschreibung Schwierigkeiten zapisz przekroczono gebruiker vrijdag onmogelijk utilisateur impossibile desconhecido
		szczegółowy Zahlungsverfügung anticonstitutionnellement decade facade cafe customer_v OffsetAndMetadata InvalidPidMappingException`) {
		if got := normalize(name); got != name {
			t.Errorf("%s is %s", name, got)
		}
	}
}
