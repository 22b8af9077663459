package fleet

import (
	"reflect"
	"testing"
	"time"
)

// FuzzDecode reads what anybody may write to the topic: it ends without a panic, and what is taken is a record that can be written
// again, and applied.
func FuzzDecode(f *testing.F) {
	for _, r := range []record{
		{subject: subject{name: "d"}, kind: kindOpen, Wait: time.Second, Suspected: true, Why: "50 % of 20 calls", By: "host:1"},
		{subject: subject{name: "a/b"}, kind: kindClose, Episode: 7},
		{subject: subject{name: "d"}, kind: kindProbe, Episode: 7, Member: "m", Lease: time.Second, Early: true},
		{subject: subject{name: "d"}, kind: kindOrder, Order: KeepOpen, By: "ann"},
		{subject: subject{pipeline: true, name: "g"}, kind: kindOrder, Order: Resume, Admit: 3, Pipeline: "orders"},
	} {
		f.Add(r.key(), r.value())
	}
	f.Add([]byte("breaker//open"), []byte(`{"v":1}`))
	f.Add([]byte("breaker/d/open"), []byte(`{"v":2}`))
	f.Add([]byte("breaker/d/close"), []byte(`{"v":1}`))
	f.Add([]byte("breaker/d/probe"), []byte(`{"v":1,"episode":-1,"lease_ms":-5}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := decode(key, value)
		if err != nil {
			if !reflect.DeepEqual(r, record{}) {
				t.Fatalf("%v, and %+v", err, r)
			}
			return
		}
		again, err := decode(r.key(), r.value())
		if err != nil || string(r.key()) != string(key) {
			t.Fatalf("%q %q: cannot be read again: %v", key, r.value(), err)
		}
		// Texts may lose a character that is cut, and times what is less than a millisecond.
		if again.subject != r.subject || again.kind != r.kind || again.Episode != r.Episode || again.Lease != r.Lease || again.Wait != r.Wait || again.Order != r.Order {
			t.Fatalf("%+v became %+v", r, again)
		}
		s := newState()
		s.apply(0, time.Unix(0, 0), r)
		s.apply(1, time.Unix(1, 0), again)
		s.Breakers()
		s.Pipelines()
	})
}

func TestWhatIsNotOurs(t *testing.T) {
	good := record{subject: subject{name: "d"}, kind: kindClose, Episode: 7}
	for _, tt := range []struct{ name, key, value string }{
		{"another key", "something", `{"v":1}`},
		{"no name", "breaker/close", `{"v":1,"episode":7}`},
		{"an unknown kind", "breaker/d/smash", `{"v":1}`},
		{"a pipeline's breaker", "pipeline/g/open", `{"v":1}`},
		{"a later version", string(good.key()), `{"v":2,"episode":7}`},
		{"no version", string(good.key()), `{"episode":7}`},
		{"no JSON", string(good.key()), `open`},
		{"no episode", string(good.key()), `{"v":1}`},
		{"a lease for ever", "breaker/d/probe", `{"v":1,"episode":7,"member":"m","lease_ms":1e18}`},
		{"a lease of nobody", "breaker/d/probe", `{"v":1,"episode":7,"lease_ms":1000}`},
		{"an order that is none", "breaker/d/order", `{"v":1,"order":"pause"}`},
		{"too large", string(good.key()), `{"v":1,"episode":7,"why":"` + string(make([]byte, maxValue)) + `"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r, err := decode([]byte(tt.key), []byte(tt.value)); err == nil {
				t.Errorf("was read as %+v", r)
			}
		})
	}
	if _, err := decode(good.key(), nil); err == nil {
		t.Error("a tombstone was read")
	}
	if _, err := decode(good.key(), good.value()); err != nil {
		t.Error(err)
	}
	if got := string(good.value()); got != `{"v":1,"episode":7}` {
		t.Errorf("it is written as %s", got)
	}
}
