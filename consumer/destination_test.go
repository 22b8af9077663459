package consumer

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A destination is a broker that takes copies and nothing else: every topic has as many partitions as are asked for. It lives
// in the bubble of its test.
type destination struct {
	delay  time.Duration                             // of an answer to a produce request
	refuse func(topic string, partition int32) error // nil: takes it; a *kerr.Error that the client does not try again
	wg     sync.WaitGroup

	mu      sync.Mutex
	written []*kgo.Record // acknowledged, in the order of the acknowledgements
	failed  int
}

const destinationPartitions = 16

// client returns a client whose only broker is the destination.
func (d *destination) client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(d.options(opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (d *destination) options(opts ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers("destination:9092"), kgo.WithHooks(d), kgo.Dialer(d.dial), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)
}

// OnProduceRecordUnbuffered implements a hook of the client.
func (d *destination) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.failed++
		return
	}
	d.written = append(d.written, r)
}

func (d *destination) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	d.wg.Go(func() { d.serve(server) })
	return client, nil
}

// serve answers the requests of one connection until the client closes it.
func (d *destination) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(body)), int16(binary.BigEndian.Uint16(body[2:]))
		correlation := body[4:8]
		body = body[8:]
		if n := int16(binary.BigEndian.Uint16(body)); n > 0 { // client id
			body = body[n:]
		}
		body = body[2:]
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		if req.IsFlexible() {
			body = body[1:] // no tags
		}
		if err := req.ReadFrom(body); err != nil {
			return
		}
		resp := d.answer(req)
		resp.SetVersion(version)
		answer := append(make([]byte, 4), correlation...)
		if _, is := resp.(*kmsg.ApiVersionsResponse); !is && resp.IsFlexible() {
			answer = append(answer, 0)
		}
		answer = resp.AppendTo(answer)
		binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func (d *destination) answer(req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		resp := kmsg.NewPtrApiVersionsResponse()
		for key, most := range map[kmsg.Key]int16{kmsg.Produce: 9, kmsg.Metadata: 9, kmsg.ApiVersions: 3, kmsg.InitProducerID: 4} {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = int16(key), most
			resp.ApiKeys = append(resp.ApiKeys, k)
		}
		return resp
	case *kmsg.MetadataRequest:
		return d.metadata(req)
	case *kmsg.InitProducerIDRequest:
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ProducerID, resp.ProducerEpoch = 1, max(req.ProducerEpoch+1, 0)
		return resp
	case *kmsg.ProduceRequest:
		return d.take(req)
	}
	return req.ResponseKind()
}

func (d *destination) metadata(req *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = 1, "destination", 9092
	resp.Brokers = append(resp.Brokers, broker)
	resp.ControllerID = 1
	for _, asked := range req.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = asked.Topic
		for n := range int32(destinationPartitions) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR = n, 1, 1, []int32{1}, []int32{1}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func (d *destination) take(req *kmsg.ProduceRequest) kmsg.Response {
	if d.delay > 0 {
		<-time.After(d.delay)
	}
	resp := kmsg.NewPtrProduceResponse()
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = t.Topic
		for _, part := range t.Partitions {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition = part.Partition
			if d.refuse != nil {
				if err, is := d.refuse(t.Topic, part.Partition).(*kerr.Error); is {
					p.ErrorCode = err.Code
				}
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
