// Package parquet writes dead letters to a Parquet file and reads them back, byte for byte: null is null and not empty, and
// headers are in their order with their duplicates. The columns are those of the JSON lines of `redeliver dlq export`, with the
// headers as a repeated group of key and value, and the time of death as a timestamp in milliseconds.
package parquet
