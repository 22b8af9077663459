package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childDataDir makes the test binary an embedded broker on this directory, for tests that need one in another process.
const childDataDir = "REDELIVER_EMBEDDED_CHILD"

func runChild(dir string) {
	b, err := Start(context.Background(), Config{DataDir: dir, Listen: "127.0.0.1:0", Log: slog.Default()})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(b.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends or kills
	os.Exit(0)
}

// child is an embedded broker in another process.
type child struct {
	addr
	process *exec.Cmd
}

func startChild(t *testing.T, dir string) child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDataDir+"="+dir)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("the broker did not start: %q, %v", line, err)
	}
	return child{addr(strings.TrimSpace(line)), cmd}
}

// kill is a crash: SIGKILL.
func (c child) kill(t *testing.T) {
	t.Helper()
	if err := c.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.process.Wait()
}

// After a SIGKILL all is there that was acknowledged; what was deleted stays deleted, offsets go on where they were, and
// an open transaction is aborted.
func TestSurvivesSIGKILL(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"orders": 1, "retry": 2, "transacted": 1}})
	stop(t, b) // so that what a clean stop leaves behind is there to mislead

	crashed := startChild(t, dir)
	c := connect(t, crashed)
	c.produce("orders", 0, "a", "b")
	c.commit("group", "orders", 0, 1, "")
	c.produce("retry", 0, "a", "b", "c")
	c.produce("retry", 1, "a", "b", "c") // one batch, deleted in part
	c.deleteRecords("retry", 0, 3)
	c.deleteRecords("retry", 1, 2)
	c.transaction("one", kgo.TryCommit, "transacted", "committed")
	connect(t, crashed, kgo.TransactionalID("two")).open("transacted", "open")
	crashed.kill(t)
	c.close()

	for i, round := range []string{"after the crash", "after another stop"} {
		b = start(t, Config{DataDir: dir})
		c = connect(t, b)
		c.produce("transacted", 0, "later") // behind the aborted record, so that there is something to read up to
		if got, want := c.read("orders", 0), []string{"a", "b"}; !cmp.Equal(got, want) {
			t.Errorf("%s: orders: got %v, want %v", round, got, want)
		}
		if at, _ := c.committed("group", "orders", 0); at != 1 {
			t.Errorf("%s: commit: got %d, want 1", round, at)
		}
		if got, want := c.ends("retry"), (map[int32]span{0: {3, 3}, 1: {2, 3}}); !cmp.Equal(got, want, allowSpan) {
			t.Errorf("%s: retry: got %v, want %v", round, got, want)
		}
		if got, want := c.read("transacted", 0, kgo.ReadCommitted()), append([]string{"committed"}, slices.Repeat([]string{"later"}, i+1)...); !cmp.Equal(got, want) {
			t.Errorf("%s: transacted: got %v, want %v", round, got, want)
		}
		c.close()
		stop(t, b)
	}
}

// A data directory has one owner, and the refusal names it. When the owner dies, however it does, the directory is free.
func TestDataDirHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	owner := startChild(t, dir)
	_, err := Start(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"})
	inUse, ok := errors.AsType[*InUseError](err)
	if !ok {
		t.Fatalf("got %v, want an InUseError", err)
	}
	if want := fmt.Sprintf("process %d", owner.process.Process.Pid); !strings.Contains(inUse.Holder, want) {
		t.Errorf("held by %q, want it to name %s", inUse.Holder, want)
	}
	owner.kill(t)
	start(t, Config{DataDir: dir})
}

// A transaction that is open over a clean stop and then a crash is aborted: what the clean stop wrote about it is stale.
func TestTransactionOpenOverStopAndCrash(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"transacted": 1}})
	c := connect(t, b)
	c.produce("transacted", 0, "before")
	connect(t, b, kgo.TransactionalID("one")).open("transacted", "open")
	c.close()
	stop(t, b)
	startChild(t, dir).kill(t)

	c = connect(t, start(t, Config{DataDir: dir}))
	c.produce("transacted", 0, "after")
	if got, want := c.read("transacted", 0, kgo.ReadCommitted()), []string{"before", "after"}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// An entry that was half written when the power failed is cut off, so that what is appended afterwards is found.
func TestTornEntryIsCutOff(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"orders": 1}})
	c := connect(t, b)
	c.commit("group", "orders", 0, 1, "")
	c.close()
	stop(t, b)
	appendTo(t, filepath.Join(dir, brokerDirectory, "groups.log"), "\x40\x00\x00\x00torn")

	crashed := startChild(t, dir)
	c = connect(t, crashed)
	c.commit("group", "orders", 0, 2, "")
	c.close()
	crashed.kill(t)
	c = connect(t, start(t, Config{DataDir: dir}))
	if at, _ := c.committed("group", "orders", 0); at != 2 {
		t.Errorf("commit: got %d, want 2", at)
	}
}

// A batch whose entry in the index was not yet written was never acknowledged, and is cut off: it may have been part of
// a transaction, which only the index tells.
func TestBatchWithoutIndexIsCutOff(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Config{DataDir: dir, Topics: map[string]int32{"transacted": 1}})
	c := connect(t, b)
	c.produce("transacted", 0, "before")
	connect(t, b, kgo.TransactionalID("one")).open("transacted", "unacknowledged")
	c.close()
	stop(t, b)

	partition := filepath.Join(dir, brokerDirectory, "partitions", "transacted-0")
	if err := os.Truncate(filepath.Join(partition, "0.idx"), indexEntrySize); err != nil {
		t.Fatal(err)
	}
	for _, written := range []string{filepath.Join(partition, "snapshot.json"), filepath.Join(dir, brokerDirectory, "session_state.json")} {
		if err := os.Remove(written); err != nil { // a crash would not have written it
			t.Fatal(err)
		}
	}
	c = connect(t, start(t, Config{DataDir: dir}))
	c.produce("transacted", 0, "after")
	if got, want := c.read("transacted", 0), []string{"before", "after"}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func appendTo(t *testing.T, path, content string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
