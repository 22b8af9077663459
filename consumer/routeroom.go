package consumer

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// routeRoom is the memory of what an entry needs when it fails for the first time, in one piece: a record of a source topic that fails
// is mostly routed at once, and then all of it is done with when its copy is acknowledged. Each part is used once: what the client,
// or who was told, may still look at is never written again. Later copies of the same entry get memory of their own.
type routeRoom struct {
	state   retrytopics.State
	try     [1]retrytopics.Try
	route   route
	copied  kgo.Record
	headers [roomyHeaders]kgo.RecordHeader

	tried, copying bool // try, and copied with headers, are in use
}

// roomyHeaders is how many headers a first copy has mostly: fourteen of ours, and two of the user's.
const roomyHeaders = 16

// tries returns the tries with room for another one.
func (e *entry) tries(before []retrytopics.Try) []retrytopics.Try {
	if room := e.room; len(before) == 0 && room != nil && !room.tried {
		room.tried = true
		return room.try[:0]
	}
	return before[:len(before):len(before)]
}

// copyRoom returns an empty record for a copy, and room for its headers.
func (e *entry) copyRoom() (*kgo.Record, []kgo.RecordHeader) {
	if room := e.room; room != nil && !room.copying {
		room.copying = true
		return &room.copied, room.headers[:0]
	}
	return new(kgo.Record), nil
}

// newRoute returns an empty route.
func (e *entry) newRoute() *route {
	if room := e.room; room != nil && room.route.entry == nil {
		return &room.route
	}
	return new(route)
}
