package dlq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrNoCluster is what an error is ([errors.Is]) of a replay to a cluster that its queue does not know.
var ErrNoCluster = errors.New("the cluster is not known here")

// Cluster names another cluster that a replay may write to, see [Destination.On]. A name is letters, digits and '-'. The options
// are those of a client that reaches it: its brokers, TLS, SASL. It is connected to by a replay that writes there, and by no other call.
func Cluster(name string, options ...kgo.Opt) Option {
	return func(q *Queue) {
		if q.clusters == nil {
			q.clusters = make(map[string][]kgo.Opt)
		}
		q.clusters[name] = options
	}
}

// checkCluster says what is wrong with the cluster that a destination names.
func (q *Queue) checkCluster(d Destination) error {
	name := d.Cluster()
	if name == "" || q.clusters[name] != nil {
		return nil
	}
	known := "none is"
	if len(q.clusters) > 0 {
		known = "known are " + strings.Join(slices.Sorted(maps.Keys(q.clusters)), ", ")
	}
	return fmt.Errorf("destination %q: %w: %s (clusters in the configuration names them)", string(d), ErrNoCluster, known)
}

// shipPatience is for how long another cluster may acknowledge nothing of what is written to it.
const shipPatience = 30 * time.Second

// otherCluster is the cluster that a replay writes to where that is not the queue's. No transaction spans two clusters: what is
// acknowledged there is marked here after that, and what was not marked is written once more.
type otherCluster struct {
	*producer
	name     string
	admin    *kadm.Client
	patience time.Duration // without an acknowledgement
}

// connectCluster connects to the cluster that the destination names; nil for the queue's own. The caller closes it.
func (q *Queue) connectCluster(ctx context.Context, topic kadm.TopicDetail, to Destination) (*otherCluster, error) {
	name := to.Cluster()
	if name == "" {
		return nil, nil
	}
	plain, err := kgo.NewClient(q.clusters[name]...)
	if err != nil {
		return nil, fmt.Errorf("make a client for cluster %s: %w", name, err)
	}
	defer plain.Close()
	client, err := kgo.NewClient(append(slices.Concat(plain.Opts(), producing(to.keyed(), plain)), kgo.RequiredAcks(kgo.AllISRAcks()))...)
	if err != nil {
		return nil, fmt.Errorf("make a client for cluster %s: %w", name, err)
	}
	o := &otherCluster{producer: newProducer(client, to.keyed()), name: name, admin: kadm.NewClient(client), patience: q.shipPatience}
	same, err := describe(ctx, o.admin, q.topic)
	switch {
	case err == nil && same.ID == topic.ID:
		err = fmt.Errorf("cluster %s is the one that %s is in: leave @%s out, so that each copy and its mark are one transaction", name, q.topic, name)
	case errors.Is(err, ErrNoTopic), errors.Is(err, kerr.TopicAuthorizationFailed): // who may not see it there is of another cluster
		err = nil
	case err != nil:
		err = fmt.Errorf("cluster %s: %w", name, err)
	}
	if err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (o *otherCluster) close() {
	if o != nil {
		o.client.Close()
	}
}

// ship writes copies and waits until they are acknowledged, or the cluster acknowledges nothing for so long, or ctx ends. Where the error is set
// nothing more can be written.
func (o *otherCluster) ship(ctx context.Context, copies []*kgo.Record) *shipped {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(o.patience, func() { cancel(fmt.Errorf("it has acknowledged nothing for %v", o.patience)) })
	defer silent.Stop()
	s := o.producer.ship(ctx, copies, func() { silent.Reset(o.patience) })
	if s.err != nil {
		s.err = fmt.Errorf("write to cluster %s: %w", o.name, s.err)
	}
	return s
}
