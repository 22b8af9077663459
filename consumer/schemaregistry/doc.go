// Package schemaregistry makes functions over values with a schema handlers of package consumer. The records carry the
// wire format of Confluent's Schema Registry, which others have taken up: a zero byte, the schema's id in four bytes,
// and the payload. Schemas are read with [github.com/twmb/franz-go/pkg/sr], once for each id.
//
// What cannot be read because of the record (no such header, an id that the registry does not know, a payload that does
// not fit) goes to the dead letters with reason undecodable. When the registry does not answer, the record is retried.
//
// JSON and Protobuf are built in, see [JSON] and [Protobuf]. For Avro, or any other format, give [Compiled] the
// functions of your library, or use its [sr.Serde] with [Serde].
package schemaregistry
