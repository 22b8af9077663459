package payload_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/redeliver/redeliver/internal/payload"
)

// registry is a schema registry in memory.
type registry struct {
	byID      map[int]sr.Schema
	bySubject map[string]sr.Schema
	asked     int
}

func (r *registry) SchemaByID(_ context.Context, id int) (sr.Schema, error) {
	r.asked++
	s, ok := r.byID[id]
	if !ok {
		return s, errors.New("no such schema")
	}
	return s, nil
}

func (r *registry) SchemaByVersion(_ context.Context, subject string, version int) (sr.SubjectSchema, error) {
	s, ok := r.bySubject[fmt.Sprintf("%s/%d", subject, version)]
	if !ok {
		return sr.SubjectSchema{}, errors.New("no such subject")
	}
	return sr.SubjectSchema{Subject: subject, Version: version, Schema: s}, nil
}

const orderAvro = `{"type":"record","name":"Order","namespace":"shop","fields":[
	{"name":"id","type":"long"},{"name":"note","type":["null","string"]},{"name":"raw","type":"bytes"},
	{"name":"pan","type":{"type":"fixed","name":"Pan","size":4}},{"name":"hash","type":["null",{"type":"fixed","name":"Hash","size":2}]},
	{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
	{"name":"customer","type":"shop.Customer"},{"name":"lines","type":{"type":"array","items":"string"}}]}`

const customerAvro = `{"type":"record","name":"Customer","namespace":"shop","fields":[{"name":"name","type":"string"}]}`

const orderProto = `syntax = "proto3";
package shop;
import "money.proto";
import "google/protobuf/timestamp.proto";
message Other {}
message Order { message Line { string sku = 1; } int64 order_id = 1; Money price = 2; repeated Line lines = 3; google.protobuf.Timestamp at = 4; }`

const moneyProto = `syntax = "proto3"; package shop; message Money { string amount = 1; }`

func newRegistry() *registry {
	return &registry{
		byID: map[int]sr.Schema{
			1: {Type: sr.TypeAvro, Schema: orderAvro, References: []sr.SchemaReference{{Name: "shop.Customer", Subject: "customer", Version: 3}}},
			2: {Type: sr.TypeProtobuf, Schema: orderProto, References: []sr.SchemaReference{{Name: "money.proto", Subject: "money", Version: 1}}},
			3: {Type: sr.TypeJSON, Schema: `{}`},
			4: {Type: sr.TypeAvro, Schema: "no schema"},
			5: {Type: sr.TypeProtobuf, Schema: "no schema"},
			6: {Type: sr.TypeAvro, Schema: orderAvro, References: []sr.SchemaReference{{Name: "shop.Customer", Subject: "gone", Version: 1}}},
		},
		bySubject: map[string]sr.Schema{"customer/3": {Type: sr.TypeAvro, Schema: customerAvro}, "money/1": {Type: sr.TypeProtobuf, Schema: moneyProto}},
	}
}

// framed is a payload in the wire format.
func framed(id uint32, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), body...)
}

func avroOrder(t testing.TB) []byte {
	t.Helper()
	cache := &avro.SchemaCache{}
	if _, err := avro.ParseWithCache(customerAvro, "", cache); err != nil {
		t.Fatal(err)
	}
	body, err := avro.Marshal(must(avro.ParseWithCache(orderAvro, "", cache)), map[string]any{
		"id": int64(42), "note": "two\nlines", "raw": []byte{0xff, 0}, "pan": [4]byte{'4', '1', '1', '1'}, "hash": map[string]any{"shop.Hash": [2]byte{0xff, 0}}, "price": ratOf(1999, 100), "customer": map[string]any{"name": "Ann"}, "lines": []string{"a", "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func protoOrder() []byte {
	money := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "19.99")
	line := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "a")
	at := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1_763_904_000)
	body := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 42)
	for number, part := range map[protowire.Number][]byte{2: money, 3: line, 4: at} {
		body = protowire.AppendBytes(protowire.AppendTag(body, number, protowire.BytesType), part)
	}
	return append(binary.AppendVarint(binary.AppendVarint(nil, 1), 1), body...) // the second message of the file
}

func TestDecode(t *testing.T) {
	source := newRegistry()
	d := payload.New(source)
	for _, c := range []struct {
		name  string
		value []byte
		want  string
		kind  sr.SchemaType
	}{
		{"Avro with a reference", framed(1, avroOrder(t)), `{"customer":{"name":"Ann"},"hash":{"shop.Hash":{"base64":"/wA="}},"id":42,"lines":["a","b"],"note":"two\nlines","pan":"4111","price":"19.99","raw":{"base64":"/wA="}}`, sr.TypeAvro},
		{"Protobuf with an import", framed(2, protoOrder()), `{"order_id":"42","price":{"amount":"19.99"},"lines":[{"sku":"a"}],"at":"2025-11-23T13:20:00Z"}`, sr.TypeProtobuf},
		{"JSON Schema", framed(3, []byte(`{"a": 1}`)), `{"a": 1}`, sr.TypeJSON},
	} {
		for range 2 {
			got, err := d.Decode(t.Context(), c.value)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if string(got.JSON) != c.want || got.Type != c.kind {
				t.Errorf("%s: got %v %s\nwant %s", c.name, got.Type, got.JSON, c.want)
			}
		}
	}
	if source.asked != 3 {
		t.Errorf("the registry was asked %d times for 3 schemas", source.asked)
	}
}

func TestWhatCannotBeDecoded(t *testing.T) {
	d := payload.New(newRegistry())
	for name, value := range map[string][]byte{"null": nil, "empty": {}, "short": {0, 0, 0}, "text": []byte(`{"order":1}`)} {
		if _, err := d.Decode(t.Context(), value); !errors.Is(err, payload.ErrNoSchema) {
			t.Errorf("%s: %v, want ErrNoSchema", name, err)
		}
	}
	for want, value := range map[string][]byte{
		"schema 9: ask the schema registry: no such schema":       framed(9, nil),
		"schema 4: it is no Avro schema":                          framed(4, nil),
		"schema 5: it is no Protobuf schema":                      framed(5, nil),
		"for gone, version 1, which it refers to":                 framed(6, nil),
		"does not fit its schema 1 (AVRO)":                        framed(1, []byte{1}),
		"names a message that the schema does not have":           framed(2, append(binary.AppendVarint(binary.AppendVarint(nil, 1), 7), 0)),
		"does not fit its schema 3 (JSON): it is no JSON":         framed(3, []byte("{")),
		"does not fit its schema 2 (PROTOBUF): the message index": framed(2, []byte{0xff}),
	} {
		if _, err := d.Decode(t.Context(), value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzDecode: whatever stands behind the header, it is JSON or an error.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(1), avroOrder(f))
	f.Add(uint8(2), protoOrder())
	f.Add(uint8(3), []byte("{"))
	d := payload.New(newRegistry())
	f.Fuzz(func(t *testing.T, id uint8, body []byte) {
		got, err := d.Decode(t.Context(), framed(uint32(id%4), body))
		if err == nil && !json.Valid(got.JSON) {
			t.Fatalf("no JSON: %q", got.JSON)
		}
	})
}

func ratOf(a, b int64) *big.Rat { return big.NewRat(a, b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
