package dlq_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

func TestOpenRefuses(t *testing.T) {
	client := func(options ...kgo.Opt) *kgo.Client {
		c, err := kgo.NewClient(options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	for _, c := range []struct {
		client *kgo.Client
		topic  string
		want   string
	}{
		{client(), "", "the topic is not named"},
		{nil, "orders.dlq", "open orders.dlq: there is no client"},
		{client(kgo.ConsumerGroup("orders"), kgo.ConsumeTopics("orders")), "orders.dlq", "member of group orders"},
	} {
		if q, err := dlq.Open(c.client, c.topic); q != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %v, want %q", q, err, c.want)
		}
	}
}
