package contract

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Wait returns when so long has passed, as a call does that waits for the answer of a service: the kernel says when. A sleep of Go is woken by the
// network poller, which waits for whole milliseconds, so that it takes up to one more where anything else wakes that meanwhile, as a client's
// connections do. Threads of a JVM sleep as exactly as this. It is safe for concurrent use, and fails where no more files may be opened.
func Wait(d time.Duration) error {
	if d <= 0 {
		return nil // which would stop the timer
	}
	t, ok := timers.Get().(*timer)
	if !ok {
		var err error
		if t, err = newTimer(); err != nil {
			return err
		}
	}
	defer timers.Put(t)
	return t.wait(d)
}

// timers are those that nobody waits for.
var timers sync.Pool

// timer is one of the kernel's, read like a connection.
type timer struct {
	fd   int
	file *os.File // of fd, and closes it
	due  [8]byte
}

func newTimer() (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &timer{fd: fd, file: os.NewFile(uintptr(fd), "timer")}, nil
}

func (t *timer) wait(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	if err := unix.TimerfdSettime(t.fd, 0, &spec, nil); err != nil {
		return os.NewSyscallError("timerfd_settime", err)
	}
	_, err := t.file.Read(t.due[:])
	return err
}
