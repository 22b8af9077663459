package schemaregistry_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/consumer/schemaregistry"
)

// FuzzValue: a value that somebody else has written is decoded, or is undecodable: no handler sees half of it, and none
// makes a member fall over.
func FuzzValue(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, '{', '}'})
	f.Add([]byte{0, 0, 0, 0, 2, 0, 10, 1, 'x'})
	f.Add([]byte{0, 0, 0, 0, 2, 2, 2, 4})
	f.Add([]byte{0, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Add([]byte{})
	_, registry := startRegistry(f)
	calls := 0
	handlers := []consumer.Handler{
		schemaregistry.Handler(registry, schemaregistry.JSON[order](), func(context.Context, consumer.Message[order]) error { calls++; return nil }),
		schemaregistry.Handler(registry, schemaregistry.Protobuf[*structpb.Struct](), func(context.Context, consumer.Message[*structpb.Struct]) error { calls++; return nil }),
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) >= 5 && value[0] == 0 && (value[1] != 0 || value[2] != 0 || value[3] != 0 || value[4] > 2) {
			value[1], value[2], value[3], value[4] = 0, 0, 0, value[4]%3 // the registry need not be asked for millions of ids
		}
		for i, h := range handlers {
			before := calls
			err := h.Handle(t.Context(), &consumer.Record{Topic: "t", Value: value})
			var undecodable *consumer.UndecodableError
			if (err == nil) != (calls == before+1) || err != nil && !errors.As(err, &undecodable) && value[4] != 0 {
				t.Fatalf("handler %d: %d calls and the error %v", i, calls-before, err)
			}
		}
	})
}
