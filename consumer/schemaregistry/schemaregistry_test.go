package schemaregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/consumer/schemaregistry"
)

type order struct {
	Item string `json:"item"`
}

// registryServer is a schema registry over HTTP with the schemas 1 (JSON) and 2 (Protobuf). Failing makes it answer
// with that status instead.
type registryServer struct {
	*httptest.Server
	asked   atomic.Int32
	failing atomic.Int32
}

func startRegistry(t testing.TB) (*registryServer, *schemaregistry.Registry) {
	t.Helper()
	s := new(registryServer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		if status := s.failing.Load(); status != 0 {
			w.WriteHeader(int(status))
			fmt.Fprintf(w, `{"error_code":%d,"message":"no"}`, status)
			return
		}
		switch r.URL.Path {
		case "/schemas/ids/1":
			fmt.Fprint(w, `{"schemaType":"JSON","schema":"{\"type\":\"object\"}"}`)
		case "/schemas/ids/2":
			fmt.Fprint(w, `{"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; message S { string value = 1; }"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error_code":40403,"message":"Schema not found"}`)
		}
	}))
	t.Cleanup(s.Close)
	client, err := sr.NewClient(sr.URLs(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	return s, schemaregistry.New(client)
}

// value is a value in the wire format.
func value(t *testing.T, id int, payload []byte, index ...int) []byte {
	t.Helper()
	b, err := new(sr.ConfluentHeader).AppendEncode(nil, id, index)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, payload...)
}

func message(t *testing.T, text string) []byte {
	t.Helper()
	b, err := proto.Marshal(wrapperspb.String(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func record(value []byte) *consumer.Record {
	return &consumer.Record{Topic: "orders", Partition: 1, Offset: 2, Value: value}
}

func TestJSON(t *testing.T) {
	_, registry := startRegistry(t)
	decode := schemaregistry.Decoder(registry, schemaregistry.JSON[order]())
	got, err := decode(context.Background(), record(value(t, 1, []byte(`{"item":"shoes"}`))))
	if err != nil || got.Item != "shoes" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestProtobuf(t *testing.T) {
	_, registry := startRegistry(t)
	decode := schemaregistry.Decoder(registry, schemaregistry.Protobuf[*wrapperspb.StringValue]())
	for _, index := range [][]int{{0}, {1}, {2, 0, 1}} {
		got, err := decode(context.Background(), record(value(t, 2, message(t, "shoes"), index...)))
		if err != nil || got.GetValue() != "shoes" {
			t.Errorf("index %v: got %v, %v", index, got, err)
		}
	}
}

func TestANullValueAsksNobody(t *testing.T) {
	server, registry := startRegistry(t)
	got, err := schemaregistry.Decoder(registry, schemaregistry.Protobuf[*wrapperspb.StringValue]())(context.Background(), record(nil))
	if err != nil || got != nil || server.asked.Load() != 0 {
		t.Errorf("got %v, %v, after %d requests", got, err, server.asked.Load())
	}
}

// What the record is to blame for is not retried.
func TestUndecodable(t *testing.T) {
	bomb := append(value(t, 2, nil), 0xfe, 0xff, 0xff, 0xff, 0x0f) // an index of two thousand million numbers
	tests := []struct {
		name  string
		value []byte
		says  string
	}{
		{"no header", []byte("{}"), "the value has 2 bytes"},
		{"an empty value", []byte{}, "the value has 0 bytes"},
		{"plain JSON", []byte(`{"item":1}`), "begins with 7b 22 69 74 65"},
		{"an unknown id", value(t, 99, nil), "no schema with id 99"},
		{"another type", value(t, 1, nil, 0), "schema 1 is of type JSON, want PROTOBUF"},
		{"no index", value(t, 2, nil), "message index"},
		{"an index without end", bomb, "message index"},
		{"a payload that does not fit", value(t, 2, []byte{0xff}, 0), "proto"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, registry := startRegistry(t)
			h := schemaregistry.Handler(registry, schemaregistry.Protobuf[*wrapperspb.StringValue](), func(context.Context, consumer.Message[*wrapperspb.StringValue]) error {
				t.Error("the handler was called")
				return nil
			})
			err := h.Handle(context.Background(), record(test.value))
			var undecodable *consumer.UndecodableError
			if !errors.As(err, &undecodable) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

// What the registry is to blame for is retried, and not remembered.
func TestARegistryThatFails(t *testing.T) {
	tests := []struct {
		status int
		class  classify.Class
	}{
		{500, classify.Transient},
		{503, classify.Transient},
		{429, classify.RateLimited},
		{401, classify.Authentication},
		{404, classify.Permanent}, // of somebody who is no registry: not of the record either
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			server, registry := startRegistry(t)
			handled := 0
			h := schemaregistry.Handler(registry, schemaregistry.JSON[order](), func(context.Context, consumer.Message[order]) error {
				handled++
				return nil
			})
			r := record(value(t, 1, []byte("{}")))
			server.failing.Store(int32(test.status))
			err := h.Handle(context.Background(), r)
			var undecodable *consumer.UndecodableError
			if err == nil || errors.As(err, &undecodable) {
				t.Fatalf("got %v: the record is not to blame", err)
			}
			if got := classify.New(nil).Classify(err); got.Class != test.class {
				t.Errorf("classed %v (%s), want %v", got.Class, got.Rule, test.class)
			}
			server.failing.Store(0)
			if err := h.Handle(context.Background(), r); err != nil || handled != 1 {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestARegistryThatIsAway(t *testing.T) {
	server, registry := startRegistry(t)
	server.Close()
	_, err := registry.Schema(context.Background(), 1)
	if got := classify.New(nil).Classify(err); got.Class != classify.Network {
		t.Errorf("classed %v (%s): %v", got.Class, got.Rule, err)
	}
}

func TestASchemaIsAskedForOnce(t *testing.T) {
	server, registry := startRegistry(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := registry.Schema(context.Background(), 1); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := server.asked.Load(); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
}

// source is a registry without HTTP.
type source func(ctx context.Context, id int) (sr.Schema, error)

func (s source) SchemaByID(ctx context.Context, id int) (sr.Schema, error) { return s(ctx, id) }

func TestAnUnknownIDIsAskedForAgainAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		registry := schemaregistry.New(source(func(context.Context, int) (sr.Schema, error) {
			asked++
			if asked == 1 {
				return sr.Schema{}, &sr.ResponseError{StatusCode: 404, ErrorCode: 40403, Message: "Schema not found"}
			}
			return sr.Schema{Schema: "{}"}, nil
		}))
		for _, step := range []struct {
			after time.Duration
			asked int
			ok    bool
		}{{0, 1, false}, {9 * time.Second, 1, false}, {2 * time.Second, 2, true}, {24 * time.Hour, 2, true}} {
			<-time.After(step.after)
			_, err := registry.Schema(t.Context(), 7)
			if (err == nil) != step.ok || asked != step.asked {
				t.Errorf("got %v after %d requests, want %+v", err, asked, step)
			}
		}
	})
}

// A handler that is given up does not take the others' look-up with it, and a registry that hangs does not hold them
// for ever.
func TestALookupOutlivesTheOneWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := schemaregistry.New(source(func(ctx context.Context, id int) (sr.Schema, error) {
			answer := time.After(5 * time.Second)
			if id == 2 {
				answer = nil
			}
			select {
			case <-answer:
				return sr.Schema{Schema: "{}"}, nil
			case <-ctx.Done():
				return sr.Schema{}, ctx.Err()
			}
		}))
		first, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := registry.Schema(first, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := registry.Schema(t.Context(), 1); err != nil {
				t.Errorf("the second got %v", err)
			}
		})
		all.Go(func() {
			began := time.Now()
			_, err := registry.Schema(t.Context(), 2)
			var lookup *schemaregistry.LookupError
			if !errors.As(err, &lookup) || time.Since(began) != 10*time.Second {
				t.Errorf("the one at the hanging registry got %v after %v", err, time.Since(began))
			}
		})
		all.Wait()
	})
}

func TestCompiledCompilesOnceForEachSchema(t *testing.T) {
	_, registry := startRegistry(t)
	var compiled []int
	format := schemaregistry.Compiled(
		func(s schemaregistry.Schema) (string, error) {
			compiled = append(compiled, s.ID)
			return s.Type.String(), nil
		},
		func(kind string, payload []byte) (string, error) { return kind + " " + string(payload), nil },
	)
	decode := schemaregistry.Decoder(registry, format)
	for _, id := range []int{1, 2, 1, 2} {
		got, err := decode(context.Background(), record(value(t, id, []byte("x"))))
		if want := map[int]string{1: "JSON x", 2: "PROTOBUF x"}[id]; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if len(compiled) != 2 {
		t.Errorf("compiled %v", compiled)
	}
}

func TestSerde(t *testing.T) {
	serde := sr.NewSerde()
	serde.Register(1, order{}, sr.EncodeFn(json.Marshal), sr.DecodeFn(json.Unmarshal))
	serde.Register(2, []string{}, sr.EncodeFn(json.Marshal), sr.DecodeFn(json.Unmarshal))
	decode := schemaregistry.Serde[order](serde)
	if got, err := decode(context.Background(), record(value(t, 1, []byte(`{"item":"shoes"}`)))); err != nil || got.Item != "shoes" {
		t.Errorf("got %+v, %v", got, err)
	}
	pointers := schemaregistry.Serde[*order](serde)
	if got, err := pointers(context.Background(), record(value(t, 1, []byte(`{"item":"shoes"}`)))); err != nil || got.Item != "shoes" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := decode(context.Background(), record(nil)); err != nil || got != (order{}) {
		t.Errorf("a null value: got %+v, %v", got, err)
	}
	for name, b := range map[string][]byte{
		"another type": value(t, 2, []byte("[]")), "an unknown id": value(t, 3, nil), "no header": []byte("{}"),
	} {
		if _, err := decode(context.Background(), record(b)); err == nil {
			t.Errorf("%s was decoded", name)
		}
	}
}
