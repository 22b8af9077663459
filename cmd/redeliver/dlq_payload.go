package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/internal/indent"
	"github.com/redeliver/redeliver/internal/payload"
)

// hexLimit is how many bytes of a payload that is no text are dumped.
const hexLimit = 4 << 10

// shownPayload is a payload as somebody sees it.
type shownPayload struct {
	value   []byte // without what is hidden
	size    int    // in bytes, with it
	decoded payload.Decoded
	problem error // why it could not be decoded
}

// payloadOf decodes a value by the schema that it names, where there is a registry, and hides what is to be hidden: of what was decoded too.
func (p *program) payloadOf(ctx context.Context, registry config.SchemaRegistry, redact *dlq.Redaction, value []byte) (shownPayload, error) {
	s := shownPayload{value: redact.Bytes(value), size: len(value)}
	if registry.URL == "" {
		return s, nil
	}
	client, err := registry.Client()
	if err != nil {
		return s, fmt.Errorf("make a client of the schema registry: %w", err)
	}
	decoded, err := payload.New(client).Decode(ctx, value)
	switch {
	case errors.Is(err, payload.ErrNoSchema):
	case err != nil:
		s.problem = errors.New(redact.String(err.Error()))
	default:
		s.decoded = decoded
		if s.decoded.JSON = redact.Decoded(decoded.JSON); !bytes.Equal(s.decoded.JSON, decoded.JSON) {
			s.value = []byte(dlq.Redacted) // in which a number stands in other bytes, and no name beside it
		}
	}
	return s, nil
}

// withheld says why the value is not shown byte for byte where something may be hidden; "" where it is.
func (s *shownPayload) withheld(value []byte) string {
	switch {
	case !bytes.Equal(s.value, value):
		return "dlq.redact hides a part of this payload"
	case s.problem != nil:
		return fmt.Sprintf("what dlq.redact hides of this payload shows when it is decoded, which failed (%v)", s.problem)
	}
	return ""
}

// schemaName is how a kind of schema is called in text.
var schemaName = map[sr.SchemaType]string{sr.TypeAvro: "Avro", sr.TypeProtobuf: "Protobuf", sr.TypeJSON: "JSON"}

// show prints a value by its kind: what a schema makes of it and JSON indented, other text as it is, bytes as a hex dump.
func (s shownPayload) show(w io.Writer) {
	value := s.value
	if s.problem != nil {
		fmt.Fprintf(w, "NOT DECODED: %s\n\n", printable(s.problem.Error()))
	}
	var indented []byte
	indents := func(document []byte) (ok bool) {
		indented, ok = indent.JSON(document)
		return ok && isText(indented)
	}
	switch {
	case value == nil:
		fmt.Fprintln(w, "PAYLOAD null")
	case len(value) == 0:
		fmt.Fprintln(w, "PAYLOAD empty")
	case s.decoded.JSON != nil:
		document := s.decoded.JSON
		if indents(document) {
			document = indented
		}
		fmt.Fprintf(w, "PAYLOAD %s, %d bytes, schema %d\n%s\n", schemaName[s.decoded.Type], s.size, s.decoded.SchemaID, document)
	case indents(value):
		fmt.Fprintf(w, "PAYLOAD JSON, %d bytes\n%s\n", s.size, indented)
	case isText(value):
		fmt.Fprintf(w, "PAYLOAD text, %d bytes\n%s\n", s.size, value)
	default:
		shown := value[:min(len(value), hexLimit)]
		fmt.Fprintf(w, "PAYLOAD binary, %d bytes\n%s", s.size, hex.Dump(shown))
		if left := len(value) - len(shown); left > 0 {
			fmt.Fprintf(w, "and %d more: --raw prints all, byte for byte\n", left)
		}
	}
}

// isText says whether bytes can be printed on a terminal as they are.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	return !bytes.ContainsFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' })
}
