package breaker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/breaker"
)

func TestDefaults(t *testing.T) {
	want := breaker.Config{
		Window:        30 * time.Second,
		MinimumCalls:  20,
		FailureRate:   0.5,
		SlowCall:      5 * time.Second,
		SlowRate:      1,
		OpenFor:       30 * time.Second,
		HalfOpenCalls: 3,
		HalfOpenFor:   5 * time.Minute,
		SlowStart:     10 * time.Second,

		OpenMultiplier: 1,
		OpenMax:        5 * time.Minute,
		OpenJitter:     -1,
	}
	b, err := breaker.New(breaker.Config{})
	if err != nil || b.Config() != want {
		t.Errorf("got %+v, %v\nwant %+v", b.Config(), err, want)
	}
	// A number of calls takes the place of the time.
	got := breaker.Config{WindowCalls: 7, Window: time.Hour}.WithDefaults()
	if got.Window != 0 || got.WindowCalls != 7 || got.MinimumCalls != 7 {
		t.Errorf("got %+v", got)
	}
	if got := (breaker.Config{WindowCalls: 100}).WithDefaults().MinimumCalls; got != 20 {
		t.Errorf("got %d minimum calls, want 20", got)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		config breaker.Config
		want   string
	}{
		{breaker.Config{Window: time.Microsecond}, "Window is 1µs: give at least 1ms"},
		{breaker.Config{Window: -1}, "Window is -1ns: give at least 1ms"},
		{breaker.Config{WindowCalls: -1}, "WindowCalls is -1: give a number of calls from 1 to 1000000, or 0 for a window of time"},
		{breaker.Config{WindowCalls: 1_000_001}, "WindowCalls is 1000001: give"},
		{breaker.Config{MinimumCalls: -1}, "MinimumCalls is -1: give at least 1"},
		{breaker.Config{MinimumCalls: 30, WindowCalls: 10}, "MinimumCalls is 30, but a window of 10 calls never has as many: give at most 10"},
		{breaker.Config{Failures: -1}, "Failures is -1: give a number of failures in a row, or 0 to turn it off"},
		{breaker.Config{FailureRate: -0.1}, "FailureRate is -0.1: give a part above 0 and up to 1"},
		{breaker.Config{FailureRate: 50}, "FailureRate is 50: give a part above 0 and up to 1"},
		{breaker.Config{SlowRate: 1.5}, "SlowRate is 1.5: give a part above 0 and up to 1"},
		{breaker.Config{OpenFor: -time.Second}, "OpenFor is -1s: give a positive duration"},
		{breaker.Config{OpenMultiplier: 0.5}, "OpenMultiplier is 0.5: give 1, for waits that do not grow, to 100"},
		{breaker.Config{OpenMax: time.Second}, "OpenMax is 1s and below OpenFor, 30s: give at least that"},
		{breaker.Config{OpenJitter: 2}, "OpenJitter is 2: give a part up to 1, or a negative one for none"},
		{breaker.Config{Mode: breaker.Open}, "Mode is open: give Closed, ForcedOpen, Disabled or MetricsOnly"},
		{breaker.Config{Mode: breaker.MetricsOnly, Disabled: true}, "Mode is metrics_only, but Disabled is set: give one of them"},
		{breaker.Config{HalfOpenCalls: -1}, "HalfOpenCalls is -1: give 1 to 10000"},
		{breaker.Config{HalfOpenCalls: 10_001}, "HalfOpenCalls is 10001: give 1 to 10000"},
	} {
		err := tt.config.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "breaker: "+tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v:\ngot  %v\nwant %s", tt.config, err, tt.want)
		}
		if b, err := breaker.New(tt.config); b != nil || err == nil {
			t.Errorf("%+v: a breaker was made of it", tt.config)
		}
	}
	// All that is wrong is told at once.
	err := breaker.Config{Failures: -1, FailureRate: 2, OpenFor: -1}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three mistakes: got %v", err)
	}
}
