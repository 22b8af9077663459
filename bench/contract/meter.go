package contract

import (
	"errors"
	"maps"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Meter times a contender from the end of its head to its last record, without what starting and ending takes. Begin may be called concurrently; the
// rest by one goroutine at a time.
//
// The head is the first fiftieth of the records, or what was handled within a second of the first one where that is less. It is not counted, for the first
// fetch is decoded before the first record is handed over, and is large or small as the client has it. A contender that has no head, because it handled all
// before it could be seen or nothing after it, counts from its first record.
type Meter struct {
	once  sync.Once
	first atomic.Pointer[reading] // at the first record

	began   *reading // after the head; nil: it is not over
	head    int      // records
	records int
	used    reading // since then, or since the first record
	idle    float64 // share of the processors' time, see Result
	stolen  float64
	ended   bool
	figures map[string]float64
}

const (
	headShare = 50
	headTime  = time.Second
)

// reading is what was used by then.
type reading struct {
	at     time.Time
	cpu    time.Duration
	allocs uint64

	processors
}

func read() reading {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	objects := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	metrics.Read(objects)
	return reading{time.Now(), time.Duration(u.Utime.Nano() + u.Stime.Nano()), objects[0].Value.Uint64() + objects[1].Value.Uint64(), readProcessors()}
}

// Begin marks the first record; only the first call counts.
func (m *Meter) Begin() {
	m.once.Do(func() {
		now := read()
		m.first.Store(&now)
	})
}

// Saw says that n of a task's records are handled by now. It is called often while they are: after each poll, or each millisecond.
func (m *Meter) Saw(n, of int) {
	if m.PastHead(n, of) {
		m.CountFrom(n)
	}
}

// PastHead reports whether the head is over with n of a task's records, and is to be told of by CountFrom.
func (m *Meter) PastHead(n, of int) bool {
	first := m.first.Load()
	return m.began == nil && first != nil && n > 0 && n < of && (n*headShare >= of || time.Since(first.at) >= headTime)
}

// CountFrom ends the head, of n records.
func (m *Meter) CountFrom(n int) {
	now := read()
	m.began, m.head = &now, n
}

// Over says whether the limit of a task is over, which is one on the time that counts.
func (m *Meter) Over(limit time.Duration) bool {
	began := m.began
	if began == nil {
		began = m.first.Load()
	}
	return limit > 0 && began != nil && time.Since(began.at) > limit
}

// Elapsed is the time since the first record.
func (m *Meter) Elapsed() time.Duration {
	first := m.first.Load()
	if first == nil {
		return 0
	}
	return time.Since(first.at)
}

// CPU is what the process has used since the first record.
func (m *Meter) CPU() time.Duration {
	first := m.first.Load()
	if first == nil {
		return 0
	}
	return read().cpu - first.cpu
}

// End marks the last record and says how many there were with the head's; a later call replaces an earlier one.
func (m *Meter) End(records int) {
	began, now := m.first.Load(), read()
	if began == nil {
		return // Result says so
	}
	if m.began != nil && records > m.head {
		began = m.began
	} else {
		m.head = 0
	}
	m.records, m.ended = records-m.head, true
	m.used = reading{cpu: now.cpu - began.cpu, allocs: now.allocs - began.allocs, at: time.Time{}.Add(now.at.Sub(began.at))}
	m.idle, m.stolen = now.since(began.processors)
}

// Figure notes a figure of the scenario's own.
func (m *Meter) Figure(name string, value float64) {
	if m.figures == nil {
		m.figures = make(map[string]float64)
	}
	m.figures[name] = value
}

// Result returns what was measured.
func (m *Meter) Result() (Result, error) {
	if !m.ended {
		return Result{}, errors.New("no record came")
	}
	return Result{
		Records: m.records, Head: m.head, Seconds: m.used.at.Sub(time.Time{}).Seconds(), CPUSeconds: m.used.cpu.Seconds(),
		PeakBytes: Peak(), Allocations: float64(m.used.allocs), Counted: true, Idle: m.idle, Stolen: m.stolen, Figures: maps.Clone(m.figures),
	}, nil
}

// Peak is the most memory that this program has had resident. The kernel's other figure, that of getrusage, begins with the
// memory of the process that started it.
func Peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64) // the kernel writes numbers
				return kib << 10
			}
		}
	}
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return u.Maxrss << 10
}
