// Package config reads config.yaml.
//
// What a key is called, what it means, what it is by default and where its value goes stands once, in keys.go. Reading,
// the defaults, the JSON Schema, the printed configuration and the table of mistakes in the tests all walk that one
// description.
//
// A file is read on the nodes of its YAML tree, so that every value keeps the place it came from: environment variables
// are replaced inside scalars and are never YAML again, `defaults:` is merged under every pipeline, and each mistake is
// reported as file:line:column with the line and a caret under the place, all of them at once.
package config
