package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/redeliver/redeliver/torture/internal/member"
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
	c := &cluster{script: script, name: fmt.Sprintf("%s%d", clusterName, os.Getpid()), log: log}
	if err := c.stopOrphans(ctx); err != nil {
		return nil, errors.Join(err, log.Close())
	}
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

// clusterName begins the clusters' names; behind it stands the driver's process id.
const clusterName = "torture-"

// stopOrphans stops the clusters of drivers that were killed before they could do it themselves.
func (c *cluster) stopOrphans(ctx context.Context) error {
	directory, err := c.directory()
	if err != nil {
		return err
	}
	others, err := os.ReadDir(filepath.Dir(directory))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // where there has been no cluster yet
		return err
	}
	for _, other := range others {
		text, ours := strings.CutPrefix(other.Name(), clusterName)
		pid, err := strconv.Atoi(text)
		if !ours || err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		orphan := &cluster{script: c.script, name: other.Name(), log: c.log}
		if err := orphan.do(ctx, "stop"); err != nil {
			return err
		}
	}
	return nil
}

// stop stops it, and removes it, but for the logs if they are wanted.
func (c *cluster) stop(keep bool) error {
	defer func() { _ = c.log.Close() }() // of what is printed on errors
	if !keep {
		return c.do(context.Background(), "remove")
	}
	err := c.do(context.Background(), "stop")
	directory, unknown := c.directory()
	if err = errors.Join(err, unknown); err != nil {
		return err
	}
	for n := range nodes {
		err = errors.Join(err, os.RemoveAll(filepath.Join(directory, fmt.Sprintf("node-%d", n+1), "data")))
	}
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
	cmd.Env = append(os.Environ(), "REDELIVER_KAFKA_HEAP="+heap, "REDELIVER_KAFKA_CONFIG="+settings)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is the driver's
	return cmd
}

// heap is that of each node.
const heap = "256m"

// settings give members of the KIP-848 protocol, whose session is the brokers' to say, the session of the others.
var settings = fmt.Sprintf("group.consumer.min.session.timeout.ms=%[1]d\ngroup.consumer.session.timeout.ms=%[1]d\n"+
	"group.consumer.min.heartbeat.interval.ms=1000\ngroup.consumer.heartbeat.interval.ms=1000", member.SessionTimeout.Milliseconds())

// directory has the nodes' data and logs.
func (c *cluster) directory() (string, error) {
	out, err := c.command(context.Background(), "directory").Output()
	if err != nil {
		return "", fmt.Errorf("%s directory: %w", c.script, err)
	}
	return strings.TrimSpace(string(out)), nil
}
