package adaptive

import (
	"testing"
	"time"
)

// told is what a step tells spells about: a failure, or the success of a retry.
type told struct {
	at, from  int // seconds; from: the failure before, negative: there was none
	succeeded bool
}

func TestRecordsKnowTheAgeOfTheOutageTheyFailedIn(t *testing.T) {
	second := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	for name, c := range map[string]struct {
		told  []told
		first int // when the record that is asked about failed first
		want  int // by how much its outage is older, in seconds
	}{
		"nothing failed before":                 {nil, 10, 0},
		"others have failed since":              {[]told{{0, -1, false}, {4, -1, false}, {8, 0, false}}, 8, 8},
		"it is the first":                       {[]told{{3, -1, false}, {6, -1, false}}, 3, 0},
		"nothing failed for a time":             {[]told{{0, -1, false}, {30, -1, false}}, 30, 0},
		"a long outage may be silent longer":    {[]told{{0, -1, false}, {4, -1, false}, {8, -1, false}, {15, -1, false}, {28, -1, false}}, 28, 28},
		"a retry ended it":                      {[]told{{0, -1, false}, {4, 0, true}, {5, -1, false}}, 5, 0},
		"it failed in the one before":           {[]told{{0, -1, false}, {2, -1, false}, {4, 0, true}, {5, -1, false}}, 2, 2},
		"a retry shows that it had not ended":   {[]told{{0, -1, false}, {2, -1, false}, {4, 0, true}, {5, -1, false}, {6, 2, false}}, 6, 6},
		"a retry of an earlier outage says nil": {[]told{{0, -1, false}, {30, -1, false}, {31, 0, true}, {32, -1, false}}, 32, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var s spells
			for _, one := range c.told {
				from := time.Time{}
				if one.from >= 0 {
					from = second(one.from)
				}
				if one.succeeded {
					s.succeeded(from)
				} else {
					s.failed(second(one.at), from)
				}
			}
			if got, want := s.older(second(c.first)), time.Duration(c.want)*time.Second; got != want {
				t.Errorf("the outage is older by %v, want %v", got, want)
			}
		})
	}
}
