package dlq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// destinationTopic is what has to be known of a topic before something is written to it.
type destinationTopic struct {
	partitions int
	barred     unroutable // why nothing can be; "": it can
	config     *takes     // nil: nobody has asked
}

// takes is what brokers take for a topic, as far as its configuration says.
type takes struct {
	compacted bool // only records with a key
	limit     int  // bytes in a record batch; anyLimit: they do not say
	asked     time.Time
}

const (
	cleanupPolicy   = "cleanup.policy"
	maxMessageBytes = "max.message.bytes"
)

// anyLimit is that of a topic whose limit is not known: what is too large the brokers say when it is written.
const anyLimit = math.MaxInt

// takesAgain is how long what a topic takes is believed where that leaves something out: a replay may go on for hours, and somebody may mend it meanwhile.
const takesAgain = 10 * time.Second

// topic looks a topic up, once. What headers of another program name may be any text, and topics that this user has no part in: one of them ends no replay,
// and must not come into a transaction, which would fail with all that is in it.
func (r *router) topic(ctx context.Context, name string) (destinationTopic, error) {
	if at, known := r.destinations[name]; known {
		return at, nil
	}
	at, err := r.lookUp(ctx, name)
	if err == nil {
		r.destinations[name] = at
	}
	return at, err
}

func (r *router) lookUp(ctx context.Context, name string) (at destinationTopic, err error) {
	if retrytopics.Legal(name) != name {
		at.barred = unroutable(fmt.Sprintf("the headers say that the record came from %q, which is no name of a topic: replay it with --to %s", name, r.named()))
		return at, nil
	}
	topic, err := describe(ctx, r.admin, name)
	at.partitions = len(topic.Partitions)
	switch {
	case errors.Is(err, ErrNoTopic):
		at.barred = unroutable("topic " + name + " does not exist" + r.where() + r.remedy())
	case errors.Is(err, kerr.TopicAuthorizationFailed): // the answer also of one that does not exist
		at.barred = unroutable("topic " + name + r.where() + " may not be looked up by this user: grant Describe and Write on it, if there is such a topic" + r.elsewhere())
	case err != nil:
		return at, err
	case topic.IsInternal, retrytopics.IsInternal(name): // not all brokers say so
		at.barred = unroutable("topic " + name + r.where() + " is one of Kafka's own, which takes no records of others: replay it with --to " + r.named())
	case !may(topic, kadm.OpWrite):
		at.barred = unroutable("topic " + name + r.where() + " may not be written to by this user: grant Write on it" + r.elsewhere())
	}
	return at, nil
}

// takes is what brokers take for a topic that was looked up.
func (r *router) takes(ctx context.Context, name string) *takes {
	at := r.destinations[name]
	if at.config == nil {
		at.config = takesOf(ctx, r.admin, name)
		r.destinations[name] = at
	}
	return at.config
}

// takesOf asks for it. Where it cannot be found out, as without leave to, the topic is taken to take anything, and the brokers say.
func takesOf(ctx context.Context, admin *kadm.Client, topic string) *takes {
	t := &takes{limit: anyLimit, asked: time.Now()}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil || len(configs) != 1 || configs[0].Err != nil {
		return t
	}
	for _, c := range configs[0].Configs {
		switch {
		case c.Value == nil:
		case c.Key == cleanupPolicy:
			t.compacted = strings.Contains(*c.Value, "compact")
		case c.Key == maxMessageBytes:
			if limit, err := strconv.Atoi(*c.Value); err == nil {
				t.limit = limit
			}
		}
	}
	return t
}

func compacted(ctx context.Context, admin *kadm.Client, topic string) bool {
	return takesOf(ctx, admin, topic).compacted
}

// tooLarge says whether a record is larger than brokers take, or than it can be sent to them.
func (r *router) tooLarge(ctx context.Context, e *Entry, record *kgo.Record, t *takes) bool {
	if r.sizes.small(record, t.limit) {
		return false
	}
	least := *record
	if r.queue.tracer != nil && e.State.Traceparent == "" { // what it is to be is not known yet, nor whether
		least.Headers = retrytopics.WithTraceparent(record.Headers, "")
	}
	too := r.sizes.tooLarge(&least, t.limit)
	if too && record.Timestamp.Sub(t.asked) > takesAgain {
		*t = *takesOf(ctx, r.admin, record.Topic)
		too = r.sizes.tooLarge(&least, t.limit)
	}
	return too
}

// may says whether this user may do something to a topic. Brokers that do not say are taken to allow it.
func may(topic kadm.TopicDetail, do kadm.ACLOperation) bool {
	granted := topic.AuthorizedOperations
	return len(granted) == 0 || slices.Contains(granted, do) || slices.Contains(granted, kadm.OpAll)
}

// named is the destination that names a topic.
func (r *router) named() string {
	if r.cluster == "" {
		return "topic:NAME"
	}
	return "topic:NAME" + clusterMark + r.cluster
}

// elsewhere says what can be done where nothing is granted.
func (r *router) elsewhere() string {
	if r.to.keyed() != "" {
		return ""
	}
	return ", or replay with --to " + r.named()
}
