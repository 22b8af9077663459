package protobuf_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/consumer/protobuf"
)

type text = *wrapperspb.StringValue

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAHandlerGetsTheMessage(t *testing.T) {
	tests := []struct {
		name  string
		value []byte
		want  text
	}{
		{"a message", encode(t, wrapperspb.String("shoes")), wrapperspb.String("shoes")},
		{"an empty value is a message without fields", []byte{}, wrapperspb.String("")},
		{"a null value is no message", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			called := false
			h := protobuf.Handler(func(_ context.Context, m consumer.Message[text]) error {
				called = true
				if !proto.Equal(m.Value, test.want) || (m.Value == nil) != (test.want == nil) {
					t.Errorf("got %v, want %v", m.Value, test.want)
				}
				if m.Topic != "orders" || !bytes.Equal(m.Record.Value, test.value) {
					t.Errorf("the record is %+v", m.Record)
				}
				return nil
			})
			if err := h.Handle(context.Background(), &consumer.Record{Topic: "orders", Value: test.value}); err != nil {
				t.Fatal(err)
			}
			if !called {
				t.Error("the handler was not called")
			}
		})
	}
}

func TestWhatIsNoMessageIsUndecodable(t *testing.T) {
	h := protobuf.Handler(func(context.Context, consumer.Message[text]) error {
		t.Error("the handler was called")
		return nil
	})
	err := h.Handle(context.Background(), &consumer.Record{Topic: "orders", Partition: 1, Offset: 2, Value: []byte("\xff\xff")})
	var undecodable *consumer.UndecodableError
	if !errors.As(err, &undecodable) || undecodable.ID != "orders/1/2" {
		t.Errorf("got %v", err)
	}
}

func TestTheHandlersErrorIsItsOwn(t *testing.T) {
	cause := errors.New("out of shoes")
	h := protobuf.Handler(func(context.Context, consumer.Message[text]) error { return cause })
	if err := h.Handle(context.Background(), &consumer.Record{}); err != cause {
		t.Errorf("got %v", err)
	}
}

func TestAnInterfaceIsNoMessage(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Handler took an interface")
		}
	}()
	protobuf.Handler(func(context.Context, consumer.Message[proto.Message]) error { return nil })
}
