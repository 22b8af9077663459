package telemetry

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/redeliver/redeliver/consumer"
)

const (
	// nativeSchema says that native buckets grow by the eighth root of two, as those of [consumer.Histogram] do.
	nativeSchema, perDoubling = 3, 8
	// classicFrom and classicTo are the logarithms of the first and the last bound of classic buckets, which are the powers of two:
	// 61 microseconds and 1024 seconds.
	classicFrom, classicTo = -14, 10
)

// bothHistogram is sent with native buckets for those who ask for them, and with classic buckets for the others.
type bothHistogram struct {
	prometheus.Metric
	classic []*dto.Bucket
}

// newHistogram returns the metric of a histogram, whose bounds are those of every consumer.Histogram or none.
func newHistogram(d *prometheus.Desc, h consumer.Histogram, labels []string) prometheus.Metric {
	var (
		both      bothHistogram
		native    = make(map[int]int64)
		zero, sum uint64
		threshold = math.Exp2(classicFrom) // of a histogram that has counted nothing yet
		at        int                      // the native bucket's index: its upper bound is 2^(at/perDoubling)
	)
	for i, n := range h.Counts {
		sum += n
		switch {
		case i == 0 && len(h.Bounds) > 0:
			at, zero, threshold = nativeIndex(h.Bounds[0]), n, h.Bounds[0]
		case i < len(h.Bounds):
			at = nativeIndex(h.Bounds[i])
		default:
			at++ // what is beyond the last bound
		}
		if i > 0 && n > 0 {
			native[at] = int64(n)
		}
		if i < len(h.Bounds) && at%perDoubling == 0 && at >= classicFrom*perDoubling && at <= classicTo*perDoubling {
			bound, below := h.Bounds[i], sum
			both.classic = append(both.classic, &dto.Bucket{UpperBound: &bound, CumulativeCount: &below})
		}
	}
	var err error
	both.Metric, err = prometheus.NewConstNativeHistogram(d, h.Total, h.Sum, native, nil, zero, nativeSchema, threshold, time.Time{}, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return both
}

func nativeIndex(bound float64) int { return int(math.Round(math.Log2(bound) * perDoubling)) }

// Write adds the classic buckets to the native ones.
func (h bothHistogram) Write(out *dto.Metric) error {
	if err := h.Metric.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket, out.Histogram.CreatedTimestamp = h.classic, nil
	return nil
}
