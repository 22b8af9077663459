package dlq

import "testing"

// What is kept of originals is bounded: the windows that were not used for longest make room for another one, and a fetch that is larger than all of it stays
// alone.
func TestWindowsAreBounded(t *testing.T) {
	w := newWindows()
	place := func(n int32) originPlace { return originPlace{"orders", n} }
	add := func(n int32, bytes int) {
		w.turn++
		w.keep(place(n), &window{bytes: bytes, used: w.turn})
	}
	for n := range int32(4) {
		add(n, windowsBytes/4)
	}
	if len(w.all) != 4 || w.bytes != windowsBytes {
		t.Fatalf("%d windows of %d bytes", len(w.all), w.bytes)
	}
	w.turn++
	w.all[place(0)].used = w.turn
	add(4, windowsBytes/4)
	if w.all[place(0)] == nil || w.all[place(1)] != nil || w.bytes != windowsBytes {
		t.Errorf("kept are %v, of %d bytes", w.all, w.bytes)
	}
	add(5, 2*windowsBytes)
	if len(w.all) != 1 || w.all[place(5)] == nil || w.bytes != 2*windowsBytes {
		t.Errorf("kept are %v, of %d bytes", w.all, w.bytes)
	}
	w.drop(place(5))
	if w.bytes != 0 {
		t.Errorf("%d bytes of nothing", w.bytes)
	}
}
