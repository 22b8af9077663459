package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A replay to another cluster says on its dry run, before it begins and at its end that each record goes there at least once.
func TestReplayToAnotherCluster(t *testing.T) {
	m := newMorgue(t)
	west := cluster(t, kfake.SeedTopics(3, "orders.by-hand"))
	m.config = configFile(t, "clusters: [{name: west, brokers: ['"+strings.Join(west.ListenAddrs(), "', '")+"']}]\n"+pipelineOn(m.cluster.ListenAddrs()))

	m.run("replay", "--to", "source@west", "--dry-run").
		want(t, exitPart, "orders/0/0  to orders@west", "would have replayed 5 dead letters to orders@west", "on cluster west each at least once")
	session{terminal: true, answer: "no\n"}.run(t, "replay", "--class", "network", "--to", "source@west", "-c", m.config).
		want(t, exitFailed, "Replay 4 dead letters of "+testDLQ+" to orders@west, on another cluster, each at least once, where every consumer group that reads it gets them? [y/N]")
	m.run("replay", "--class", "network", "--to", "source@west", "--yes").want(t, exitPart, "replayed 4 dead letters to orders@west", "on cluster west each at least once")
	m.run("dlq", "show", "0-0").want(t, exitDone, "to orders@west")
	m.run("replay", "list").want(t, exitDone, "done")
	m.run("replay", "start", "--class", "validation", "--to", "topic:orders.by-hand@west", "--yes").want(t, exitDone, "waits for a running pipeline")
	m.run("replay", "--to", "retry@west", "--dry-run").want(t, exitPart, "topic "+testTier+" does not exist on cluster west: --to source@west and topic:NAME@west need no retry topics there")

	client, err := kgo.NewClient(kgo.SeedBrokers(west.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := ends.Lookup("orders", 0); o.Offset != 4 {
		t.Errorf("%d records are on the other cluster, want 4", o.Offset)
	}
}

// A cluster that the configuration does not name is told before anybody is asked, and before a broker is.
func TestAnUnknownClusterIsToldBeforeAnythingElse(t *testing.T) {
	nowhere := strings.Replace(pipelineOn([]string{"127.0.0.1:9"}), "kafka:", "clusters: [{name: west, brokers: ['127.0.0.1:9']}]\nkafka:", 1)
	for name, test := range map[string]struct{ config, want string }{
		"others are named": {nowhere, `names no cluster "wets": known are west, see `},
		"none is named":    {pipelineOn([]string{"127.0.0.1:9"}), `names no cluster "wets": name it under clusters`},
	} {
		t.Run(name, func(t *testing.T) {
			file := configFile(t, test.config)
			for _, args := range [][]string{
				{"replay", "--to", "source@wets"}, {"replay", "--to", "source@wets", "--yes"}, {"replay", "start", "--to", "retry@wets"},
				{"dlq", "edit", "k7qp-0-0", "--to", "topic:orders@wets"},
			} {
				session{}.run(t, append(args, "-c", file)...).want(t, exitUsage, test.want)
			}
		})
	}
}

// A cluster that is not named, or does not answer, is told at once, with what to do.
func TestReplayToAClusterThatCannotBe(t *testing.T) {
	m := newMorgue(t)
	m.config = configFile(t, "clusters: [{name: west, brokers: ['127.0.0.1:9']}]\n"+pipelineOn(m.cluster.ListenAddrs()))
	m.run("replay", "--to", "source@wets", "--yes").want(t, exitUsage, "known are west")
	m.run("replay", "--to", "source@", "--yes").want(t, exitUsage, "is no name of a cluster")
	m.run("replay", "--to", "source@west", "--wait", "--yes").want(t, exitUsage, "what becomes of records on cluster west is not known")
	m.run("replay", "--to", "source@west", "--yes").want(t, exitFailed, "no broker of cluster west (127.0.0.1:9) answers", "nothing listens there", m.config+":1:")
	m.run("validate", "--connect").want(t, exitDone, "warning  cluster west, broker 127.0.0.1:9")
}
