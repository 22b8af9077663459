//go:build unix

package main

import (
	"strings"
	"testing"
)

// Of a Redis that is away a command says that it does without, and nothing else is said.
func TestRedisThatIsAwayIsToldOnce(t *testing.T) {
	m := configured(t, "index: {kind: redis, redis: {address: '"+freeAddress(t)+"'}}\n")
	p := startCommand(t, "dlq", "list", "--limit", "0", "-c", m.config)
	if err := p.end(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if said := p.log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "the topics are read") {
		t.Errorf("it says:\n%s", said)
	}
}

// Where an index that is away keeps what the topics have lost, an answer without it is told as a part.
func TestAnswerWithoutWhatIsKeptIsAPart(t *testing.T) {
	m := configured(t, "index: {kind: redis, keep: 90d, redis: {address: '"+freeAddress(t)+"'}}\n")
	for _, args := range [][]string{{"dlq", "list", "--limit", "0"}, {"dlq", "stats"}, {"dlq", "export"}} {
		m.run(args...).want(t, exitPart, "what they have lost and only the index keeps is left out", "redeliver: what only the index keeps is left out, see above")
		m.run(append(args, "--no-index")...).want(t, exitDone)
	}
}
