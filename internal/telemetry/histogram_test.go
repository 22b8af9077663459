package telemetry

import (
	"math"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/redeliver/redeliver/consumer"
)

// engineHistogram is one with the bounds that the engine's have.
func engineHistogram(counts map[float64]uint64, beyond uint64) consumer.Histogram {
	var h consumer.Histogram
	for k := -17 * 8; k <= 15*8; k++ {
		bound := math.Exp2(float64(k) / 8)
		h.Bounds = append(h.Bounds, bound)
		h.Counts = append(h.Counts, counts[bound])
		h.Total += counts[bound]
	}
	h.Counts = append(h.Counts, beyond)
	h.Total += beyond
	return h
}

func written(t *testing.T, h consumer.Histogram) *dto.Histogram {
	t.Helper()
	var m dto.Metric
	if err := newHistogram(handlerSeconds, h, []string{"orders"}).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Histogram
}

func TestAHistogramHasNativeAndClassicBuckets(t *testing.T) {
	h := written(t, engineHistogram(map[float64]uint64{math.Exp2(-17): 2, 0.5: 3, 1: 10, math.Exp2(1. / 8): 4, 2: 1}, 7))

	// Native: span offsets are gaps between used buckets, deltas differences of their counts.
	native := make(map[int]int64)
	var at, count int64
	next := 0
	for _, span := range h.PositiveSpan {
		at += int64(span.GetOffset())
		for range span.GetLength() {
			count += h.PositiveDelta[next]
			native[int(at)] = count
			at++
			next++
		}
	}
	for index, want := range map[int]int64{-8: 3, 0: 10, 1: 4, 8: 1, 15*8 + 1: 7} {
		if native[index] != want {
			t.Errorf("native bucket %d: got %d, want %d", index, native[index], want)
		}
	}
	if h.GetSchema() != 3 || h.GetZeroCount() != 2 || h.GetZeroThreshold() != math.Exp2(-17) || h.GetSampleCount() != 27 {
		t.Errorf("schema %d, %d up to %v, %d in all; want 3, 2 up to 2^-17, 27", h.GetSchema(), h.GetZeroCount(), h.GetZeroThreshold(), h.GetSampleCount())
	}

	classic := make(map[float64]uint64)
	for _, b := range h.Bucket {
		classic[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	for bound, want := range map[float64]uint64{math.Exp2(-14): 2, 0.5: 5, 1: 15, 2: 20, 1024: 20} {
		if got, ok := classic[bound]; !ok || got != want {
			t.Errorf("classic bucket %v: got %d, want %d", bound, got, want)
		}
	}
	if len(classic) != 25 {
		t.Errorf("%d classic buckets, want 25: every power of two from 2^-14 to 2^10", len(classic))
	}
}

// Without observations it is a native histogram all the same, or its first one would be another kind of series.
func TestAHistogramThatHasCountedNothingIsNative(t *testing.T) {
	for name, h := range map[string]consumer.Histogram{"counted nothing": engineHistogram(nil, 0), "not begun": {}} {
		if got := written(t, h); got.GetZeroThreshold() <= 0 || got.GetSampleCount() != 0 {
			t.Errorf("%s: zero threshold %v, %d in all", name, got.GetZeroThreshold(), got.GetSampleCount())
		}
	}
}
