package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// process is one of the run's own processes. It has a process group of its own, so that Ctrl-C reaches only the driver,
// which ends it by its pid; and it ends when its standard input does, which is when the driver is gone.
type process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader // its standard output
	ended chan struct{} // closed when it has
	err   error         // how; after ended
	log   string        // the file that has its standard error
}

// start starts a role of this program. Its standard error goes to a file of the directory.
func start(dir, role, name string, config any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: exec.Command(self, role, string(text)), ended: make(chan struct{}), log: filepath.Join(dir, name+".log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has it
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Not cmd.StdoutPipe, which Wait closes before all of it has been read.
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }() // the process has it
	p.cmd.Stdout, p.lines = w, bufio.NewReaderSize(out, 1<<16)
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// signal sends a signal; to a process that has ended it sends none.
func (p *process) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s) // it may be ending right now
}

// kill ends it at once, also while it is stopped.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// tell writes a line to its standard input.
func (p *process) tell(line string) error {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return fmt.Errorf("tell %s %q: %w", p.name, line, err)
	}
	return nil
}

// died is an error that says how it ended.
func (p *process) died() error {
	<-p.ended
	return fmt.Errorf("%s ended by itself: %v; its log is %s", p.name, p.err, p.log)
}
