//go:build unix

package demo

import (
	"os"
	"os/signal"
	"syscall"
)

// suspensions tells when somebody presses Ctrl-Z, until stop.
func suspensions() (pressed <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTSTP)
	return c, func() { signal.Stop(c) }
}

// suspend stops the process, and returns when it is continued.
func suspend() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) == nil {
		<-continued // for this goroutine may run on for a moment
	}
}
