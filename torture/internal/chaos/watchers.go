package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/redeliver/redeliver/torture/internal/verify"
)

// serviceProcess is the service that handlers call.
type serviceProcess struct {
	*process
	address string
	seen    chan string // the watched member, when what is watched for has come
}

// Listening is the first line of the service.
type Listening struct {
	Address string `json:"address"`
}

func startService(dir string, config any) (*serviceProcess, error) {
	p, err := start(dir, "service", "service", config)
	if err != nil {
		return nil, err
	}
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		return nil, errors.Join(p.died(), err)
	}
	var l Listening
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, fmt.Errorf("the service says %q: %w", line, err)
	}
	s := &serviceProcess{process: p, address: l.Address, seen: make(chan string, 16)}
	go func() {
		lines := bufio.NewScanner(p.lines)
		for lines.Scan() {
			select {
			case s.seen <- lines.Text():
			default: // nobody waits for it any more
			}
		}
	}()
	return s, nil
}

// verifierProcess is the verifier.
type verifierProcess struct {
	*process
	answers chan verify.Report

	mu   sync.Mutex
	last verify.Report
}

func startVerifier(dir string, config any) (*verifierProcess, error) {
	p, err := start(dir, "verify", "verifier", config)
	if err != nil {
		return nil, err
	}
	v := &verifierProcess{process: p, answers: make(chan verify.Report, 1)}
	v.last.Lag = -1
	go func() {
		lines := json.NewDecoder(p.lines)
		for {
			var r verify.Report
			if lines.Decode(&r) != nil {
				return // it has ended, which others notice
			}
			v.mu.Lock()
			v.last = r
			v.mu.Unlock()
			if r.Done != "" {
				v.answers <- r
			}
		}
	}()
	return v, nil
}

// latest is how far the run is.
func (v *verifierProcess) latest() verify.Report {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last
}

// ask gives a command and waits until it is done. One asks at a time.
func (v *verifierProcess) ask(ctx context.Context, command string) (verify.Report, error) {
	if err := v.tell(command); err != nil {
		return verify.Report{}, err
	}
	select {
	case r := <-v.answers:
		if r.Error != "" {
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-v.ended:
		return verify.Report{}, v.died()
	case <-ctx.Done():
		return verify.Report{}, ctx.Err()
	}
}
