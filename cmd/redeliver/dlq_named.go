package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/dlq"
)

// namedIDs are the ids that a command which looks was given, and which of them it has come upon.
type namedIDs struct {
	program *program
	flags   *filterFlags
	found   map[string]bool
}

func (p *program) named(flags *filterFlags) *namedIDs {
	return &namedIDs{program: p, flags: flags, found: make(map[string]bool)}
}

// met notes an entry that was listed: by its own id, with and without its tag, by those that it had before, and by that of its origin.
func (n *namedIDs) met(e *dlq.Entry) {
	if len(n.flags.ids) == 0 { // as mostly: they are all entries of the queues
		return
	}
	own := e.ID()
	_, place, _ := strings.Cut(own, "-")
	for _, id := range append([]string{own, place, e.State.ID}, e.Former...) {
		n.found[id] = true
	}
}

// end says which ids are of no dead letter, and makes the exit status: failed where none is there, done in part where some are. What is there and not listed it
// tells, unless the limit was reached.
func (n *namedIDs) end(ctx context.Context, qs *queues, limited bool) error {
	for _, q := range qs.all {
		left := slices.DeleteFunc(slices.Clone(q.ids), func(id string) bool { return n.found[id] })
		if len(left) == 0 {
			continue
		}
		absent, err := q.Absent(ctx, left)
		if err != nil {
			return err
		}
		for _, id := range left {
			if slices.Contains(absent, id) {
				continue
			}
			if n.found[id] = true; !limited {
				fmt.Fprintf(n.program.err, "%s is there, and the other filters leave it out\n", id)
			}
		}
	}
	missing := slices.DeleteFunc(slices.Clone(n.flags.ids), func(id string) bool { return n.found[id] })
	switch {
	case len(missing) == 0:
		return nil
	case len(missing) == len(n.flags.ids):
		return fmt.Errorf("there is no dead letter %s", strings.Join(missing, ", "))
	}
	return partlyf("there is no dead letter %s", strings.Join(missing, ", "))
}
