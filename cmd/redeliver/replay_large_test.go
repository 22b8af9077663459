package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A dry run tells what is too large as the replay does, and the limit counts what is replayed.
func TestDryRunOfWhatIsTooLarge(t *testing.T) {
	m := newMorgue(t)
	if err := m.cluster.CreateTopic("small", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	const grow = `.noise = if .order < 2 then [range(3000) | . * 7919 % 1000] else null end`
	args := []string{"replay", "--to", "topic:small", "--class", "network", "--max-replays", "-1", "--jq", grow, "--limit", "2"}
	const large = "2 left out: the brokers refuse the record as too large: raise max.message.bytes of the topic it goes to"
	m.run(append(args, "--dry-run")...).want(t, exitPart, "would have replayed 2 dead letters to small", large)
	m.run(append(args, "--yes")...).want(t, exitPart, ": replayed 2 dead letters to small", large)
}

// Where a dry run may not read how large a record a topic takes it says so once.
func TestDryRunWithoutTheLimit(t *testing.T) {
	m := newMorgue(t)
	m.cluster.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		m.cluster.KeepControl()
		asked := r.(*kmsg.DescribeConfigsRequest).Resources[0]
		if asked.ResourceName != testTier {
			return nil, nil, false
		}
		denied := r.ResponseKind().(*kmsg.DescribeConfigsResponse)
		denied.Resources = []kmsg.DescribeConfigsResponseResource{{ErrorCode: kerr.TopicAuthorizationFailed.Code, ResourceType: asked.ResourceType, ResourceName: asked.ResourceName}}
		return denied, nil, true
	})
	const says = "what is too large for " + testTier + " is left out when it is written and is not known yet"
	dry := m.run("replay", "--dry-run")
	dry.want(t, exitPart, "would have replayed 5 dead letters", says)
	if n := strings.Count(dry.out+dry.err, says); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, dry.out)
	}
	var summaries []changeSummary
	m.decode(m.run("replay", "--dry-run", "-o", "json"), &summaries)
	if len(summaries) != 1 || !slices.Equal(summaries[0].Unmeasured, []string{testTier}) {
		t.Errorf("as data: %+v", summaries)
	}
	if done := m.run("replay", "--yes"); strings.Contains(done.out+done.err, says) {
		t.Errorf("the replay itself says it:\n%s", done.out)
	}
	if text := limitUnknown([]string{"a", "b", "c", "d", "e"}); !strings.Contains(text, "for a, b, c and 2 more topics is") {
		t.Error(text)
	}
}
