package payload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	maxIndex = 64 // how deep messages are nested in a message index
	mainFile = "schema.proto"
)

// compileProtobuf makes the decoder of one schema.
func compileProtobuf(ctx context.Context, text string, imports *references) (func([]byte) ([]byte, error), error) {
	files := protocompile.SourceResolver{Accessor: func(path string) (io.ReadCloser, error) {
		if path == mainFile {
			return io.NopCloser(strings.NewReader(text)), nil
		}
		source, ok := imports.seen[path]
		if !ok {
			return nil, fmt.Errorf("%s is imported, and the registry does not say what it is", path)
		}
		return io.NopCloser(strings.NewReader(source)), nil
	}}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&files)}
	compiled, err := compiler.Compile(ctx, mainFile)
	if err != nil {
		return nil, fmt.Errorf("it is no Protobuf schema: %w", err)
	}
	file, types := compiled[0], compiled.AsResolver()
	return func(payload []byte) ([]byte, error) {
		var header sr.ConfluentHeader
		index, body, err := header.DecodeIndex(payload, maxIndex)
		if err != nil {
			return nil, fmt.Errorf("the message index behind the header cannot be read: %w", err)
		}
		kind, err := messageAt(file, index)
		if err != nil {
			return nil, err
		}
		m := dynamicpb.NewMessage(kind)
		if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(body, m); err != nil {
			return nil, err
		}
		document, err := protojson.MarshalOptions{Resolver: types, UseProtoNames: true}.Marshal(m)
		if err != nil {
			return nil, err
		}
		var compact bytes.Buffer // protojson puts spaces in at random
		err = json.Compact(&compact, document)
		return compact.Bytes(), err
	}, nil
}

// messageAt is the message that an index names: which one of the file, which one within that, and so on.
func messageAt(file protoreflect.FileDescriptor, index []int) (protoreflect.MessageDescriptor, error) {
	messages := file.Messages()
	var kind protoreflect.MessageDescriptor
	for _, n := range index {
		if n < 0 || n >= messages.Len() {
			return nil, fmt.Errorf("the message index %v names a message that the schema does not have", index)
		}
		kind = messages.Get(n)
		messages = kind.Messages()
	}
	if kind == nil {
		return nil, fmt.Errorf("the message index names no message")
	}
	return kind, nil
}
