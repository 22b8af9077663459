// Package protobuf makes functions over Protobuf messages handlers of package consumer. It is a package of its own so
// that programs without Protobuf do not link it.
package protobuf

import (
	"context"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/redeliver/redeliver/consumer"
)

// Handler makes a function over messages of type T, a generated type like *orderspb.Order, a handler. A record that is
// no such message is not retried: it goes to the dead letters with reason undecodable. A null value gives a nil
// message, as an empty value is a message too, one without fields.
//
// It panics when T is an interface, for then nothing says which message the records hold.
func Handler[T proto.Message](f func(ctx context.Context, m consumer.Message[T]) error) consumer.Handler {
	return consumer.Typed(Decoder[T](proto.UnmarshalOptions{}), f)
}

// Decoder returns the decoder of [Handler] with options of its own, for [consumer.Typed]. It may be called
// concurrently. It panics like Handler.
func Decoder[T proto.Message](options proto.UnmarshalOptions) consumer.Decoder[T] {
	decode := unmarshal[T](options)
	return func(_ context.Context, r *consumer.Record) (T, error) { return decode(r.Value) }
}

func unmarshal[T proto.Message](options proto.UnmarshalOptions) func(b []byte) (T, error) {
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Interface {
		panic(fmt.Sprintf("protobuf: %v does not say which message the records hold: name a generated type", t))
	}
	var null T
	kind := null.ProtoReflect().Type()
	return func(b []byte) (T, error) {
		if b == nil {
			return null, nil
		}
		m := kind.New().Interface().(T)
		if err := options.Unmarshal(b, m); err != nil {
			return null, err
		}
		return m, nil
	}
}
