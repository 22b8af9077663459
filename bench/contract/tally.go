package contract

import "sync/atomic"

// Tally counts in as many places as there are partitions, up to 256, so that these do not share a cache line: every contender in Go counts alike.
// Its methods may be called concurrently; its zero value has counted nothing.
type Tally struct{ counts [256]padded }

type padded struct {
	n atomic.Int64
	_ [56]byte
}

// Add counts n more of a partition, and reports whether these are its first.
func (s *Tally) Add(partition int32, n int) (first bool) {
	return s.counts[partition&255].n.Add(int64(n)) == int64(n)
}

// Total is what was counted of all partitions.
func (s *Tally) Total() (n int) {
	for i := range s.counts {
		n += int(s.counts[i].n.Load())
	}
	return n
}
