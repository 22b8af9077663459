package dlq_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/retrytopics"
)

// faults are forty distinct ones. {n}, {id}, {addr}, {time}, {hex}, {for}, {mail}, {sku} and {pod} differ from one failure to the next.
var faults = strings.Split(strings.TrimSpace(`
*net.OpError: dial tcp {addr}: connect: connection refused
*net.OpError: dial tcp {addr}: i/o timeout
*net.OpError: read tcp {addr}->{addr}: read: connection reset by peer
*net.OpError: write tcp {addr}->{addr}: write: broken pipe
*net.DNSError: lookup payments.internal on {addr}: no such host
*net.DNSError: lookup stock.internal on {addr}: no such host
*url.Error: Post "http://payments.internal:8080/orders/{id}": context deadline exceeded
*url.Error: Post "http://payments.internal:8080/orders/{id}": EOF
*url.Error: Get "http://stock.internal/items/{sku}?at={time}": EOF
*tls.CertificateVerificationError: x509: certificate has expired: current time {time} is after {time}
*webhook.AnswerError: order {id}: status 500 after {for}
*webhook.AnswerError: order {id}: status 502 after {for}
*webhook.AnswerError: order {id}: status 503 after {for}
*webhook.AnswerError: order {id}: status 404 after {for}
*webhook.AnswerError: order {id}: status 409 after {for}
*webhook.AnswerError: request {id} of {mail}: 429 Too Many Requests, try again in {for}
*pgconn.PgError: ERROR: duplicate key value violates unique constraint "orders_pkey" (SQLSTATE 23505): Key (id)=({id}) already exists
*pgconn.PgError: ERROR: insert or update on table "lines" violates foreign key constraint "lines_order" (SQLSTATE 23503): Key (order)=({n})
*pgconn.PgError: ERROR: deadlock detected (SQLSTATE 40P01): process {n} waits for process {n}
*pgconn.PgError: ERROR: canceling statement due to statement timeout (SQLSTATE 57014) after {for}
*mysql.MySQLError: Error 1062 (23000): Duplicate entry '{id}' for key 'PRIMARY'
*mysql.MySQLError: Error 1213 (40001): Deadlock found when trying to get lock at {time}
*status.Error: rpc error: code = Unavailable desc = shard {n} at {addr}
*status.Error: rpc error: code = DeadlineExceeded desc = shard {n} at {addr}
*json.SyntaxError: invalid character '}' looking for beginning of value at offset {n}
*json.UnmarshalTypeError: json: cannot unmarshal string into Go struct field Order.amount of type int64 in {id}
*json.UnmarshalTypeError: json: cannot unmarshal string into Go struct field Order.count of type int32 in {id}
*errors.errorString: customer {mail} is blocked since {time}
*errors.errorString: customer {mail} has no address
*errors.errorString: order "{sku}" not found
*errors.errorString: order "{sku}" was cancelled on {time}
*errors.errorString: amount {n}.{n} is over the limit of {n}
*errors.errorString: item {sku} is out of stock
*errors.errorString: panic: runtime error: index out of range [{n}] with length {n}
*errors.errorString: panic: runtime error: invalid memory address or nil pointer dereference [signal SIGSEGV addr={hex} pc={hex}]
*fs.PathError: open /var/spool/{id}/invoice.pdf: no space left on device
*fs.PathError: open /var/spool/{id}/invoice.pdf: permission denied
*kerr.Error: MESSAGE_TOO_LARGE: {n} bytes for partition {n}
*errors.errorString: pod payments-{pod} was evicted at {time}
com.example.PaymentException: declined by the bank, reference {sku}
`), "\n")

const idLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func letters(r *rand.Rand, from string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[r.IntN(len(from))]
	}
	return string(b)
}

// vary fills a fault with what a failure has of its own, each time in another way of writing it.
func vary(r *rand.Rand, fault string) string {
	hex := func(n int) string { return letters(r, "0123456789abcdef", n) }
	at := time.Unix(1_700_000_000+r.Int64N(90_000_000), r.Int64N(1e9)).UTC()
	pick := func(ways ...string) string { return ways[r.IntN(len(ways))] }
	for strings.Contains(fault, "{") {
		before := fault
		for name, value := range map[string]func() string{
			"{n}": func() string { return fmt.Sprint(r.IntN(1_000_000)) },
			"{id}": func() string {
				return pick(hex(8)+"-"+hex(4)+"-4"+hex(3)+"-a"+hex(3)+"-"+hex(12), fmt.Sprint(r.Int64()), hex(24), hex(8))
			},
			"{hex}": func() string { return "0x" + hex(1+r.IntN(12)) },
			"{addr}": func() string {
				return pick(fmt.Sprintf("10.%d.%d.%d:%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(65536)), fmt.Sprintf("[2001:db8::%x:%s]:%d", r.IntN(65536), hex(4), r.IntN(65536)), "[::1]:443")
			},
			"{time}": func() string {
				return at.Format(pick(time.RFC3339Nano, time.RFC3339, time.RFC1123, time.DateTime, "2006-01-02 15:04:05.999999999 -0700 MST", "02/Jan/2006:15:04:05 -0700", time.RFC850))
			},
			"{for}": func() string { return pick(time.Duration(r.Int64N(3e12)).String(), fmt.Sprintf("%d ms", r.IntN(9999))) },
			"{mail}": func() string {
				return letters(r, idLetters[10:36], 5) + pick(".", "", "+", "_") + letters(r, idLetters[:36], 3) + "x@" + letters(r, idLetters[10:36], 6) + ".example"
			},
			"{sku}": func() string { return "SKU-" + letters(r, "0123456789", 1+r.IntN(9)) },
			"{pod}": func() string { return hex(9) + "-" + letters(r, "bcdfghjklmnpqrstvwxz2456789", 5) },
		} {
			if head, tail, found := strings.Cut(fault, name); found {
				fault = head + value() + tail
			}
		}
		if fault == before {
			panic("unknown name in " + fault)
		}
	}
	return fault
}

// Forty faults whose messages hold random ids, addresses and times are forty problems, none split, none merged.
func TestFortyFaultsAreFortyProblems(t *testing.T) {
	t.Parallel()
	if len(faults) != 40 {
		t.Fatalf("%d faults", len(faults))
	}
	r := rand.New(rand.NewPCG(5, 3))
	prints, texts := make(map[dlq.Fingerprint]int), make(map[dlq.Fingerprint]string)
	for i := range 40 * 500 {
		text := vary(r, faults[i%40])
		e := dlq.Entry{State: retrytopics.State{Class: classify.System, Error: text}}
		print := e.Fingerprint()
		if fault, is := prints[print]; is && fault != i%40 {
			t.Fatalf("one problem:\n%s\n%s", texts[print], text)
		}
		if _, is := prints[print]; !is {
			for other, fault := range prints {
				if fault == i%40 {
					t.Errorf("two problems:\n%s\n%s", texts[other], text)
				}
			}
		}
		prints[print], texts[print] = i%40, text
	}
	if len(prints) != 40 {
		t.Errorf("%d problems of 40 faults", len(prints))
	}
}

// Stats tell the problems, and each can be selected alone.
func TestStatsGroupByProblem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		s := death(int32(i%3), int64(i))
		s.Error = vary(r, faults[[]int{0, 0, 0, 10, 10, 29}[i%6]])
		record := letter(s)
		record.Timestamp = noon.Add(time.Duration(i) * time.Minute)
		b.produce(record)
	}
	q := b.open()
	stats, err := q.Stats(b.ctx(), dlq.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Problems) != 3 {
		t.Fatalf("problems: %+v", stats.Problems)
	}
	first := stats.Problems[0]
	equal(t, "the largest", first.Error, "*net.OpError: dial tcp <*>: connect: connection refused")
	equal(t, "its entries", first.Entries, int64(30))
	equal(t, "its class", first.Class, classify.Network)
	equal(t, "first seen", first.First.UTC(), noon)
	equal(t, "last seen", first.Last.UTC(), noon.Add(56*time.Minute))
	equal(t, "the steps of the trends", stats.Trends, dlq.Trends{Start: noon, Step: 2 * time.Minute})
	var sum int64
	for _, n := range first.Trend {
		sum += n
	}
	equal(t, "entries in the trend", sum, first.Entries)
	equal(t, "steps", len(first.Trend), 30)
	equal(t, "of the first two minutes", first.Trend[0], int64(2))

	example, err := q.Entry(b.ctx(), first.Example)
	if err != nil || example.Fingerprint() != first.Fingerprint {
		t.Errorf("the example %s is of %v: %v", first.Example, example.Fingerprint(), err)
	}
	for _, p := range stats.Problems {
		for _, e := range b.entries(q, dlq.Filter{Fingerprints: []dlq.Fingerprint{p.Fingerprint}}) {
			p.Entries--
			if e.Fingerprint() != p.Fingerprint {
				t.Errorf("%s is among those of %v", e.State.Error, p.Error)
			}
		}
		equal(t, "entries that are not selected", p.Entries, int64(0))
	}
	summary := b.replay(q, dlq.Replay{Filter: dlq.Filter{Fingerprints: []dlq.Fingerprint{first.Fingerprint}}})
	equal(t, "replayed", summary.Done, int64(30))
}

// Trends are told of deaths at any time: of a record without one (-1), and of those around the minute that trends are counted from. Minutes before that
// begin where others do.
func TestTrendsAround1970(t *testing.T) {
	t.Parallel()
	for _, died := range []struct{ first, then, start int64 }{
		{-1, 60_000, -60_000}, {0, 120_000, 0}, {59_999, 59_999, 0}, {0, -1, -60_000}, {-60_001, -1, -120_000}, {0, 1_700_000_000_000, 0}, {-1, 1_700_000_000_000, -1 << 20 * 60_000},
	} {
		b := setup(t)
		ix := b.indexed(filepath.Join(t.TempDir(), "index"), 0)
		for i, at := range []int64{died.first, died.then} {
			record := letter(death(int32(i), 0))
			record.Timestamp = time.UnixMilli(at)
			b.produce(record)
		}
		ix.same(dlq.Filter{})
		stats, err := ix.Stats(b.ctx(), dlq.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint("start of the trends of ", died), stats.Trends.Start, time.UnixMilli(died.start).UTC())
		trend := stats.Problems[0].Trend
		var sum int64
		for _, n := range trend {
			sum += n
		}
		equal(t, fmt.Sprint("entries in the trend of ", died), sum, int64(2))
		if trend[0] == 0 || trend[len(trend)-1] == 0 {
			t.Errorf("the trend of %v does not begin and end with an entry: %v", died, trend)
		}
	}
}
