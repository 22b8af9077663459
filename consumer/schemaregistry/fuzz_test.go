package schemaregistry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
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

// answered answers every request of a registry's client in the same way.
type answered struct {
	status int
	body   string
}

func (a answered) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

// FuzzAnswer: whatever a registry answers, it is a schema, or it knows none, which nobody asks again, or the record is
// retried: an answer that is none makes no dead letter.
func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"schemaType":"JSON","schema":"{}"}`)
	f.Add(404, `{"error_code":40403,"message":"Schema not found"}`)
	f.Add(404, `<html>no such page</html>`)
	f.Add(500, `{"error_code":50001,"message":"Error in the backend data store"}`)
	f.Add(200, `{"schemaType":"XML","schema":1}`)
	f.Add(200, `null`)
	f.Add(204, ``)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return // net/http lets no other through
		}
		client, err := sr.NewClient(sr.URLs("http://registry.invalid"), sr.HTTPClient(&http.Client{Transport: answered{status, body}}))
		if err != nil {
			t.Fatal(err)
		}
		schema, err := schemaregistry.New(client).Schema(t.Context(), 7)
		var none *schemaregistry.UnknownSchemaError
		var later *schemaregistry.LookupError
		switch {
		case err == nil && status >= 300:
			t.Fatalf("status %d is taken for the schema %+v", status, schema)
		case errors.As(err, &none) && !strings.Contains(body, "40403"):
			t.Fatalf("status %d with %q is taken for: there is none", status, body)
		case err != nil && !errors.As(err, &none) && !errors.As(err, &later):
			t.Fatalf("got %T: %v", err, err)
		case later != nil && later.HTTPStatus() != 0 && later.HTTPStatus() != status:
			t.Fatalf("status %d is told as %d", status, later.HTTPStatus())
		}
	})
}
