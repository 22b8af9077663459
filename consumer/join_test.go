package consumer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// TestWhyTheGroupCannotBeJoined: what the broker says in a word is told with what to do.
func TestWhyTheGroupCannotBeJoined(t *testing.T) {
	p, err := New(Config{Brokers: []string{"nowhere:1"}, Group: "billing", Topics: []string{"orders"}, Handler: succeed, InstanceID: "one", Logger: quietLog})
	if err != nil {
		t.Fatal(err)
	}
	defer p.own.Close()
	for _, tt := range []struct {
		err   error
		found string // who is in the group
		want  []string
	}{
		{kerr.InconsistentGroupProtocol, "", []string{"the group billing has members", "other programs", "stop them, or give the pipeline a group of its own (INCONSISTENT_GROUP_PROTOCOL)"}},
		{kerr.InconsistentGroupProtocol, "rdkafka at 10.0.0.7 (range)", []string{"in another way, rdkafka at 10.0.0.7 (range): stop them"}},
		{kerr.InvalidSessionTimeout, "", []string{"session time-out of 45s", "group.max.session.timeout.ms"}},
		{kerr.FencedInstanceID, "", []string{`the instance id "one"`, "one of its own"}},
		{kerr.GroupAuthorizationFailed, "", []string{"READ"}},
		{kerr.GroupMaxSizeReached, "", []string{"group.max.size"}},
		{kerr.UnknownServerError, "", []string{"UNKNOWN_SERVER_ERROR"}},
		{errors.New("the client is closed"), "", []string{"the client is closed"}},
	} {
		p.strangers.found.Store(&tt.found)
		cause := fmt.Errorf("unable to join: %w", tt.err)
		got := p.explainJoin(cause)
		for _, want := range tt.want {
			if !strings.Contains(got.Error(), want) {
				t.Errorf("%v: got %q, want it to say %q", tt.err, got, want)
			}
		}
		if !errors.Is(got, tt.err) {
			t.Errorf("%v: got %v, which is no such error any more", tt.err, got)
		}
	}
}

func TestMembersAreNamedForPeople(t *testing.T) {
	member := func(client, host string) kadm.DescribedGroupMember {
		return kadm.DescribedGroupMember{ClientID: client, ClientHost: host}
	}
	for want, group := range map[string]kadm.DescribedGroup{
		"":                    {Protocol: "range"},
		"rdkafka at 10.0.0.7": {Members: []kadm.DescribedGroupMember{member("rdkafka", "/10.0.0.7"), member("rdkafka", "/10.0.0.7")}},
		"a at h, b at h, c at h, 2 more (range)": {Protocol: "range", Members: []kadm.DescribedGroupMember{
			member("e", "h"), member("c", "h"), member("b", "h"), member("a", "h"), member("d", "h")}},
	} {
		if got := members(group); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
