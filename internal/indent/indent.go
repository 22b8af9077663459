// Package indent lays JSON documents out for people.
package indent

import (
	"bytes"
	"encoding/json"
)

// growth is how many times as long as it is a document may become, and room how many bytes longer a small one: each value gets a line, and a
// line is as long as the value is nested deep, so that some KiB of brackets would be gigabytes.
const (
	growth = 16
	room   = 64 << 10
)

// JSON returns a document with a line for each of its values, indented by two, and as it is where that would be many times as long. ok is false
// where it is no document.
func JSON(document []byte) (text []byte, ok bool) {
	if !json.Valid(document) {
		return nil, false
	}
	if !Fits(document) {
		return document, true
	}
	var b bytes.Buffer
	ok = json.Indent(&b, document, "", "  ") == nil
	return b.Bytes(), ok
}

// Fits says of a valid document whether [JSON] lays it out.
func Fits(document []byte) bool {
	most := growth*len(document) + room
	size, depth, opened := 0, 0, false
	for i := 0; i < len(document) && size <= most; i++ {
		c := document[i]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			continue
		}
		if c == '}' || c == ']' {
			depth--
		}
		if line := 1 + 2*depth; opened != (c == '}' || c == ']') { // behind what opens, or before what closes; nothing within an empty one
			size += line
		}
		opened = false
		size++
		switch c {
		case '"':
			end := i + 1
			for document[end] != '"' {
				if document[end] == '\\' {
					end++
				}
				end++
			}
			size += end - i
			i = end
		case '{', '[':
			depth, opened = depth+1, true
		case ',':
			size += 1 + 2*depth
		case ':':
			size++
		}
	}
	return size <= most
}
