package breaker_test

import (
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func BenchmarkBreaker(b *testing.B) {
	setup := func(b *testing.B, c breaker.Config) *breaker.Breaker {
		br, err := breaker.New(c)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(br.Close)
		b.ReportAllocs()
		return br
	}
	call := func(br *breaker.Breaker) {
		if p, ok := br.Acquire(); ok {
			br.Record(p, breaker.Success, time.Millisecond)
		}
	}
	b.Run("acquire", func(b *testing.B) {
		br := setup(b, breaker.Config{})
		for b.Loop() {
			br.Acquire()
		}
	})
	b.Run("acquire, parallel", func(b *testing.B) {
		br := setup(b, breaker.Config{})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				br.Acquire()
			}
		})
	})
	b.Run("acquire, open", func(b *testing.B) {
		br := setup(b, breaker.Config{})
		br.Force(breaker.ForcedOpen)
		for b.Loop() {
			br.Acquire()
		}
	})
	b.Run("call, window of time", func(b *testing.B) {
		br := setup(b, breaker.Config{})
		for b.Loop() {
			call(br)
		}
	})
	b.Run("call, window of calls", func(b *testing.B) {
		br := setup(b, breaker.Config{WindowCalls: 1000})
		for b.Loop() {
			call(br)
		}
	})
	b.Run("call, parallel", func(b *testing.B) {
		br := setup(b, breaker.Config{})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				call(br)
			}
		})
	})
	b.Run("500 successes together", func(b *testing.B) {
		br := setup(b, breaker.Config{})
		for b.Loop() {
			br.Successes(500, 0)
		}
	})
}
