package main

import (
	"strings"
	"testing"
)

// An id of no dead letter is told by every command that takes it: it fails where none of them is there, and has done a part where some are. One whose dead
// letter is there, and left out, is not told as gone.
func TestIDsThatAreNotThere(t *testing.T) {
	m := newMorgue(t)
	const gone, elsewhere, origin = "0-777777", "zzzz-0-1", "orders/0/777"
	m.run("dlq", "discard", "0-2", "--why", "a test", "--yes").want(t, exitDone)
	for _, one := range []struct {
		ids    []string
		status int
		says   string
	}{
		{[]string{gone}, exitFailed, "there is no dead letter " + gone},
		{[]string{gone, elsewhere, origin}, exitFailed, "there is no dead letter " + gone + ", " + elsewhere + ", " + origin},
		{[]string{"0-1", gone, origin}, exitPart, "there is no dead letter " + gone + ", " + origin},
		{[]string{"0-2", elsewhere}, exitPart, "there is no dead letter " + elsewhere},
		{[]string{"0-1", "orders/0/3", m.id(4)}, exitDone, ""},
		{[]string{"0-2", "orders/0/1", gone, "--status=discarded"}, exitPart, "orders/0/1 is there, and the other filters leave it out"},
	} {
		var flags []string
		for _, id := range one.ids {
			if !strings.HasPrefix(id, "--") {
				id = "--id=" + id
			}
			flags = append(flags, id)
		}
		for _, args := range [][]string{{"dlq", "list"}, {"dlq", "list", "-o", "json", "--no-index"}, {"dlq", "export"}} {
			e := m.run(append(args, flags...)...)
			if e.want(t, one.status, one.says); one.status == exitDone && strings.Contains(e.err, "no dead letter") {
				t.Errorf("%v says %s", args, e.err)
			}
		}
	}
	m.run("dlq", "list", "--id", "0-1,0-3", "--limit", "1").want(t, exitDone, "There are more than this one")
	for _, args := range [][]string{{"dlq", "discard", "--why", "a test", "--yes"}, {"dlq", "park", "--why", "a test", "--yes"}, {"replay", "--yes"}, {"replay", "--dry-run"}, {"dlq", "renew", "--yes"}} {
		id := []string{"--id", gone}
		if args[1] == "renew" {
			id = id[1:]
		}
		m.run(append(args, id...)...).want(t, exitFailed, "there is no dead letter "+gone)
	}
	m.run("dlq", "show", gone).want(t, exitFailed, gone+": there is no such dead letter: retention or a purge took it, ")
}
