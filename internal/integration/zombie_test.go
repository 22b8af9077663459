//go:build unix

package integration_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// A member that hangs, as one does whose machine was suspended, is given up by its group. When it goes on, in the
// middle of calls for partitions that have another owner by now, what it still does moves no commit back and loses
// nothing; it joins again and gets its share.
func TestMemberHangsAndGoesOn(t *testing.T) {
	t.Parallel()
	const partitions, records, window = 12, 5000, 500
	c := &crash{bundle: setup(t, partitions), dir: t.TempDir(), window: window, fates: make(map[string]string)}
	first, second := c.process("first", false), c.process("second", false)
	c.balanced(2, partitions, c.source)
	c.load(records)
	c.awaitCalls(second, records/20)
	second.signal(syscall.SIGSTOP)
	c.balanced(1, partitions, c.source) // it is given up when its session is over
	c.load(records / 5)                 // whose records the survivor alone handles
	c.settled()

	before := kafkatest.Committed(t, c.group)
	second.signal(syscall.SIGCONT)
	c.balanced(2, partitions, c.source)
	c.load(records / 5)
	c.settled()
	for topic, partitions := range kafkatest.Committed(t, c.group) {
		for p, at := range partitions {
			if at < before[topic][p] {
				t.Errorf("fenced: the commit of %s/%d went back from %d to %d", topic, p, before[topic][p], at)
			}
		}
	}
	c.verify()
	first.stop()
	second.stop()
}

// resume lets a process that was stopped end: until then it takes no signal but SIGKILL.
func resume(p *process) { _ = p.cmd.Process.Signal(syscall.SIGCONT) } // it may have ended

// signal sends the process a signal.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(fmt.Errorf("signal %v to %s: %w", s, p.config.Name, err))
	}
}
