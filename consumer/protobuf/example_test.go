package protobuf_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/consumer/protobuf"
)

// The message type is a generated one of your own; here it is one of Protobuf's.
func ExampleHandler() {
	handler := protobuf.Handler(func(_ context.Context, m consumer.Message[*wrapperspb.StringValue]) error {
		fmt.Println(m.ID(), m.Value.GetValue())
		return nil
	})
	// Usually: consumer.New(consumer.Config{..., Handler: handler})
	value, _ := proto.Marshal(wrapperspb.String("two pairs of shoes"))
	_ = handler.Handle(context.Background(), &consumer.Record{Topic: "orders", Partition: 3, Offset: 42, Value: value})
	// Output: orders/3/42 two pairs of shoes
}
