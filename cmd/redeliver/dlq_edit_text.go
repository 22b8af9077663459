package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
)

const (
	editChanges = 12 // of a payload that its mark names
	editWidth   = 60 // of a value
)

// editText says in one line what an edit changes, for the mark, which outlives what was written. Nothing of what redact hides stands in it, also for who
// edits it unredacted: a pattern may need what a value stands beside, so that with patterns of text it names the places of a payload only.
func editText(before, after editable, redact *dlq.Redaction) string {
	var said []string
	if !equalBytes(before.Key, after.Key) {
		said = append(said, "set key "+valueText(redact.Bytes(after.Key)))
	}
	said = append(said, headersText(before.Headers, after.Headers, redact)...)
	return redact.String("by hand: " + strings.Join(append(said, payloadText(before, after, redact)...), ", "))
}

func equalBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// valueText is a key or the value of a header, bounded.
func valueText(value []byte) string {
	if value == nil {
		return "null"
	}
	return strconv.Quote(clip(string(value), editWidth))
}

// headersText names the headers that an edit sets or takes out. Of those with one name it says all that there are then.
func headersText(before, after []headerView, redact *dlq.Redaction) (said []string) {
	byName := func(headers []headerView) map[string][]headerView {
		all := make(map[string][]headerView)
		for _, h := range headers {
			all[jsonName(h.Key)] = append(all[jsonName(h.Key)], h)
		}
		return all
	}
	same := func(a, b headerView) bool { return equalBytes(a.Value, b.Value) }
	was, is := byName(before), byName(after)
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if slices.EqualFunc(was[name], is[name], same) {
			continue
		}
		for _, h := range is[name] {
			shown := redact.Header(kgo.RecordHeader{Key: h.Key, Value: h.Value})
			said = append(said, "set header "+name+"="+valueText(shown.Value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if is[name] == nil {
			said = append(said, "unset header "+name)
		}
	}
	if len(said) == 0 && !slices.EqualFunc(before, after, func(a, b headerView) bool { return jsonName(a.Key) == jsonName(b.Key) && same(a, b) }) {
		said = append(said, "put the headers in another order")
	}
	return said
}

// payloadText says what an edit changes in a payload: of a document where, and to what.
func payloadText(before, after editable, redact *dlq.Redaction) []string {
	was, _ := before.value() // which were read before
	is, _ := after.value()
	if before.Kind == after.Kind && bytes.Equal(was, is) {
		return nil
	}
	shown := redact.Bytes(is)
	whole := redact == nil || len(redact.Text) == 0
	a, aDocument := document(before.Kind, redact.Bytes(was))
	b, bDocument := document(after.Kind, shown)
	switch {
	case is == nil:
		return []string{"set payload to null"}
	case !bDocument || !aDocument && !whole:
		text := fmt.Sprintf("set payload to %s of %d %s", after.Kind, len(is), plural(len(is), "byte"))
		if after.Kind == "text" && whole {
			text += ": " + valueText(shown)
		}
		return []string{text}
	case !aDocument:
		return []string{"set payload to " + clip(string(shown), editWidth)}
	}
	var all []string
	changes(".", a, b, func(at string, value any, gone bool) {
		text := "set payload " + at
		switch encoded, err := json.Marshal(value); {
		case gone:
			text = "unset payload " + at
		case whole && err == nil:
			text += "=" + clip(string(encoded), editWidth)
		}
		all = append(all, text)
	})
	if len(all) == 0 {
		return []string{"set payload where nothing of it is shown: what is hidden, or how it is written"}
	}
	if more := len(all) - editChanges; more > 0 {
		all = append(all[:editChanges], fmt.Sprintf("and %d more of the payload", more))
	}
	return all
}

// document reads a payload that is JSON.
func document(kind string, payload []byte) (value any, ok bool) {
	if kind != "json" {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	return value, decoder.Decode(&value) == nil
}

// changes tells the places in which two documents differ, as jq names them.
func changes(at string, a, b any, tell func(at string, value any, gone bool)) {
	switch a := a.(type) {
	case map[string]any:
		b, is := b.(map[string]any)
		if !is {
			break
		}
		names := maps.Clone(a)
		maps.Copy(names, b)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			was, had := a[name]
			one, has := b[name]
			place := strings.TrimSuffix(at, ".") + "." + placeName(name)
			switch {
			case !has:
				tell(place, nil, true)
			case !had:
				tell(place, one, false)
			default:
				changes(place, was, one, tell)
			}
		}
		return
	case []any:
		b, is := b.([]any)
		if !is {
			break
		}
		for i := range max(len(a), len(b)) {
			place := fmt.Sprintf("%s[%d]", at, i)
			switch {
			case i >= len(b):
				tell(place, nil, true)
			case i >= len(a):
				tell(place, b[i], false)
			default:
				changes(place, a[i], b[i], tell)
			}
		}
		return
	}
	if !reflect.DeepEqual(a, b) {
		tell(at, b, false)
	}
}

// placeName is the name of a place, in quotes where it is no word, bounded.
func placeName(name string) string {
	word := name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", r)
	}) < 0
	if word && len(name) <= editWidth {
		return name
	}
	return strconv.Quote(clip(name, editWidth))
}
