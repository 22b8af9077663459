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

// Meter times a contender from its first record to its last, without what starting and ending takes. Begin may be called
// concurrently; the rest by one goroutine at a time.
type Meter struct {
	once  sync.Once
	began atomic.Pointer[reading]

	records int
	used    reading // between the first record and the last
	ended   bool
	figures map[string]float64
}

// reading is what was used by then.
type reading struct {
	at     time.Time
	cpu    time.Duration
	allocs uint64
}

func read() reading {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	objects := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	metrics.Read(objects)
	return reading{time.Now(), time.Duration(u.Utime.Nano() + u.Stime.Nano()), objects[0].Value.Uint64() + objects[1].Value.Uint64()}
}

// Begin marks the first record; only the first call counts.
func (m *Meter) Begin() {
	m.once.Do(func() {
		now := read()
		m.began.Store(&now)
	})
}

// Over says whether the limit of a task is over.
func (m *Meter) Over(limit time.Duration) bool {
	began := m.began.Load()
	return limit > 0 && began != nil && time.Since(began.at) > limit
}

// Elapsed is the time since the first record.
func (m *Meter) Elapsed() time.Duration {
	began := m.began.Load()
	if began == nil {
		return 0
	}
	return time.Since(began.at)
}

// End marks the last record and says how many there were; a later call replaces an earlier one.
func (m *Meter) End(records int) {
	began, now := m.began.Load(), read()
	if began == nil {
		return // Result says so
	}
	m.records, m.ended = records, true
	m.used = reading{cpu: now.cpu - began.cpu, allocs: now.allocs - began.allocs, at: time.Time{}.Add(now.at.Sub(began.at))}
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
		Records: m.records, Seconds: m.used.at.Sub(time.Time{}).Seconds(), CPUSeconds: m.used.cpu.Seconds(),
		PeakBytes: Peak(), Allocations: float64(m.used.allocs), Figures: maps.Clone(m.figures),
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
