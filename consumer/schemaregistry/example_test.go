package schemaregistry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/consumer/schemaregistry"
)

func ExampleHandler() {
	// Stands for your registry, which knows the schema 1.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"schemaType":"JSON","schema":"{}"}`)
	}))
	defer server.Close()

	client, err := sr.NewClient(sr.URLs(server.URL))
	if err != nil {
		panic(err)
	}
	type Order struct{ Item string }
	handler := schemaregistry.Handler(schemaregistry.New(client), schemaregistry.JSON[Order](),
		func(_ context.Context, m consumer.Message[Order]) error {
			fmt.Println(m.ID(), m.Value.Item)
			return nil
		})
	// Usually: consumer.New(consumer.Config{..., Handler: handler})
	value := append([]byte{0, 0, 0, 0, 1}, `{"item":"shoes"}`...)
	_ = handler.Handle(context.Background(), &consumer.Record{Topic: "orders", Partition: 3, Offset: 42, Value: value})
	// Output: orders/3/42 shoes
}

// Any library that parses a schema's text and decodes with it makes a format: here a toy that splits text.
func ExampleCompiled() {
	format := schemaregistry.Compiled(
		func(s schemaregistry.Schema) (string, error) { return s.Schema.Schema + ": ", nil }, // once for each schema
		func(prefix string, payload []byte) (string, error) { return prefix + string(payload), nil },
	)
	text, _ := format(context.Background(), schemaregistry.Schema{ID: 1, Schema: sr.Schema{Schema: "greeting"}}, []byte("hello"))
	fmt.Println(text)
	// Output: greeting: hello
}
