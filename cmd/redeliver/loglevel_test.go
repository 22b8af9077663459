package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/internal/config"
)

func TestEachPipelineLogsFromItsOwnLevelOn(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		l := newLogs(&config.Config{Log: config.Log{Level: "info", Format: format}, Pipelines: []config.Pipeline{{Name: "orders"}, {Name: "clicks"}}}, &out)
		l.SetLevel("orders", slog.LevelDebug)
		l.SetLevel("clicks", slog.LevelWarn)
		l.pipelines["orders"].With("n", 1).WithGroup("g").Debug("orders in detail", "a", "b")
		l.pipelines["clicks"].Info("clicks as always")
		l.pipelines["clicks"].Warn("clicks in trouble")
		l.process.Debug("the process in detail")
		l.process.Info("the process as always")
		for text, want := range map[string]bool{
			"orders in detail": true, "clicks as always": false, "clicks in trouble": true, "the process in detail": false, "the process as always": true,
		} {
			if got := strings.Contains(out.String(), text); got != want {
				t.Errorf("%s: %q is logged: %v, want %v", format, text, got, want)
			}
		}
		if l.pipelines["clicks"].Enabled(context.Background(), slog.LevelInfo) {
			t.Error("what is not logged is made up all the same")
		}
	}
}

func TestTheLevelOfARunningPipelineIsChanged(t *testing.T) {
	c := cluster(t)
	file := configFile(t, pipelineOn(c.ListenAddrs())+"admin: {listen: '"+freeAddress(t)+"'}\n")
	r := startRun(t, "-c", file)
	r.log.await(t, "partitions assigned")
	if strings.Contains(r.log.String(), "level=DEBUG") {
		t.Error("debug is logged before it was asked for")
	}
	run(t, "log-level", "debug", "--dry-run", "-c", file).want(t, exitDone, "would change the log level of pipeline orders")
	run(t, "log-level", "debug", "-c", file).want(t, exitDone, "pipeline orders logs from debug on (it was info), until the process ends")
	r.log.await(t, `change="log level" pipeline=orders level=DEBUG before=INFO`)
	run(t, "log-level", "orders", "warn", "-c", file).want(t, exitDone, "from warn on (it was debug)")
	run(t, "log-level", "clicks", "warn", "-c", file).want(t, exitFailed, "clicks")
	run(t, "log-level", "loud", "-c", file).want(t, exitUsage, `"loud" is no level`)
	run(t, "log-level", "-c", file).want(t, exitUsage, "needs a level")
}

// Who pauses a pipeline is told where only errors are logged, too: nobody hides what he does by the level.
func TestChangesAreLoggedWhateverTheLevelIs(t *testing.T) {
	listen := freeAddress(t)
	file := configFile(t, pipelineOn(cluster(t).ListenAddrs())+"admin: {listen: '"+listen+"'}\nlog: {level: error}\n")
	r := startRun(t, "-c", file)
	awaitReady(t, listen)
	run(t, "log-level", "error", "-c", file).want(t, exitDone)
	run(t, "pause", "-c", file).want(t, exitDone)
	for _, change := range []string{`change="log level"`, "change=pause"} {
		if !strings.Contains(r.log.String(), change) {
			t.Errorf("the log says nothing of %s:\n%s", change, r.log.String())
		}
	}
	if strings.Contains(r.log.String(), "level=INFO") {
		t.Errorf("more than errors and changes is logged:\n%s", r.log.String())
	}
}
