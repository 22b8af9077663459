package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// cluster is Apache Kafka on three nodes, run by scripts/kafka.
type cluster struct {
	script string
	name   string
	log    *os.File // what the script says
	nodes  []string // addresses
}

const nodes = 3

// startCluster starts one under a name of its own.
func startCluster(ctx context.Context, script, dir string) (*cluster, error) {
	log, err := os.Create(filepath.Join(dir, "kafka.log"))
	if err != nil {
		return nil, err
	}
	c := &cluster{script: script, name: fmt.Sprintf("torture-%d", os.Getpid()), log: log}
	if err := c.do(ctx, "start", "--nodes", fmt.Sprint(nodes), "--port", "0"); err != nil {
		return c, err
	}
	addresses, err := c.command(ctx, "brokers").Output()
	if err != nil {
		return c, fmt.Errorf("%s brokers: %w", script, err)
	}
	c.nodes = strings.Split(strings.TrimSpace(string(addresses)), ",")
	return c, nil
}

// stop stops it, and removes its data unless its logs are wanted.
func (c *cluster) stop(keep bool) error {
	command := "remove"
	if keep {
		command = "stop"
	}
	err := c.do(context.Background(), command)
	_ = c.log.Close() // of what is printed on errors
	return err
}

// do runs a command of the script.
func (c *cluster) do(ctx context.Context, args ...string) error {
	cmd := c.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s %s: %w; see %s", c.script, strings.Join(args, " "), err, c.log.Name())
	}
	return nil
}

func (c *cluster) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.script, append([]string{"--name", c.name}, args...)...)
	cmd.Env = append(os.Environ(), "REDELIVER_KAFKA_HEAP="+heap)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is the driver's
	return cmd
}

// heap is that of each node.
const heap = "256m"

// logs is the directory that has the nodes' logs.
func (c *cluster) logs() string {
	out, err := c.command(context.Background(), "directory").Output()
	if err != nil {
		return "the directory of " + c.script
	}
	return strings.TrimSpace(string(out))
}
