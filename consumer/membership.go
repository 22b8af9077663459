package consumer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// membership is this member's claim to its partitions by its own clock. A member that the group does not answer may have
// been given up long before the client learns of it: it starts no call and no hop until it is answered again, so that
// it and the next owner do not both work on the same records.
type membership struct {
	lasts  time.Duration     // without an answer
	change func(lapsed bool) // told on a goroutine of its own
	began  time.Time
	ends   atomic.Int64 // until, after began; 0: there was no answer yet, or it has ended

	mu     sync.Mutex
	until  time.Time // zero: there was no answer yet
	timer  *time.Timer
	lapsed bool
	ended  bool
}

// newMembership makes the claim. It lasts for the session time-out, after which the group gives up who is silent; but at
// least for the drain time, for which it may let us wait in a rebalance.
func newMembership(c *Config, change func(lapsed bool)) *membership {
	m := &membership{lasts: max(c.SessionTimeout, c.Drain), change: change, began: time.Now()}
	m.timer = time.AfterFunc(time.Hour, m.lapse)
	m.timer.Stop()
	return m
}

// OnBrokerE2E implements a hook of the client.
func (m *membership) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if e2e.Err() != nil {
		return
	}
	switch kmsg.Key(key) {
	case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat:
		// From when it was asked: an answer may have waited to be read for as long as this process slept.
		m.answered(time.Now().Add(-e2e.DurationE2E()))
	}
}

// answered says that the group has known us at some time.
func (m *membership) answered(at time.Time) {
	m.mu.Lock()
	until := at.Add(m.lasts)
	left := time.Until(until)
	if m.ended || left <= 0 || until.Before(m.until) {
		m.mu.Unlock()
		return
	}
	m.until = until
	m.ends.Store(int64(until.Sub(m.began)))
	m.timer.Reset(left)
	was := m.lapsed
	m.lapsed = false
	m.mu.Unlock()
	if was {
		go m.change(false)
	}
}

func (m *membership) lapse() {
	m.mu.Lock()
	if m.ended || m.lapsed || time.Now().Before(m.until) { // the timer, and each worker that asks
		m.mu.Unlock()
		return
	}
	m.lapsed = true
	m.mu.Unlock()
	m.change(true)
}

// now reports whether the claim has lapsed.
func (m *membership) now() (lapsed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lapsed
}

// over reports whether the claim is past its time at now, which may be known before it has lapsed.
func (m *membership) over(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.ended && !m.until.IsZero() && now.After(m.until)
}

// end ends the claim for good.
func (m *membership) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	m.ends.Store(0)
	m.timer.Stop()
}

// holds reports whether the claim holds still. It is asked before each call: a process that was stopped for a while finds its
// timers, and what there is to do, at the same time.
func (m *membership) holds() bool {
	if ends := m.ends.Load(); ends == 0 || int64(time.Since(m.began)) <= ends {
		return true
	}
	m.lapse()
	return !m.now()
}
