package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/redeliver/redeliver/retrytopics"
)

// destinationTopic is what has to be known of a topic before something is written to it.
type destinationTopic struct {
	partitions int
	barred     unroutable // why nothing can be; "": it can
	compacted  *bool      // nil: nobody has asked
}

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

// takesKeyless says whether brokers take a record without a key for a topic, as they do unless it is compacted: they would refuse all that is written
// with it. Where that cannot be found out, as without leave to, it is taken to be so, and the brokers say.
func (r *router) takesKeyless(ctx context.Context, name string) bool {
	at := r.destinations[name]
	if at.compacted == nil {
		is := compacted(ctx, r.admin, name)
		at.compacted = &is
		r.destinations[name] = at
	}
	return !*at.compacted
}

func compacted(ctx context.Context, admin *kadm.Client, topic string) bool {
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil || len(configs) != 1 || configs[0].Err != nil {
		return false
	}
	return slices.ContainsFunc(configs[0].Configs, func(c kadm.Config) bool {
		return c.Key == "cleanup.policy" && c.Value != nil && strings.Contains(*c.Value, "compact")
	})
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
