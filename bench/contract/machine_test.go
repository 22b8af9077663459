package contract

import "testing"

// What the processors had to do is read of the line that is of all of them; of what is no such line nothing is known.
func TestProcessors(t *testing.T) {
	then := processorsOf("cpu  100 1 50 400 10 0 5 4 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	if want := (processors{570, 410, 4}); then != want {
		t.Fatalf("got %+v, want %+v", then, want)
	}
	now := processorsOf("cpu  200 1 70 460 30 0 5 4 9 9\n")
	if idle, stolen := now.since(then); idle != 0.4 || stolen != 0 {
		t.Errorf("idle %v, stolen %v", idle, stolen)
	}
	now.stolen, now.all = now.stolen+50, now.all+50
	if idle, stolen := now.since(then); idle != 80.0/250 || stolen != 0.2 {
		t.Errorf("idle %v, stolen %v", idle, stolen)
	}
	if idle, stolen := now.since(now); idle != 0 || stolen != 0 {
		t.Errorf("in no time idle %v, stolen %v", idle, stolen)
	}
	for _, other := range []string{"", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3", "cpu 1 2 3 4 5 6 x 8"} {
		if got := processorsOf(other); got != (processors{}) {
			t.Errorf("of %q: %+v", other, got)
		}
	}
}
