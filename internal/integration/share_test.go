package integration_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/kafkatest"
)

// shareGroup is a share group that has its dead letters in a topic, with copies of their records or without. Tests of brokers that do not know such settings are skipped.
func shareGroup(t *testing.T, letters, copies string) (group string) {
	t.Helper()
	kafkatest.RequireReal(t)
	group = letters + ".group"
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	for _, setting := range [][2]string{
		{"share.auto.offset.reset", "earliest"}, {"errors.deadletterqueue.topic.name", letters}, {"errors.deadletterqueue.copy.record.enable", copies},
	} {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = setting[0], kmsg.StringPtr(setting[1])
		resource.Configs = append(resource.Configs, c)
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(t.Context(), kafkatest.Client(t))
	if err == nil {
		err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	}
	if errors.Is(err, kerr.InvalidConfig) {
		t.Skipf("share groups have dead letters from Apache Kafka 4.4 on, and this is %s", kafkatest.Describe(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// What members of a share group reject is in its dead letters without its headers and, as by default, without key and value. A pipeline that reads the topic gets
// each of them once when they are replayed to it, as it was.
func TestDeadLettersOfAShareGroupAreReplayed(t *testing.T) {
	t.Parallel()
	for _, copies := range []string{"false", "true"} {
		t.Run("copies "+copies, func(t *testing.T) {
			t.Parallel()
			const records = 30
			b := setup(t, 3)
			letters := "dlq." + b.source // brokers want the prefix
			group := shareGroup(t, letters, copies)
			b.createTopics(3, []string{letters}, "errors.deadletterqueue.group.enable=true")
			seen := newReturned(records)
			b.start(seen.handle)
			var given []*kgo.Record
			for i := range records {
				given = append(given, &kgo.Record{
					Partition: int32(i % 3), Key: []byte(fmt.Sprint("key-", i)), Value: []byte{0xff, byte(i), 0},
					Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte{0xfe, byte(i)}}, {Key: "trace"}},
				})
			}
			b.produceTo(given...)
			b.calls.awaitDone(t, records)
			reject(t, group, b.source, records)

			client := kafkatest.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
			q, err := dlq.Open(client, letters, dlq.ForGroup(b.group), dlq.AnyGroup())
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error { // the brokers write them when they are rejected already
				return foreign(t.Context(), q, records, 1)
			})
			seen.replayed(b, q, dlq.Source, given)
		})
	}
}

// reject has a member of a share group reject so many records of a topic.
func reject(t *testing.T, group, topic string, records int) {
	t.Helper()
	member := kafkatest.Client(t, kgo.ShareGroup(group), kgo.ConsumeTopics(topic))
	for n := 0; n < records; {
		fetches := member.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { r.Ack(kgo.AckReject); n++ })
		if err := member.FlushAcks(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
