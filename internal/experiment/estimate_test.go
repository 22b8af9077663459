package experiment

import (
	"math"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

var noJob classify.Job

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// From the tables of statistics: t(0.975) and the normal quantile.
func TestQuantiles(t *testing.T) {
	near(t, "normal", normal(0.05), 1.959964, 1e-6)
	near(t, "normal", normal(0.01), 2.575829, 1e-6)
	for freedom, want := range map[float64]float64{9: 2.262157, 20: 2.085963, 63: 1.998341, 1000: 1.962339} {
		near(t, "t", student(normal(0.05), freedom), want, 2e-4)
	}
	near(t, "t of a small chance", student(normal(0.001), 30), 3.645959, 2e-3)
}

// Intervals that may be looked at again and again are wider than those for one look, and not by much where they are tightest.
func TestAnytime(t *testing.T) {
	for _, n := range []float64{100, 1000, 10_000, 1e6} {
		if z := anytime(n, 0.05); z < 2.9 || z > 4.5 {
			t.Errorf("at %v: %v", n, z)
		}
	}
}

// Wilson's interval for 81 of 263, from Newcombe (1998), table I: 0.2553 to 0.3662.
func TestWilson(t *testing.T) {
	i := share{value: 81.0 / 263, n: 263, freedom: 1e9, ok: true}.interval(normal(0.05), 1)
	near(t, "low", i.Low, 0.2553, 5e-5)
	near(t, "high", i.High, 0.3662, 5e-5)
	none := share{value: 0, n: 20, freedom: 1e9, ok: true}.interval(normal(0.05), 1)
	near(t, "low of none", none.Low, 0, 0)
	near(t, "high of none", none.High, 0.1611, 5e-5)
}

// Newcombe's interval for 56/70 - 48/80, from his (1998) comparison of eleven methods: 0.0524 to 0.3339.
func TestDifference(t *testing.T) {
	of := func(n, all float64) *Interval {
		return share{value: n / all, n: all, freedom: 1e9, ok: true}.interval(normal(0.05), 1)
	}
	d := difference(of(56, 70), of(48, 80))
	near(t, "value", d.Value, 0.2, 1e-9)
	near(t, "low", d.Low, 0.0524, 5e-5)
	near(t, "high", d.High, 0.3339, 5e-5)
}

func TestQuantileOfBins(t *testing.T) {
	all := []Bin{{From: 1, To: 2, Count: 10}, {From: 4, To: 8, Count: 10}}
	near(t, "a quarter", quantile(all, 20, 0.25), 1.5, 1e-9)
	near(t, "three quarters", quantile(all, 20, 0.75), 6, 1e-9)
	near(t, "all", quantile(all, 20, 1), 8, 1e-9)
}
