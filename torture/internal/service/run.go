package service

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// Config is what the service is told.
type Config struct {
	Log  string // the file that it writes to
	Last int    // the attempt that a record which fails for ever dies of
}

// Run serves until ctx ends, or the commands do. The first line that it says has the address that it listens on; after the
// command "call NAME" it says NAME when a call of that member begins, after "failure NAME" when one has failed. From "spare"
// to "release" it lets nobody die, see [Server.Spare].
func Run(ctx context.Context, c Config, commands io.Reader, says io.Writer) error {
	file, err := os.OpenFile(c.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address, err := json.Marshal(struct {
		Address string `json:"address"`
	}{l.Addr().String()})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(says, "%s\n", address); err != nil {
		return err
	}
	s := NewServer(file, func(member string) { fmt.Fprintln(says, member) })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		lines := bufio.NewScanner(commands)
		for lines.Scan() {
			switch command, name, _ := strings.Cut(lines.Text(), " "); command {
			case "spare":
				s.Spare(c.Last)
			case "release":
				s.Spare(0)
			default:
				s.Watch(Watched{name, command == "failure"})
			}
		}
	}()
	return errors.Join(s.Serve(ctx, l), file.Close())
}
