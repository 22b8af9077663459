package fate

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Header is the header that a record's fate stands in.
const Header = "torture-fate"

// Week is how much older than now the timestamps of some records are.
const Week = 7*24*time.Hour + time.Hour

const (
	hotKeys  = 16   // that a fifth of the records have, so that records of one key meet
	heldKeys = 400  // instead, where keys are held: a record in seven keeps its key for seconds, and no more would come than can go
	coldKeys = 4000 // of the rest
)

// Records are those of a run.
type Records struct {
	Seed uint64
	Held bool // for members that hold keys
}

// Make makes the record of that number, as it is produced at a time. Everything but its timestamp follows from seed and
// number.
func (all Records) Make(number int, now time.Time) *kgo.Record {
	rng := rand.New(rand.NewPCG(all.Seed, uint64(number)))
	f := of(rng, number)
	r := &kgo.Record{Key: all.key(rng), Value: value(rng), Timestamp: now.Truncate(time.Millisecond)}
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: Header, Value: []byte(f.String())})
	r.Headers = append(r.Headers, more(rng)...)
	if rng.IntN(50) == 0 {
		r.Timestamp = r.Timestamp.Add(-Week)
	}
	return r
}

// of draws a fate. One record in seven does not succeed at once.
func of(rng *rand.Rand, number int) Fate {
	f := Fate{Number: number, Work: time.Duration(1+rng.IntN(12)) * time.Millisecond}
	if rng.IntN(1000) == 0 {
		f.Work = time.Duration(300+rng.IntN(1200)) * time.Millisecond
	}
	switch d := rng.IntN(1000); {
	case d < 80:
		f.Kind, f.Times = Fail, 1
	case d < 95:
		f.Kind, f.Times = Fail, 2
	case d < 105:
		f.Kind, f.Times = Fail, 3
	case d < 113:
		f.Kind = FailEver
	case d < 118:
		f.Kind = Refuse
	case d < 128:
		f.Kind, f.Times = Snooze, 1+rng.IntN(2)
	case d < 134:
		f.Kind = Ask
	case d < 137:
		f.Kind = AskFar
	case d < 147:
		f.Kind = Drop
	}
	return f
}

func (all Records) key(rng *rand.Rand) []byte {
	hot := hotKeys
	if all.Held {
		hot = heldKeys
	}
	switch d := rng.IntN(100); {
	case d < 3:
		return nil
	case d < 20:
		return fmt.Appendf(nil, "hot-%d", rng.IntN(hot))
	default:
		return fmt.Appendf(nil, "key-%d", rng.IntN(coldKeys))
	}
}

func value(rng *rand.Rand) []byte {
	size := 60 + rng.IntN(80)
	switch rng.IntN(200) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		size = 4 << 10
	}
	v := make([]byte, size)
	for i := 0; i+8 <= len(v); i += 8 {
		binary.LittleEndian.PutUint64(v[i:], rng.Uint64())
	}
	return v
}

// more draws further headers: duplicates, a null, a job header that travels, and on some those that a producer may not
// set, which must not be believed.
func more(rng *rand.Rand) (headers []kgo.RecordHeader) {
	add := func(key string, value []byte) { headers = append(headers, kgo.RecordHeader{Key: key, Value: value}) }
	if rng.IntN(4) == 0 {
		add("twice", []byte("a"))
		add("none", nil)
		add("twice", fmt.Appendf(nil, "%d", rng.IntN(1000)))
	}
	if rng.IntN(10) == 0 {
		add(tenant, fmt.Appendf(nil, "t%d", rng.IntN(10)))
	}
	if rng.IntN(50) == 0 {
		add("redeliver-attempt", []byte("99"))
		add("redeliver-due", fmt.Appendf(nil, "%d", time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()))
		add("redeliver-group", []byte("somebody-else"))
	}
	return headers
}

const tenant = "redeliver-tenant"

// Find returns the fate that the headers carry.
func Find(headers []kgo.RecordHeader) (Fate, error) {
	for _, h := range headers {
		if h.Key == Header {
			return Parse(string(h.Value))
		}
	}
	return Fate{}, fmt.Errorf("the record has no header %s", Header)
}

// Sum adds up what must not change on any way: key, value, the producer's headers in their order, and the timestamp. It
// tells null from empty.
func Sum(key, value []byte, headers []kgo.RecordHeader, timestamp time.Time) uint64 {
	h := fnv.New64a()
	part := func(b []byte) {
		var size [8]byte
		n := uint64(len(b)) + 1
		if b == nil {
			n = 0
		}
		binary.LittleEndian.PutUint64(size[:], n)
		_, _ = h.Write(size[:]) // a hash takes everything
		_, _ = h.Write(b)
	}
	part(key)
	part(value)
	for _, header := range headers {
		// What a producer of this load sets under the product's prefix and what the product itself sets cannot be told
		// apart, but for the one that travels.
		if strings.HasPrefix(header.Key, "redeliver-") && header.Key != tenant {
			continue
		}
		part([]byte(header.Key))
		part(header.Value)
	}
	var ms [8]byte
	binary.LittleEndian.PutUint64(ms[:], uint64(timestamp.UnixMilli()))
	part(ms[:])
	return h.Sum64()
}
