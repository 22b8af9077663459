package consumer

import (
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// routeRoom is the memory of what an entry needs when it fails for the first time, in one piece: a record of a source topic that fails
// is mostly routed at once, and then all of it is done with when its copy is acknowledged. Each part is used once by an entry: what the client,
// or who was told, may still look at is not written again. Later copies of the same entry get memory of their own.
//
// Another entry gets the room where nobody can look at it any more, see mayReuse: in an outage most of the memory that a copy takes is this.
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

// rooms are those that another entry may have, empty.
var rooms = sync.Pool{New: func() any { return new(routeRoom) }}

// reuse lets another entry have the room of a route that is done with, if nobody looks at it any more.
func (p *Pipeline) reuse(r *route) {
	if room := r.entry.room; p.mayReuse(r) {
		*room = routeRoom{} // it refers to all that came in the same fetch
		rooms.Put(room)
	}
}

// mayReuse reports whether nobody can look at the room of a route that is done with. The client lets go of a copy before it tells that it is
// written, unless it has failed the copy before; a handler that keeps a record has a state of its own, see [Record.Clone]; and the order of keys
// that are held outlives the copy.
func (p *Pipeline) mayReuse(r *route) bool {
	e := r.entry
	return p.reuses && e.room != nil && r == &e.room.route && r.outcome != Dead && !r.again && !r.late && e.lane.strand.holding == nil
}

// seesRecords reports whether a hook among the options of a client may be shown the records that it produces.
func seesRecords(opts []kgo.Opt) bool {
	if len(opts) == 0 {
		return false
	}
	client, err := kgo.NewClient(opts...) // the only one who can tell what options say
	if err != nil {
		return true // they are of use with the pipeline's own only
	}
	defer client.Close()
	hooks := reflect.ValueOf(client.OptValue(kgo.WithHooks))
	for i := range hooks.Len() {
		switch hooks.Index(i).Interface().(type) {
		case kgo.HookProduceRecordBuffered, kgo.HookProduceRecordPartitioned, kgo.HookProduceRecordUnbuffered:
			return true
		}
	}
	return false
}

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
