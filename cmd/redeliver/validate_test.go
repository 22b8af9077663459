package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

func TestValidateTellsAllMistakesWithTheirPlaces(t *testing.T) {
	path := configFile(t, pipelineOn([]string{"localhost"}, "concurency: 3", "drain: 1"))
	e := run(t, "validate", "-c", path)
	e.want(t, exitUsage, `did you mean concurrency?`, "    drain: 1\n", path+": 3 mistakes")
	for _, place := range []string{":1:19: ", ":6:5: ", ":7:12: "} {
		if !strings.Contains("\n"+e.err, "\n"+path+place) {
			t.Errorf("no line begins with the file and %s", place)
		}
	}

	e = run(t, "validate", "-c", path, "-o", "json")
	e.want(t, exitUsage)
	var report validation
	if err := json.Unmarshal([]byte(e.out), &report); err != nil {
		t.Fatal(err)
	}
	if report.Valid || len(report.Problems) != 3 || report.Problems[1].Line != 6 || e.err != "" {
		t.Errorf("as JSON: %+v, and on standard error %q", report, e.err)
	}
}

// What classify says of a class or a rule is above the policy, and is shown beside it.
func TestValidateExplainsTheTreatments(t *testing.T) {
	path := configFile(t, pipelineOn([]string{"a:1"},
		"retry: {jitter: false, overrides: [{status: 409, strategy: fixed}, {class: network, strategy: fixed}]}",
		"classify:",
		"  rules: [{match: quota, class: rate_limited, severity: high, notify: true}]",
		"  classes: {authentication: {handling: hold, notify: true}, validation: {handling: retry}, system: {handling: drop}, network: {handling: dead_letter}}",
		"  notify: {url: \"http://h/\"}",
	))
	run(t, "validate", "--explain", "-c", path).want(t, exitDone,
		"  transient, rate_limited, validation\n    ATTEMPT",
		"  system: dropped at the first failure (handling: drop)\n",
		"  authentication: held at the first failure, until released or skipped (handling: hold)\n",
		"  network: not retried, dead at the first failure (handling: dead_letter)\n",
		"  409 (override 1: fixed 1s)\n",
		"    1     match \"quota\"    rate_limited    high      retry        yes\n",
		"    -     no rule matches  authentication  critical  hold         yes\n",
	)
	e := run(t, "validate", "--explain", "-c", path, "-o", "json")
	e.want(t, exitDone)
	var report validation
	if err := json.Unmarshal([]byte(e.out), &report); err != nil {
		t.Fatal(err)
	}
	table := report.Timetables[0]
	if len(table.Treatments) != 8 || table.Treatments[0].Rule != 1 || table.Treatments[0].Severity != "high" || table.Treatments[6].Handling != "retry" {
		t.Errorf("the treatments are %+v", table.Treatments)
	}
	if first := table.Cases[0]; len(first.Attempts) != 4 || first.Attempts[3].Sum != "1m11s" || first.Attempts[3].Tiers[0] != "60s" || first.Attempts[3].Copies != 3 {
		t.Errorf("the first case is %+v", first)
	}
	// Where nothing is said of treatments, nothing is shown.
	if plain := run(t, "validate", "--explain", "-c", configFile(t, pipelineOn([]string{"a:1"}))); strings.Contains(plain.out, "SEVERITY") {
		t.Errorf("treatments are shown that nobody asked for:\n%s", plain.out)
	}
}

func TestValidateExplainsTheTimetable(t *testing.T) {
	e := run(t, "validate", "--explain", "-c", configFile(t, pipelineOn([]string{"a:1"},
		"retry:",
		"  tiers: [1s, 10s]",
		"  strategy: exponential",
		"  max_retries: 4",
		"  initial_delay: 2s",
		"  jitter: false",
		"  in_place: {max: 1}",
		"  overrides: [{class: rate_limited, strategy: fixed, initial_delay: 10s, max_retries: 20}, {status: 404, max_retries: 1}]",
		"dlq: {enabled: false}",
	)))
	e.want(t, exitDone)
	for _, text := range []string{
		"dead letters  none: what is given up is held in place until it is released or skipped",
		"  transient, network, system\n",
		"on the spot",
		"rate_limited (override 1: fixed 10s)",
		"404 (override 2",
		"permanent, validation, authentication: not retried, held at the first failure",
		"held after attempt 5 (exhausted)",
	} {
		if !strings.Contains(e.out, text) {
			t.Errorf("not explained: %s\n%s", text, e.out)
		}
	}

	e = run(t, "validate", "--explain", "-o", "json", "-c", configFile(t, pipelineOn([]string{"a:1"})))
	var report validation
	if err := json.Unmarshal([]byte(e.out), &report); err != nil {
		t.Fatal(err)
	}
	steps := report.Timetables[0].Cases[0].Attempts
	if last := steps[len(steps)-1]; last.From != 4 || last.Delay != "60s" || last.Sum != "1m11s" || last.Copies != 3 || last.Latest != "1m15s" {
		t.Errorf("the last attempt is %+v", last)
	}
}

// The names that a pattern's topics get are shown as the template that they are made by.
func TestValidateExplainsAPattern(t *testing.T) {
	text := strings.Replace(pipelineOn([]string{"a:1"}, "dlq: {enabled: true}"), "[orders]", "[/orders-.*/]", 1)
	run(t, "validate", "--explain", "-c", configFile(t, text)).want(t, exitDone,
		"retry topics  orders.{topic}.retry-1s\n", "dead letters  orders.{topic}.dlq\n", "dead after attempt 4 (exhausted)")
	text = strings.Replace(text, "{enabled: true}", "{enabled: false, exhausted: drop}", 1)
	run(t, "validate", "--explain", "-c", configFile(t, text)).want(t, exitDone,
		"dead letters  none: what is given up is dropped\n", "dropped after attempt 4 (exhausted)")
}

func TestAFoldedTimetableCountsAllAttempts(t *testing.T) {
	e := run(t, "validate", "--explain", "-c", configFile(t, pipelineOn([]string{"a:1"}, "retry: {tiers: [1s, 25s], max_retries: 100, jitter: false}")))
	e.want(t, exitDone, "3-101    25s", "41m16s", "dead after attempt 101 (exhausted)")
}

func TestConnectChecksTheCluster(t *testing.T) {
	c := cluster(t)
	path := configFile(t, pipelineOn(c.ListenAddrs()))
	e := run(t, "validate", "--connect", "-c", path)
	e.want(t, exitDone,
		"ok       broker "+c.ListenAddrs()[0]+": answers",
		"ok       cluster: 1 broker: topics can have at most 1 replica",
		"ok       pipeline orders, source orders: 3 partitions",
		"ok       pipeline orders, group orders: is new",
		"ok       pipeline orders, retry and dead-letter topics: to do: create 5 topics",
		"permissions")

	e = run(t, "validate", "--connect", "-o", "jsonl", "-c", path)
	var report validation
	if err := json.Unmarshal([]byte(e.out), &report); err != nil || len(report.Checks) < 6 {
		t.Errorf("as a line: %v, %+v", err, report)
	}
}

func TestConnectTellsWhatIsMissing(t *testing.T) {
	c := cluster(t)
	path := configFile(t, strings.Replace(pipelineOn(c.ListenAddrs()), "[orders]", "[orders, oders, /none-.*/]", 1))
	run(t, "validate", "--connect", "-c", path).want(t, exitFailed,
		"failed   pipeline orders, source oders: there is no such topic",
		"create it, or correct "+path+":4:22; there is orders",
		"warning  pipeline orders, sources /none-.*/: no topic matches yet",
		"1 of 7 checks against the cluster failed")

	// topics.create: false leaves the topics to somebody else.
	run(t, "validate", "--connect", "-c", configFile(t, pipelineOn(c.ListenAddrs())+"topics: {create: false}\n")).want(t, exitFailed,
		"failed   pipeline orders, retry and dead-letter topics: to do: create 5 topics",
		"do it with `redeliver topics apply`, as topics.create is false")
}

// All members of a group speak one protocol.
func TestConnectKnowsWhatTheGroupSpeaks(t *testing.T) {
	speaking := func(c *kfake.Cluster, protocol string) []string {
		return []string{"validate", "--connect", "-c", configFile(t, pipelineOn(c.ListenAddrs(), "group_protocol: "+protocol))}
	}
	for _, protocol := range []consumer.GroupProtocol{consumer.Classic, consumer.Eager, consumer.NextGen} {
		c := cluster(t)
		p, err := consumer.New(consumer.Config{
			Brokers: c.ListenAddrs(), Group: "orders", Topics: []string{"orders"}, GroupProtocol: protocol, Logger: slog.New(slog.DiscardHandler),
			Handler: consumer.HandlerFunc(func(context.Context, *consumer.Record) error { return nil }),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		kafkatest.Eventually(t, 20*time.Second, func() error {
			if s := p.Stats(); len(s.Partitions) < 3 {
				return errors.New("has no partitions yet")
			}
			return nil
		})
		for _, ours := range []string{"classic", "eager", "consumer"} {
			e := run(t, speaking(c, ours)...)
			if ours == protocol.String() {
				e.want(t, exitDone, "ok       pipeline orders, group orders: stable, 1 member\n")
				continue
			}
			e.want(t, exitDone, "warning  pipeline orders, group orders: stable, 1 member, speaking group_protocol: "+protocol.String(),
				"stop those members first, or write group_protocol: "+protocol.String())
		}
		run(t, "status", "--pipeline", "orders", "-c", configFile(t, pipelineOn(c.ListenAddrs()))).want(t, exitDone, "stable, 1 member")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	c := cluster(t, kfake.MaxVersions(kversion.V3_9_0()))
	run(t, speaking(c, "consumer")...).want(t, exitFailed,
		"failed   pipeline orders, group orders: the brokers do not speak group_protocol: consumer", "or write group_protocol: classic")
}

func TestConnectHasTheBrokerJudgeNewTopics(t *testing.T) {
	for code, want := range map[*kerr.Error]string{
		kerr.TopicAuthorizationFailed: "give the user CREATE on the cluster or on these topics",
		kerr.PolicyViolation:          "have an operator make the topics, and set topics.create: false",
	} {
		c := cluster(t)
		c.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
			request := r.(*kmsg.CreateTopicsRequest)
			if !request.ValidateOnly {
				t.Error("validate makes topics")
			}
			response := request.ResponseKind().(*kmsg.CreateTopicsResponse)
			for _, topic := range request.Topics {
				one := kmsg.NewCreateTopicsResponseTopic()
				one.Topic, one.ErrorCode = topic.Topic, code.Code
				response.Topics = append(response.Topics, one)
			}
			return response, nil, true
		})
		run(t, "validate", "--connect", "-c", configFile(t, pipelineOn(c.ListenAddrs()))).want(t, exitFailed,
			"failed   pipeline orders, making topics: the broker refuses orders.orders.retry-1s: "+code.Message, want)
	}
}

func TestConnectKnowsWhatTheUserMayNotDo(t *testing.T) {
	read := &permissions{topics: map[string][]kmsg.ACLOperation{
		"orders":                  {kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs},
		"orders.orders.retry-1s":  {kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribeConfigs},
		"orders.orders.retry-10s": {kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribeConfigs},
		"orders.orders.dlq":       {kmsg.ACLOperationRead},
	}, groups: map[string][]kmsg.ACLOperation{"orders": {kmsg.ACLOperationDescribe}}, transactions: map[string]bool{"redeliver.orders.orders.dlq": false}}
	c, err := config.Parse("config.yaml", []byte(pipelineOn([]string{"a:1"})), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Topics.Create = false
	needed, err := c.PrivilegesOn(&c.Pipelines[0], []string{"orders"})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, c := range read.check("permissions", needed) {
		found = append(found, c.Result+": "+c.Found)
	}
	expected := []string{
		"warning: the user lacks WRITE on the transactional id redeliver.orders.orders.dlq",
		"failed: the user lacks READ on orders",
		"warning: the user lacks DESCRIBE_CONFIGS on orders.orders.dlq",
		"failed: the user lacks WRITE on orders.orders.dlq",
		"warning: the user lacks DELETE on orders.orders.retry-1s",
		"failed: the user lacks READ on the group orders",
	}
	if !slices.Equal(found, expected) {
		t.Errorf("found %q, want %q", found, expected)
	}
	if silent := (&permissions{}).check("permissions", needed); len(silent) != 1 || silent[0].Result != checkWarning {
		t.Errorf("a broker that does not tell: %v", silent)
	}
}

func TestOneWrongBrokerAmongOthersIsAWarning(t *testing.T) {
	c := cluster(t)
	run(t, "validate", "--connect", "-c", configFile(t, pipelineOn(append([]string{"127.0.0.1:1"}, c.ListenAddrs()...)))).want(t, exitDone,
		"warning  broker 127.0.0.1:1: ", "nothing listens there")
}

// However wrong the address is, the answer comes in seconds and says where to look.
func TestAWrongAddressEndsInSeconds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for name, test := range map[string]struct{ broker, want string }{
		"refused":   {"127.0.0.1:1", "nothing listens there: start the broker (redeliver run --embedded brings one along), or correct "},
		"unknown":   {"no-such-host.invalid:9092", "the host name is unknown, see "},
		"no answer": {silent.Addr().String(), "nothing answers: is the address right and is there a firewall between? "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			e := run(t, "topics", "plan", "-c", configFile(t, pipelineOn([]string{test.broker})))
			e.want(t, exitFailed, "no broker of kafka.brokers ("+test.broker+") answers", test.want)
			if took := time.Since(began); took > 4*time.Second { // with the patience of a test, two seconds
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestSecurityThatDoesNotFitIsToldApart(t *testing.T) {
	open := cluster(t)
	guarded := cluster(t, kfake.EnableSASL(), kfake.User("PLAIN", "u", "right"))
	sasl := func(password string) string {
		return strings.Replace(pipelineOn(guarded.ListenAddrs()), "kafka: {", "kafka: {sasl: {mechanism: plain, username: u, password: '"+password+"'}, ", 1)
	}
	for name, test := range map[string]struct{ text, want string }{
		"password": {sasl("wrong"), "are user and password right? "},
		"no SASL":  {pipelineOn(guarded.ListenAddrs()), "it may want kafka.tls or kafka.sasl, see "},
		"TLS":      {strings.Replace(pipelineOn(open.ListenAddrs()), "kafka: {", "kafka: {tls: {enabled: true}, ", 1), "does the broker speak TLS at this port (kafka.tls.enabled)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := run(t, "topics", "plan", "-c", configFile(t, test.text))
			e.want(t, exitFailed, test.want)
			if strings.Contains(e.out+e.err, "wrong'") {
				t.Error("the password is shown")
			}
		})
	}
	t.Run("right", func(t *testing.T) {
		t.Parallel()
		run(t, "topics", "plan", "-c", configFile(t, sasl("right"))).want(t, exitDone, "orders.orders.dlq", "warning: kafka.sasl.mechanism: plain")
	})
}
