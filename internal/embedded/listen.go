package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// clusterIDPrefix begins the cluster id of every embedded broker, by which one knows another.
const clusterIDPrefix = "redeliver-embedded-"

// listen listens on a loopback address, which is all that a broker without authentication may do.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: listen address %q: %w; write it as %s", address, err, DefaultListen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("embedded broker: %q is not a loopback address; the embedded broker has no authentication and "+
			"listens on 127.0.0.1, [::1] or localhost only", address)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("embedded broker: %s is in use%s: %w", address, whoAnswers(ctx, address), err)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return l, nil
}

// whoAnswers says who listens on an address that is in use and what to do about it.
func whoAnswers(ctx context.Context, address string) string {
	_, port, _ := net.SplitHostPort(address)
	find := fmt.Sprintf("find the process with `ss -ltnp 'sport = :%s'` or `lsof -i :%s`, or set embedded.listen to another port", port, port)

	switch id, ok := clusterID(ctx, address); {
	case !ok:
		return " by something that is no Kafka broker; " + find
	case strings.HasPrefix(id, clusterIDPrefix):
		return " by another embedded broker of Redeliver (" + id + "); to use that one run without --embedded and with " +
			"kafka.brokers: [" + address + "]; to have a second one set embedded.listen and embedded.data_dir"
	default:
		return " by a Kafka broker (cluster " + id + "); to use it run without --embedded and with kafka.brokers: [" +
			address + "]; otherwise " + find
	}
}

// answerTime is how long a broker on this machine has to say who it is.
const answerTime = time.Second

// clusterID asks whoever listens there for its cluster's id. A program that accepts and says nothing is waited for no longer
// than answerTime: the client begins with a request of its own, which no context but only its time-out ends.
func clusterID(ctx context.Context, address string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RequestRetries(0), kgo.DialTimeout(answerTime), kgo.RequestTimeoutOverhead(answerTime))
	if err != nil {
		return "", false
	}
	defer client.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(ctx, client)
	if err != nil || resp.ClusterID == nil {
		return "", false
	}
	return *resp.ClusterID, true
}
