package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hamba/avro/v2"
)

// avroAPI bounds what a payload makes the library allocate: it says itself how long its parts are.
var avroAPI = avro.Config{MaxByteSliceSize: 64 << 20, MaxSliceAllocSize: 1 << 20}.Freeze()

// compileAvro makes the decoder of one schema.
func compileAvro(text string, imports *references) (func([]byte) ([]byte, error), error) {
	cache := &avro.SchemaCache{}
	for _, name := range imports.names {
		if _, err := avro.ParseWithCache(imports.seen[name], "", cache); err != nil {
			return nil, fmt.Errorf("%s, which it refers to, is no Avro schema: %w", name, err)
		}
	}
	schema, err := avro.ParseWithCache(text, "", cache)
	if err != nil {
		return nil, fmt.Errorf("it is no Avro schema: %w", err)
	}
	return func(payload []byte) (document []byte, err error) {
		defer func() { // a payload is anybody's
			if wrong := recover(); wrong != nil {
				err = fmt.Errorf("it cannot be read: %v", wrong)
			}
		}()
		var v any
		// Not Unmarshal: it takes a payload that ends too early for one whose rest is empty.
		reader := avro.NewReader(bytes.NewReader(payload), 4<<10, avro.WithReaderConfig(avroAPI))
		if reader.ReadVal(schema, &v); reader.Error != nil {
			return nil, reader.Error
		}
		return json.Marshal(plain(v))
	}, nil
}

// plain makes of a decoded value what JSON has: numbers that are none are texts, bytes that are no text are in base64, decimals are texts.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, one := range v {
			v[key] = plain(one)
		}
	case []any:
		for i, one := range v {
			v[i] = plain(one)
		}
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return map[string]any{"base64": v}
	case *big.Rat:
		return decimal(v)
	case big.Rat:
		return decimal(&v)
	case float32:
		return number(float64(v), 32)
	case float64:
		return number(v, 64)
	case time.Duration:
		return v.String()
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	}
	if fixed := reflect.ValueOf(v); fixed.Kind() == reflect.Array && fixed.Type().Elem().Kind() == reflect.Uint8 { // of any size
		b := make([]byte, fixed.Len())
		reflect.Copy(reflect.ValueOf(b), fixed)
		return plain(b)
	}
	return v
}

// decimal writes a number with as many digits as it has, and no more.
func decimal(r *big.Rat) string {
	text := r.FloatString(40)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

func number(f float64, bits int) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Sprint(f)
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, bits))
}
