package classify_test

import (
	"strings"
	"testing"

	"github.com/redeliver/redeliver/classify"
)

func TestStatuses(t *testing.T) {
	for _, tt := range []struct {
		texts string
		name  string
		in    []int
		out   []int
	}{
		{"409", "409", []int{409}, []int{408, 410, 0, -409, 1 << 40}},
		{"5xx", "5xx", []int{500, 503, 599}, []int{499, 600}},
		{"1XX", "1xx", []int{100, 199}, []int{99, 200}},
		{"503 409 409", "409/503", []int{409, 503}, []int{500}},
		{"5xx 503 409", "409/5xx", []int{409, 503, 504}, []int{410}},
	} {
		s, err := classify.ParseStatuses(strings.Fields(tt.texts)...)
		if err != nil {
			t.Fatalf("%s: %v", tt.texts, err)
		}
		if s.String() != tt.name {
			t.Errorf("%s: got the name %q, want %q", tt.texts, s, tt.name)
		}
		if again, err := classify.ParseStatuses(s.Names()...); err != nil || again != s {
			t.Errorf("%s: its names give %v, %v", tt.texts, again, err)
		}
		for _, code := range tt.in {
			if !s.Has(code) {
				t.Errorf("%s lacks %d", tt.texts, code)
			}
		}
		for _, code := range tt.out {
			if s.Has(code) {
				t.Errorf("%s has %d", tt.texts, code)
			}
		}
	}
	for _, wrong := range []string{"", "42", "600", "6xx", "5x", "5xxx", "xx", "-1", "4O9"} {
		if s, err := classify.ParseStatuses(wrong); err == nil || !strings.Contains(err.Error(), "like 5xx") {
			t.Errorf("%q: got %v, %v", wrong, s, err)
		}
	}
	if _, err := classify.ParseStatuses(); err == nil {
		t.Error("no status at all is one")
	}
}

func TestStatusesAsSets(t *testing.T) {
	some, all := classify.StatusesOf(503, 504), classify.StatusesOf(503)
	hundred, _ := classify.ParseStatuses("5xx")
	if !hundred.Covers(some) || some.Covers(hundred) || !some.Covers(all) || !all.Covers(classify.Statuses{}) {
		t.Error("Covers is wrong")
	}
	if got := some.Without(all); got != classify.StatusesOf(504) || !all.Without(some).Empty() {
		t.Errorf("Without is wrong: %v", got)
	}
	if some.First() != 503 || (classify.Statuses{}).First() != 0 {
		t.Error("First is wrong")
	}
}
