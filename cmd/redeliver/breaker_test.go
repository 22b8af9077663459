package main

import "testing"

// Who is sent to the events of a breaker in the night, and finds none, is told so.
func TestABreakerThatHasNotChangedItsStateSaysSo(t *testing.T) {
	listen := freeAddress(t)
	file := configFile(t, pipelineOn(cluster(t).ListenAddrs())+"admin: {listen: '"+listen+"'}\n")
	startRun(t, "-c", file)
	awaitReady(t, listen)
	e := run(t, "breaker", "events", "orders", "-c", file)
	e.want(t, exitDone, "breaker orders has not changed its state since the process started")
	if e.out != "" {
		t.Errorf("standard output is for data only, got %q", e.out)
	}
}
