package integration_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/breaker"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
	"github.com/redeliver/redeliver/internal/logbook"
	"github.com/redeliver/redeliver/retrytopics"
)

// patience is how long a test waits for what the pipelines and the broker come to by themselves. On an idle machine
// they need a small part of it.
const patience = 60 * time.Second

// quick is a policy whose tiers a test can wait for: the records of its tests fail for the same reasons and travel the
// same way as with the default tiers.
var quick = retrytopics.Policy{Tiers: []time.Duration{200 * time.Millisecond, time.Second}}

// delivery is what the pipelines of all tests promise of routed records: at least once, unless the environment says
// exactly_once_routing.
var delivery = map[string]consumer.Delivery{"exactly_once_routing": consumer.ExactlyOnceRouting}[os.Getenv("REDELIVER_TEST_DELIVERY")]

// protocol is the group protocol of the members of all tests that do not choose one: classic, unless the environment says
// eager or consumer. With consumer the session time-out is the broker's: tests in which a member dies want one that is short.
var protocol = map[string]consumer.GroupProtocol{"eager": consumer.Eager, "consumer": consumer.NextGen}[os.Getenv("REDELIVER_TEST_PROTOCOL")]

// speaking makes a member speak a group protocol.
func speaking(p consumer.GroupProtocol) func(*consumer.Config) {
	return func(c *consumer.Config) {
		c.GroupProtocol = p
		if p == consumer.NextGen {
			c.SessionTimeout = 0
		}
	}
}

// bundle is what a test works with: a source topic, a consumer group that reads it, and the calls of its handlers.
type bundle struct {
	t      *testing.T
	source string
	group  string
	calls  calls
	log    logbook.Book
	given  []*kgo.Record // by wave
}

// setup makes a source topic with the partitions and settings.
func setup(t *testing.T, partitions int32, settings ...string) *bundle {
	t.Helper()
	return &bundle{t: t, source: kafkatest.Topic(t, partitions, settings...), group: kafkatest.Group(t)}
}

// tier names the group's retry topic of a delay, and dlq its dead-letter topic, by the contract.
func (b *bundle) tier(delay string) string { return b.group + "." + b.source + ".retry-" + delay }
func (b *bundle) dlq() string              { return b.group + "." + b.source + ".dlq" }

// tiers are the retry topics of the quick policy.
func (b *bundle) tiers() []string { return []string{b.tier("200ms"), b.tier("1s")} }

// handler decides what a call ends with.
type handler func(ctx context.Context, r *consumer.Record) error

// fails ends every call with the error.
func fails(err error) handler { return func(context.Context, *consumer.Record) error { return err } }

// succeeds ends every call well.
var succeeds = fails(nil)

// failsUntil fails the calls before the attempt of that number.
func failsUntil(attempt int, err error) handler {
	return func(_ context.Context, r *consumer.Record) error {
		if r.Attempt() < attempt {
			return err
		}
		return nil
	}
}

// member is a member of the group in this process.
type member struct {
	*consumer.Pipeline
	stop func() // ends it as a user does, and waits for the end; more than once is fine
}

// config is the configuration of a member whose handler is h, with the calls written down.
func (b *bundle) config(h handler) consumer.Config {
	c := consumer.Config{
		Brokers: kafkatest.Brokers(b.t),
		Group:   b.group,
		Name:    "member",
		Topics:  []string{b.source},
		Handler: consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error {
			return b.calls.made(ctx, r, h)
		}),
		Delivery: delivery,
		Retry:    quick,
		// What the broker has just made is known soon, not after the minute that a quiet cluster is worth.
		ClientOptions: []kgo.Opt{kgo.MetadataMinAge(50 * time.Millisecond), kgo.MetadataMaxAge(time.Second)},
		// A member that is gone is noticed as soon as a broker allows.
		SessionTimeout: 6 * time.Second,
		Logger:         slog.New(slog.NewTextHandler(io.MultiWriter(b.t.Output(), &b.log), nil)),
	}
	speaking(protocol)(&c)
	return c
}

// start runs a member with the handler, changed as the changes say, until it is stopped or the test ends.
func (b *bundle) start(h handler, changes ...func(*consumer.Config)) *member {
	b.t.Helper()
	c := b.config(h)
	for _, change := range changes {
		change(&c)
	}
	speaking(c.GroupProtocol)(&c)
	return run(b.t, c)
}

// named names the member in its calls and its log.
func named(name string) func(*consumer.Config) {
	return func(c *consumer.Config) {
		c.Name = name
		c.Logger = c.Logger.With("member", name)
	}
}

// withoutBreaker is for tests in which so much fails at a time that it looks like an outage of what the handler calls.
func withoutBreaker(c *consumer.Config) { c.Breaker = breaker.Config{Disabled: true} }

// run runs a pipeline until it is stopped or the test ends. A clean end is part of every test.
func run(t *testing.T, c consumer.Config) *member {
	t.Helper()
	p, err := consumer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return started(t, p)
}

// started runs a pipeline.
func started(t *testing.T, p *consumer.Pipeline) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("pipeline %s ended with %v, want no error", p.Name(), err)
		}
	})
	t.Cleanup(stop)
	return &member{p, stop}
}

// produce writes records to the source, by their keys.
func (b *bundle) produce(records ...*kgo.Record) {
	b.t.Helper()
	for _, r := range records {
		r.Topic = b.source
	}
	kafkatest.Produce(b.t, records...)
}

// produceTo writes records to the source's partitions that they name.
func (b *bundle) produceTo(records ...*kgo.Record) {
	b.t.Helper()
	for _, r := range records {
		r.Topic = b.source
	}
	kafkatest.ProduceTo(b.t, records...)
}

// queue opens the group's dead letters as an operator's command does.
func (b *bundle) queue() *dlq.Queue {
	b.t.Helper()
	q, err := dlq.Open(kafkatest.Client(b.t, kgo.RecordPartitioner(kgo.ManualPartitioner())), b.dlq(), dlq.ForGroup(b.group))
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

// replay puts dead letters back to work and expects that so many go.
func (b *bundle) replay(r dlq.Replay, want int64) dlq.Summary {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	summary, err := b.queue().Replay(ctx, r)
	if err != nil {
		b.t.Fatalf("replay of %s: %v (after %+v)", b.dlq(), err, summary)
	}
	if summary.Done != want || summary.Partly() || !summary.Complete {
		b.t.Fatalf("replay of %s: got %+v, want %d entries done and nothing left out", b.dlq(), summary, want)
	}
	return summary
}

// letters are the dead letters that are there now, as a plain reader sees them.
func (b *bundle) letters() []*kgo.Record {
	b.t.Helper()
	return kafkatest.ReadAll(b.t, b.dlq())
}

// record is a record with a key and a value of text.
func record(key, value string) *kgo.Record {
	return &kgo.Record{Key: []byte(key), Value: []byte(value)}
}

// header returns the values of all headers with the key.
func header(headers []kgo.RecordHeader, key string) (values []string) {
	for _, h := range headers {
		if h.Key == key {
			values = append(values, string(h.Value))
		}
	}
	return values
}

// id is the id of a record by where it stands.
func id(r *kgo.Record) string { return retrytopics.FormatID("", r.Topic, r.Partition, r.Offset) }

// ids are the ids of records, sorted.
func ids(records []*kgo.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = id(r)
	}
	slices.Sort(out)
	return out
}

// cutSetting takes "key=value" apart.
func cutSetting(setting string) (key, value string) {
	key, value, _ = strings.Cut(setting, "=")
	return key, value
}

// routes is a hook that passes on which copies were written. Make it large enough.
type routes chan consumer.Routed

func (r routes) OnRouted(routed consumer.Routed) { r <- routed }
