//go:build synctests

package sim

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
)

// heldKeys is a world whose members hold keys.
func heldKeys() Setup {
	// Of several brokers, whose answers come in any order.
	return Setup{Brokers: 3, Latency: [2]time.Duration{0, 40 * time.Millisecond}, Config: consumer.Config{
		HoldKey: true, Delivery: consumer.ExactlyOnceRouting, SessionTimeout: 20 * time.Second, Breaker: breaker.Config{Disabled: true},
	}}
}

// TestKeyIsHeldWhileItsRecordIsRetried lets a record fail three times: those behind it wait until it is done, and then run in
// their order; a record of another key is handled at once.
func TestKeyIsHeldWhileItsRecordIsRetried(t *testing.T) {
	run(t, heldKeys(), func(w *World) {
		w.Join()
		w.Sleep(20 * time.Second)
		first := &Record{Key: []byte("a"), Fate: Fate{Kind: Fail, Times: 3}}
		w.Produce(first)
		w.Sleep(100 * time.Millisecond)
		var behind []*Record
		for i := range 5 {
			behind = append(behind, &Record{Key: []byte("a"), Fate: Fate{Kind: Fail, Times: i % 2}})
		}
		other := &Record{Key: []byte("b")}
		w.Produce(append(behind, other)...)
		w.Sleep(time.Second)
		if n := len(w.Calls(other)); n != 1 {
			t.Errorf("the other key had %d calls within a second, want 1", n)
		}
		w.Sleep(30 * time.Second)
		if n := len(w.Calls(behind[0])); n != 0 {
			t.Errorf("a record was called %d times while the one before it is retried", n)
		}
	}, settled(t))
}

// TestKeyOpensAfterADeadLetter lets a record die: those behind it run then.
func TestKeyOpensAfterADeadLetter(t *testing.T) {
	run(t, heldKeys(), func(w *World) {
		w.Join()
		w.Sleep(20 * time.Second)
		w.Produce(&Record{Key: []byte("a"), Fate: Fate{Kind: Fail, Times: ForEver}}, &Record{Key: []byte("a")}, &Record{Key: []byte("a"), Fate: Fate{Kind: Bury}}, &Record{Key: []byte("a")})
		w.Sleep(5 * time.Minute)
	}, settled(t))
}

func settled(t *testing.T) func(*History, *Report) {
	return func(h *History, r *Report) {
		if !h.Settled {
			t.Errorf("not settled: %s", h.Unsettled)
		}
		if r.Exercised[Ordered]["records held behind another"] == 0 {
			t.Error("no record was held behind another")
		}
	}
}

// TestHeldKeysOutliveACrashAtEveryStep kills the member at each request that moves records between their topics, the first times
// that the request is seen: whoever has its partitions next finds out which keys are held.
func TestHeldKeysOutliveACrashAtEveryStep(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.Produce, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.OffsetCommit} {
		for nth := 1; nth <= 5 && (nth == 1 || key != kmsg.InitProducerID); nth += 2 {
			t.Run(fmt.Sprintf("%s %d", key.Name(), nth), func(t *testing.T) {
				run(t, heldKeys(), func(w *World) {
					m := w.Join()
					w.Sleep(20 * time.Second)
					seen := 0
					w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
						if p, ok := r.(*kmsg.ProduceRequest); ok && p.TransactionID == nil {
							return true // what the simulation itself produces
						}
						if seen++; seen == nth {
							m.Crash()
						}
						return true
					}})
					for i := range 3 {
						inLine(w, i)
						w.Sleep(2 * time.Second)
					}
					if seen < nth {
						t.Errorf("%s was seen %d times", key.Name(), seen)
					}
					w.Join().mustMeasureWithin(t, time.Minute, "redeliver_unread_keys_partitions")
					inLine(w, 3)
					w.Sleep(2 * time.Minute)
				}, settled(t))
			})
		}
	}
}

// inLine produces records of few keys, of which some fail, so that most stand behind another.
func inLine(w *World, round int) {
	for i := range 30 {
		f := Fate{Work: time.Duration(i%3) * 10 * time.Millisecond}
		switch {
		case i%7 == 0 && round == 0: // for longer than it takes until a member that died is given up
			f.Kind, f.Times, f.Delay = Ask, 1, 70*time.Second
		case i%7 == 0:
			f.Kind, f.Times = Fail, 1+(i+round)%3
		case i == 11 && round == 1:
			f.Kind, f.Times = Fail, ForEver
		}
		w.Produce(&Record{Partition: int32(i % 3), Key: fmt.Append(nil, "key-", i%2), Fate: f})
	}
}

// TestHeldKeysOutliveACrashWhileTheyAreRead kills the successor of a member that was killed, while it reads which keys are held,
// and its successor too.
func TestHeldKeysOutliveACrashWhileTheyAreRead(t *testing.T) {
	for nth := 1; nth <= 7; nth++ {
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			run(t, heldKeys(), func(w *World) {
				m := w.Join()
				w.Sleep(20 * time.Second)
				inLine(w, 0)
				w.Sleep(500 * time.Millisecond)
				seen, reads := nth, w.parkReads() // until somebody reads
				w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets, kmsg.Fetch}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
					if !reads(r) {
						return true
					}
					if seen++; seen == nth {
						m.Crash()
					}
					return true
				}})
				m.Crash()
				for range 2 {
					seen = 0
					m = w.Join()
					w.Sleep(time.Minute)
					inLine(w, 1)
					if seen < nth {
						t.Errorf("the park topic was read %d times", seen)
					}
				}
				seen = nth
				w.Join()
				w.Sleep(2 * time.Minute)
			}, settled(t))
		})
	}
}

// parkReads returns what reports whether a request asks for the ends of a park topic, or for what is in it.
func (w *World) parkReads() func(kmsg.Request) bool {
	return w.readsOf(w.h.Terms.RetryTopic(w.h.Terms.Sources[0], parkName))
}

// readsOf is that for a topic.
func (w *World) readsOf(topic string) func(kmsg.Request) bool {
	found, err := w.Admin.ListTopics(w.ctx, topic)
	if err != nil || found.Error() != nil {
		w.abort("look for %s: %v", topic, errors.Join(err, found.Error()))
	}
	id := found[topic].ID
	return func(r kmsg.Request) bool {
		switch r := r.(type) {
		case *kmsg.ListOffsetsRequest:
			return slices.ContainsFunc(r.Topics, func(t kmsg.ListOffsetsRequestTopic) bool { return t.Topic == topic })
		case *kmsg.FetchRequest:
			return slices.ContainsFunc(r.Topics, func(t kmsg.FetchRequestTopic) bool { return t.Topic == topic || t.TopicID == id })
		}
		return false
	}
}

// TestNothingOvertakesWhatTheScanFinds has a member killed that leaves a record of a key in the park topic, or in a tier, and the topic
// out of reach for a while when another has its partitions: what is fresh waits until it was read.
func TestNothingOvertakesWhatTheScanFinds(t *testing.T) {
	for _, test := range []struct {
		topic         string
		first, second Fate
	}{
		{parkName, Fate{Kind: Fail, Times: 1}, Fate{Work: 20 * time.Second}}, // the second is under way, from the park topic
		{"10s", Fate{Kind: Ask, Times: 1, Delay: 10 * time.Second}, Fate{}},  // the first waits in its tier
	} {
		t.Run(test.topic, func(t *testing.T) {
			run(t, heldKeys(), func(w *World) {
				m := w.Join()
				w.Sleep(20 * time.Second)
				first, second := &Record{Key: []byte("a"), Fate: test.first}, &Record{Key: []byte("a"), Fate: test.second}
				w.Produce(first)
				w.Sleep(100 * time.Millisecond)
				w.Produce(second)
				w.Sleep(5 * time.Second)
				m.Crash()
				fresh := &Record{Key: []byte("a")}
				w.Produce(fresh)
				m = w.Join()
				w.RefuseFetches(w.h.Terms.RetryTopic("orders", test.topic), kerr.KafkaStorageError, 100_000) // for a minute
				w.Sleep(55 * time.Second)
				if n := len(w.Calls(fresh)); n != 0 {
					t.Errorf("the fresh record was called %d times before the topic could be read", n)
				}
				m.mustMeasure(t, "redeliver_unread_keys_partitions")
				w.mustTell(t, "level=INFO", "reading which keys are held: their partitions are not started before", "member=m2")
				w.Sleep(10 * time.Minute)
				w.mustTell(t, "level=INFO", "keys are held", "member=m2")
			}, settled(t))
		})
	}
}
