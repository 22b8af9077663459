package consumer

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

func smallest() Config {
	return Config{Brokers: []string{"localhost:9092"}, Group: "g", Topics: []string{"t"}, Handler: succeed}
}

// TestTheSmallestConfigurationIsAGoodOne fills in what is documented.
func TestTheSmallestConfigurationIsAGoodOne(t *testing.T) {
	p, err := New(smallest())
	if err != nil {
		t.Fatal(err)
	}
	c := p.cfg
	equal(t, "Name", c.Name, "g")
	equal(t, "Concurrency", c.Concurrency, 64)
	equal(t, "Window", c.Window, Window{Records: 10000, Bytes: 64 << 20})
	equal(t, "Shares", c.Shares, Shares{Fresh: 0.5, Retries: 0.5})
	equal(t, "HandlerTimeout", c.HandlerTimeout, 25*time.Second)
	equal(t, "Drain", c.Drain, 30*time.Second)
	equal(t, "SessionTimeout", c.SessionTimeout, 45*time.Second)
	equal(t, "RebalanceTimeout", c.RebalanceTimeout, time.Minute)
	equal(t, "HeaderLimit", c.HeaderLimit, 4096)
	equal(t, "Burst", c.DeadLetters.Burst, 1000)
	equal(t, "Ordering", c.Ordering, ByKey)
	equal(t, "ClientID", c.ClientID, "redeliver")
	equal(t, "the breaker's dependency", p.Breaker().Config().Dependency, "g")
	equal(t, "tiers", fmt.Sprint(p.Schedule().Tiers()), "[1s 10s 1m0s]")
	equal(t, "counting classes", len(c.CountsAgainst), 5)
}

// TestWhatIsWrongIsNamed has one field wrong at a time: the error names it and says what would be right.
func TestWhatIsWrongIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wrong func(c *Config)
		want  string // in the error
	}{
		{"no brokers", func(c *Config) { c.Brokers = nil }, "consumer: Brokers: name at least one broker, host:port"},
		{"no group", func(c *Config) { c.Group = "" }, "consumer: Group: name the consumer group"},
		{"no handler", func(c *Config) { c.Handler = nil }, "consumer: Handler: set Handler, or Mux for several topics"},
		{"handler and mux", func(c *Config) { c.Mux = NewMux(); c.Mux.Handle("t", succeed) }, "consumer: Handler: set Handler or Mux, not both"},
		{"nil function", func(c *Config) { c.Handler = HandlerFunc(nil) }, "consumer: Handler: is a nil function"},
		{"no topics", func(c *Config) { c.Topics = nil }, "consumer: Topics: name at least one source topic or pattern"},
		{"empty topic", func(c *Config) { c.Topics = []string{""} }, `consumer: Topics: ""`},
		{"topic twice", func(c *Config) { c.Topics = []string{"a", "b", "a"} }, `consumer: Topics: "a" is there twice`},
		{"a pattern as a topic", func(c *Config) { c.Topics = []string{"orders-.*"} }, "TopicPatterns"},
		{"a retry topic as a source", func(c *Config) { c.Topics = []string{"t", "g.t.retry-10s"} }, `"g.t.retry-10s" is a retry topic of this group`},
		{"a nil pattern", func(c *Config) { c.TopicPatterns = []*regexp.Regexp{nil} }, "consumer: TopicPatterns"},
		{"a mux without a topic's handler", func(c *Config) { c.Handler, c.Mux = nil, NewMux(); c.Mux.Handle("other", succeed) }, `consumer: Mux: no handler for topic "t"`},
		{"name", func(c *Config) { c.Name = "my pipeline" }, `consumer: Name: "my pipeline": use letters, digits and '-'`},
		{"a group that is no name", func(c *Config) { c.Group = "my.group" }, "consumer: Name"},
		{"concurrency", func(c *Config) { c.Concurrency = -1 }, "consumer: Concurrency: is -1, at least 1"},
		{"window of records", func(c *Config) { c.Window.Records = -1 }, "consumer: Window"},
		{"window of bytes", func(c *Config) { c.Window.Bytes = -1 }, "consumer: Window"},
		{"a share of nothing", func(c *Config) { c.Shares = Shares{Fresh: 1} }, "consumer: Shares: both must be above 0"},
		{"header limit", func(c *Config) { c.HeaderLimit = 1000 }, "consumer: HeaderLimit: is 1000, at least 2048 bytes"},
		{"handler time-out above drain", func(c *Config) { c.HandlerTimeout = 30 * time.Second }, "consumer: HandlerTimeout: 30s must be below Drain, 30s"},
		{"drain above rebalance time-out", func(c *Config) { c.Drain = time.Minute }, "consumer: Drain: 1m0s must be below RebalanceTimeout, 1m0s"},
		{"a negative handler time-out", func(c *Config) { c.HandlerTimeout = -1 }, "consumer: HandlerTimeout"},
		{"a negative session time-out", func(c *Config) { c.SessionTimeout = -1 }, "SessionTimeout"},
		{"ordering", func(c *Config) { c.Ordering = 9 }, "consumer: Ordering: 9 is none"},
		{"data loss", func(c *Config) { c.OnDataLoss = 9 }, "consumer: OnDataLoss: 9 is none"},
		{"group protocol", func(c *Config) { c.GroupProtocol = 9 }, "consumer: GroupProtocol: 9 is none: Classic, Eager or NextGen"},
		{"holding keys without transactions", func(c *Config) { c.HoldKey = true }, "consumer: HoldKey: needs Delivery ExactlyOnceRouting"},
		{"dead-letter policy", func(c *Config) { c.OnDeadLetter = 9 }, "consumer: OnDeadLetter: 9 is none: ReleaseOnDeadLetter or HoldOnDeadLetter"},
		{"closed keys that are not held", func(c *Config) { c.OnDeadLetter = HoldOnDeadLetter }, "consumer: OnDeadLetter: HoldOnDeadLetter needs HoldKey"},
		{"closed keys without dead letters", func(c *Config) { c.OnDeadLetter, c.DeadLetters.Disabled = HoldOnDeadLetter, true }, "consumer: OnDeadLetter: HoldOnDeadLetter needs dead letters"},
		{"closed keys whose dead letters expire", func(c *Config) { c.OnDeadLetter, c.DeadLetters.Retention = HoldOnDeadLetter, time.Hour }, "and DeadLetters.Retention deletes them"},
		{"a session time-out that is the broker's", func(c *Config) { c.GroupProtocol, c.SessionTimeout = NextGen, time.Minute },
			"consumer: SessionTimeout: is the broker's with NextGen: leave it out"},
		{"a class that there is not", func(c *Config) { c.CountsAgainst = []classify.Class{99} }, "consumer: CountsAgainst"},
		{"class none", func(c *Config) { c.CountsAgainst = []classify.Class{classify.None} }, "consumer: CountsAgainst"},
		{"name templates", func(c *Config) { c.Names.Retry = "retry" }, "consumer: Names"},
		{"client option", func(c *Config) { c.ClientOptions = []kgo.Opt{kgo.AutoCommitMarks()} }, "consumer: ClientOptions: kgo.AutoCommitMarks"},
		{"nil option", func(c *Config) { c.ClientOptions = []kgo.Opt{nil} }, "consumer: ClientOptions"},
		{"an option that contradicts itself", func(c *Config) { c.ClientOptions = []kgo.Opt{kgo.RequiredAcks(kgo.NoAck())} }, "consumer: ClientOptions: idempotency requires acks=all"},
		{"retry policy", func(c *Config) { c.Retry.Tiers = []time.Duration{time.Minute, time.Second} }, "consumer: Retry: retry.tiers"},
		{"breaker", func(c *Config) { c.Breaker.FailureRate = 2 }, "FailureRate is 2: give a part above 0 and up to 1"},
		{"a hook that is none", func(c *Config) { c.Hooks = []Hook{42} }, "consumer: Hooks: int implements none of the hook interfaces"},
		{"a nil hook", func(c *Config) { c.Hooks = []Hook{nil} }, "consumer: Hooks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := smallest()
			tt.wrong(&c)
			_, err := New(c)
			if err == nil {
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant in it\n%s", err, tt.want)
			}
		})
	}
}

// TestEverythingThatIsWrongIsToldAtOnce breaks several fields: a line each.
func TestEverythingThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := New(Config{Concurrency: -1, HeaderLimit: 1, Window: Window{Records: -1}})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, field := range []string{"Brokers", "Group", "Handler", "Topics", "Concurrency", "HeaderLimit", "Window"} {
		if !strings.Contains(err.Error(), "consumer: "+field+": ") {
			t.Errorf("%s is not named in\n%v", field, err)
		}
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 7 {
		t.Errorf("got %d lines, want 7:\n%v", len(lines), err)
	}
}

// TestACallerKeepsItsConfiguration makes a pipeline of a Config that is used again.
func TestACallerKeepsItsConfiguration(t *testing.T) {
	c := smallest()
	c.Topics = []string{"b", "a"}
	for _, group := range []string{"one", "two"} {
		c.Group = group
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "name", p.Name(), group)
		equal(t, "group", p.Group(), group)
		p.cfg.Topics[0] = "changed"
	}
	equal(t, "topics of the caller", fmt.Sprint(c.Topics), "[b a]")
}

// TestPipelinesShareABreakerByName and refuse to share one under two configurations.
func TestPipelinesShareABreakerByName(t *testing.T) {
	registry := breaker.NewRegistry()
	defer registry.Close()
	make := func(group string, b breaker.Config) (*Pipeline, error) {
		c := smallest()
		c.Group, c.Breakers, c.Breaker = group, registry, b
		return New(c)
	}
	one, err := make("one", breaker.Config{Dependency: "payments"})
	if err != nil {
		t.Fatal(err)
	}
	two, err := make("two", breaker.Config{Dependency: "payments"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "one breaker", one.Breaker(), two.Breaker())
	three, err := make("three", breaker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the dependency of a pipeline that names none", three.Breaker().Config().Dependency, "three")
	if _, err = make("four", breaker.Config{Dependency: "payments", Failures: 7}); err == nil || !strings.Contains(err.Error(), "Failures") {
		t.Errorf("another configuration under the name: got %v, want an error that names the field", err)
	}
}

// TestOptionsThatWouldBreakAPromiseAreRefused by name. The others are passed on.
func TestOptionsThatWouldBreakAPromiseAreRefused(t *testing.T) {
	for name, opts := range map[string][]kgo.Opt{
		"SeedBrokers":                        {kgo.SeedBrokers("elsewhere:9092")},
		"ConsumerGroup":                      {kgo.ConsumerGroup("other")},
		"ConsumeTopics":                      {kgo.ConsumeTopics("other")},
		"InstanceID":                         {kgo.InstanceID("i")},
		"TransactionalID":                    {kgo.TransactionalID("x")},
		"AutoCommitInterval":                 {kgo.AutoCommitInterval(time.Minute)},
		"AutoCommitMarks":                    {kgo.AutoCommitMarks()},
		"DisableIdempotentWrite":             {kgo.DisableIdempotentWrite()},
		"RecordDeliveryTimeout":              {kgo.RecordDeliveryTimeout(time.Minute)},
		"RecordRetries":                      {kgo.RecordRetries(3)},
		"DefaultProduceTopicAlways":          {kgo.DefaultProduceTopic("x"), kgo.DefaultProduceTopicAlways()},
		"ManualFlushing":                     {kgo.ManualFlushing()},
		"ConsumeRegex":                       {kgo.ConsumeRegex()},
		"ServerSideBalancer":                 {kgo.ServerSideBalancer()},
		"MaxBufferedBytes":                   {kgo.MaxBufferedBytes(1000)},
		"AllowAutoTopicCreation":             {kgo.AllowAutoTopicCreation()},
		"GroupProtocol":                      {kgo.GroupProtocol("other")},
		"AllowIdempotentProduceCancellation": {kgo.AllowIdempotentProduceCancellation()},
	} {
		if err := refused("g", opts); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("kgo.%s: got %v, want an error that names it", name, err)
		}
	}
	for name, opt := range map[string]kgo.Opt{
		"FetchIsolationLevel": kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		"Rack":                kgo.Rack("a"),
		"ClientID":            kgo.ClientID("mine"),
		"DialTimeout":         kgo.DialTimeout(time.Second),
		"FetchMaxWait":        kgo.FetchMaxWait(time.Second),
		"ProducerLinger":      kgo.ProducerLinger(0),
	} {
		if err := refused("g", []kgo.Opt{opt}); err != nil {
			t.Errorf("kgo.%s: got %v, want none", name, err)
		}
	}
}

// TestMuxRoutesByTopic, and tells what there is when a topic has no handler.
func TestMuxRoutesByTopic(t *testing.T) {
	mux := NewMux()
	mux.HandleFunc("b", succeed)
	mux.HandleBatch("a", func(context.Context, *Batch) error { return nil }, BatchOf(2, 0))
	equal(t, "topics", fmt.Sprint(mux.Topics()), "[a b]")
	if _, batches := mux.handler("a").(*batchHandler); !batches {
		t.Error("the batch handler is none")
	}
	if err := mux.handler("b").Handle(t.Context(), &Record{}); err != nil {
		t.Error(err)
	}
	err := mux.handler("c").Handle(t.Context(), &Record{})
	if want := `no handler is registered for topic "c" (there are handlers for a, b)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for name, f := range map[string]func(){
		"consumer: two handlers for topic b": func() { mux.Handle("b", succeed) },
		"consumer: nil handler for topic d":  func() { mux.Handle("d", nil) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != name {
					t.Errorf("panicked with %q, want %q", got, name)
				}
			}()
			f()
		}()
	}
}

// TestHooksAreSortedByWhatTheyWant keeps one that wants everything in every list, in the order they were given in.
func TestHooksAreSortedByWhatTheyWant(t *testing.T) {
	all, one := &everyHook{}, onFailed(func(Failed) {})
	hs, err := sortHooks([]Hook{one, all})
	if err != nil {
		t.Fatal(err)
	}
	got := []int{len(hs.failed), len(hs.routed), len(hs.routeFailed), len(hs.paused), len(hs.breaker), len(hs.assigned), len(hs.revoked), len(hs.stats)}
	if want := []int{2, 1, 1, 1, 1, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, first := hs.failed[0].(onFailed); !first {
		t.Error("the first hook is not told first")
	}
}

// TestStatsOfAPipelineThatDoesNothing reads the state before Run: there is nothing, and it says why it is not ready.
func TestStatsOfAPipelineThatDoesNothing(t *testing.T) {
	p, err := New(smallest())
	if err != nil {
		t.Fatal(err)
	}
	p.Pause() // before Run
	s := p.Stats()
	equal(t, "phase", s.Phase, Starting)
	equal(t, "ready", s.Ready, false)
	equal(t, "why not", s.NotReady, "the pipeline is starting")
	equal(t, "success rate", s.SuccessRate, 1)
	equal(t, "score", s.Score, 1)
	equal(t, "health", s.Health, Healthy)
	equal(t, "started", s.Started.IsZero(), true)
	equal(t, "concurrency", s.Concurrency, 64)
	equal(t, "in flight", s.InFlight, 0)
	equal(t, "windowed", s.Windowed, 0)
	equal(t, "reasons", fmt.Sprint(s.Reasons), "[an operator has paused the pipeline]")
	equal(t, "breaker", s.Breaker.State, breaker.Closed)
	p.Resume(0)
	equal(t, "reasons after a resume", len(p.Stats().Reasons), 0)
	err = p.Skip("t", 0, 7, "why not")
	if want := "t/0/7 cannot be skipped: this process does not hold it: it is handled already, or another member has its partition"; err == nil || err.Error() != want {
		t.Errorf("skip: got %v, want %s", err, want)
	}
}

// TestSteeringErrors holds the errors that steer to their texts and to what they wrap.
func TestSteeringErrors(t *testing.T) {
	for _, tt := range []struct {
		err   error
		text  string
		wraps bool
	}{
		{RetryAfter(time.Second, errAway), "away", true},
		{RetryAfter(time.Second, nil), "retry asked for after 1s", false},
		{RetryAfter(-time.Second, nil), "retry asked for after 0s", false},
		{Snooze(time.Minute), "snoozed for 1m0s", false},
		{DeadLetter(errAway), "away", true},
		{DeadLetter(nil), "dead letter asked for", false},
		{Drop("old"), "dropped: old", false},
		{Retriable(errAway), "away", true},
		{&UndecodableError{ID: "t/0/1", Err: errAway}, "decode the value of t/0/1: away", true},
		{&NotHeldError{"t", 0, 1, "it is gone", false}, "t/0/1 cannot be skipped: it is gone", false},
		{&NotHeldError{"t", 0, 1, "it is gone", true}, "t/0/1 cannot be released: it is gone", false},
		{&GaveUpError{Name: "n", Attempts: 3, Reason: retrytopics.ReasonExhausted, Err: errAway}, "n: gave up after 3 attempts (exhausted): away", true},
		{&PanicError{Value: "boom"}, "panic: boom", false},
	} {
		equal(t, "text", tt.err.Error(), tt.text)
		if got := errors.Is(tt.err, errAway); got != tt.wraps {
			t.Errorf("%q wraps the handler's own error: %v, want %v", tt.text, got, tt.wraps)
		}
	}
}

// everyHook wants to be told everything.
type everyHook struct{}

func (*everyHook) OnFailed(Failed)                            {}
func (*everyHook) OnRouted(Routed)                            {}
func (*everyHook) OnRouteFailed(RouteFailed)                  {}
func (*everyHook) OnPaused(Paused)                            {}
func (*everyHook) OnBreaker(string, breaker.Event)            {}
func (*everyHook) OnAssigned(string, map[string][]int32)      {}
func (*everyHook) OnRevoked(string, map[string][]int32, bool) {}
func (*everyHook) OnStats(Stats)                              {}

// TestPatternsMatchWholeNames: what they match is a topic's name from its beginning to its end, alternatives too.
func TestPatternsMatchWholeNames(t *testing.T) {
	patterns, err := anchored([]*regexp.Regexp{regexp.MustCompile("clicks-.|views")})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"clicks-1": true, "views": true, "my-clicks-1": false, "clicks-10": false, "views2": false, "reviews": false} {
		if got := patterns[0].MatchString(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
