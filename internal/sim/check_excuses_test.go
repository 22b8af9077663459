package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

// What leaves the straight path excuses nothing that was over before, or begins after it: who died, nothing after its death.
func TestUpsetsExcuseWhatTheyMeet(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }
	for _, tt := range []struct {
		kind     UpsetKind
		ended    int // -1: never
		from, to int
		meets    bool
	}{
		{CutOff, 20, 0, 9, false}, {CutOff, 20, 5, 12, true}, {CutOff, 20, 15, 30, true}, {CutOff, 20, 21, 30, false},
		{Evicted, -1, 0, 9, false}, {Evicted, -1, 100, 200, true},
		{Crash, -1, 0, 9, false}, {Crash, -1, 5, 15, true}, {Crash, -1, 11, 15, false},
	} {
		u := Upset{Member: "m1", Kind: tt.kind, Begun: Moment{1, at(10)}}
		if tt.ended >= 0 {
			u.Ended = at(tt.ended)
		}
		if got := newIndex(&History{Upsets: []Upset{u}}).anyUpset(at(tt.from), at(tt.to)); got != tt.meets {
			t.Errorf("%s until %d excuses what is from %d to %d: %v, want %v", tt.kind, tt.ended, tt.from, tt.to, got, tt.meets)
		}
	}
}

// Who has no room for what it has done above its commits may do it again, and knows what it has all the same.
func TestWithoutRoomAMemberKnowsWhatItHas(t *testing.T) {
	overlap := func(kind UpsetKind) *History {
		h := goodRun()
		c := h.Calls[secondSucceeds]
		c.Member, c.Start, c.End = "m3", Moment{h.Calls[firstFails].Start.Tick, h.Calls[firstFails].Start.At}, h.Calls[secondSucceeds].End
		h.Calls[firstFails].Start.Tick--
		h.Calls = append(h.Calls[:1:1], append([]Call{c}, h.Calls[2:]...)...)
		h.Upsets = []Upset{{Member: "m1", Kind: kind, Begun: Moment{1, h.Begun.At}}}
		return h
	}
	found := func(h *History) bool {
		return slices.ContainsFunc(Check(h).Violations, func(v Violation) bool { return v.Promise == Ordered && strings.Contains(v.Text, "of the same key") })
	}
	if !found(overlap(Unmapped)) {
		t.Error("two members on one key are excused by one that has no room")
	}
	if found(overlap(CutOff)) {
		t.Error("two members on one key are not excused by one that is cut off")
	}
	x := newIndex(overlap(Unmapped))
	if end := x.h.Ended; x.upset("m1", end, end) || !x.unmapped("m1", end) || x.unmapped("m2", end) {
		t.Error("who has no room and what follows from it are told apart wrongly")
	}
}

// Of a record that stands in several places an operator may skip one copy now and another one later: it was skipped from the first time on.
func TestARecordIsSkippedFromTheFirstTimeOn(t *testing.T) {
	place := Place{Partition: Partition{Topic: "orders"}, Offset: 7}
	first, second := Moment{Tick: 5}, Moment{Tick: 9}
	x := newIndex(&History{Skipped: []Skip{{place, first}, {place, second}}})
	if got := x.skipped[place]; got != first {
		t.Errorf("skipped at %v, want %v", got, first)
	}
}

// Where the coordinator divides the partitions, a source and its retries may be two members' for a time, and only there, and not for good.
func TestPartitionsMayBeApartForATime(t *testing.T) {
	at := func(tick int64) Moment { return Moment{Tick: tick} }
	source, retry := Partition{Topic: "orders", Number: 1}, Partition{Topic: "g.orders.retry-1s", Number: 1}
	owned := func(tick int64, ofSource, ofRetry string) Assignment {
		return Assignment{When: at(tick), Owners: map[Partition]Owner{source: {Member: ofSource}, retry: {Member: ofRetry}}}
	}
	before := &Call{Member: "m2", From: Place{Partition: retry}, Start: at(10), End: at(30)}
	beside := &Call{Member: "m1", From: Place{Partition: source}, Start: at(20), End: at(25)}
	for _, tt := range []struct {
		name        string
		coordinated bool
		assignments []Assignment
		excused     bool
	}{
		{"apart for a time", true, []Assignment{owned(1, "m1", "m2"), owned(40, "m1", "m1")}, true},
		{"apart for good", true, []Assignment{owned(1, "m1", "m2")}, false},
		{"by our own balancer", false, []Assignment{owned(1, "m1", "m2"), owned(40, "m1", "m1")}, false},
		{"not the other's any more", true, []Assignment{owned(1, "m1", "m2"), owned(15, "m1", "m1")}, false},
	} {
		x := newIndex(&History{Terms: Terms{Coordinated: tt.coordinated}, Assignments: tt.assignments})
		if got := x.excused(before, beside); got != tt.excused {
			t.Errorf("%s: excused is %v, want %v", tt.name, got, tt.excused)
		}
	}
}

// Who was given up by the group at a handover cannot know it yet, and lets its calls go on; whoever was not is told, and cancels them.
func TestACallMayOutliveAPartitionThatNobodyToldOf(t *testing.T) {
	for kind, broken := range map[UpsetKind]bool{Expelled: false, Unsaved: true} {
		h := goodRun()
		given := h.Assignments[len(h.Assignments)-1].When
		h.Calls[secondSucceeds].End = given
		h.Upsets = []Upset{{Member: h.Calls[secondSucceeds].Member, Kind: kind, Begun: given, Ended: given.At.Add(learning)}}
		found := slices.ContainsFunc(Check(h).Violations, func(v Violation) bool { return strings.Contains(v.Text, "still ran a call") })
		if found != broken {
			t.Errorf("a call beside a handover at which its member was %s: found broken is %v, want %v", kind, found, broken)
		}
	}
}

// A skip excuses a record that followed no dead letter where it settled one before it of the key.
func TestASkipExcusesWhatFollowedIt(t *testing.T) {
	p := newTape()
	first, other, behind := p.produce("a", "1"), p.produce("b", "2"), p.produce("a", "3")
	p.copy(dead, behind, 0, 0, "behind")
	h := p.end()
	h.Terms.HoldKey, h.Terms.HoldDead = true, true
	for at, broken := range map[Place]bool{first: false, other: true, {}: true, {source, 9}: true} {
		h.Skipped = []Skip{{at, h.Ended}}
		found := slices.ContainsFunc(Check(h).Violations, func(v Violation) bool { return strings.Contains(v.Text, "behind another of its key") })
		if found != broken {
			t.Errorf("a skip of %s: found broken is %v, want %v", at, found, broken)
		}
	}
}

// A record that was put off untried has left the order of its key, unless keys are held: it may be read from the source once more,
// after those that came later. One that was not put off has to be called in its order.
func TestWhatWasPutOffHasLeftTheOrder(t *testing.T) {
	const nothing UpsetKind = 255
	for _, tt := range []struct {
		putsOff, holds, putOff bool
		then                   UpsetKind // of the member that called the later one: the copy of what it had put off may never have been written
		next                   string    // who calls the earlier one then
		broken                 bool
	}{
		{true, false, true, nothing, "m2", false}, {true, false, false, nothing, "m2", true}, {true, true, true, nothing, "m2", true}, {false, false, true, nothing, "m2", true},
		{true, false, false, Crash, "m2", false}, {true, true, false, Crash, "m2", true}, {false, false, false, Crash, "m2", true},
		{true, false, false, Unsaved, "m1", false}, {true, false, false, nothing, "m1", true}, {false, false, false, Unsaved, "m1", true},
	} {
		p := newTape()
		p.h.Terms.PutsOff, p.h.Terms.HoldKey = tt.putsOff, tt.holds
		first, second := p.produce("a", "1"), p.produce("a", "2")
		if tt.putOff {
			p.copy(tier, first, 0, time.Second, "")
		}
		p.call("m1", second, second, 1, Succeeded, "")
		if by := p.h.Calls[len(p.h.Calls)-1].End; tt.then != nothing {
			p.h.Upsets = append(p.h.Upsets, Upset{Member: "m1", Kind: tt.then, Begun: by, Ended: by.At})
		}
		p.call(tt.next, first, first, 1, Succeeded, "")
		found := slices.ContainsFunc(Check(p.end()).Violations, func(v Violation) bool { return strings.Contains(v.Text, "was first called at") })
		if found != tt.broken {
			t.Errorf("%+v: found broken is %v", tt, found)
		}
	}
}

// Records of a key are parked out of order only while one that was replayed is waited for, beside an upset, or when they were put off before.
func TestWhatMayBeParkedOutOfOrder(t *testing.T) {
	park := Partition{"g.orders.retry-park", 0}
	for _, tt := range []struct {
		name     string
		replayed int // seconds before the records are parked; 0: none is
		done     int // seconds after the replay
		upset    int // seconds before they are parked; 0: there is none
		putOff   int // seconds before they are parked that a limit put off the first of them; 0: none did
		broken   bool
	}{
		{"nothing has happened", 0, 0, 0, 0, true},
		{"one that was replayed is waited for", 10, 20, 0, 0, false},
		{"one that was replayed is done with", 20, 10, 0, 0, true},
		{"a member is cut off", 0, 0, 5, 0, false},
		{"a member was cut off", 0, 0, 60, 0, true},
		{"the first was put off before", 0, 0, 0, 5, false},
		{"the first was put off later", 0, 0, 0, -5, true},
	} {
		p := newTape()
		p.h.Terms.HoldKey, p.h.Terms.ExactlyOnce, p.h.Terms.PutsOff = true, true, true
		dies, first, second := p.produce("a", "1"), p.produce("a", "2"), p.produce("a", "3")
		p.pass(time.Hour)
		parked := p.at
		if tt.replayed > 0 {
			p.at = parked.Add(-time.Duration(tt.replayed) * time.Second)
			again := p.replay(tier, dies, 1)
			p.pass(time.Duration(tt.done) * time.Second)
			p.call("m1", again, dies, 1, Succeeded, "").Replays = 1
		}
		if tt.upset > 0 {
			begun := parked.Add(-time.Duration(tt.upset) * time.Second)
			p.h.Upsets = append(p.h.Upsets, Upset{Member: "m2", Kind: CutOff, Begun: Moment{1, begun}, Ended: begun.Add(10 * time.Second)})
		}
		if tt.putOff != 0 {
			p.at = parked.Add(-time.Duration(tt.putOff) * time.Second)
			p.copy(tier, first, 0, time.Second, "")
		}
		p.at = parked
		for _, origin := range []Place{second, first} {
			p.copy(park, origin, 0, 0, "")
			p.pass(time.Second)
		}
		x := newIndex(p.end())
		x.checkParked()
		if got := len(x.report.Violations) > 0; got != tt.broken {
			t.Errorf("%s: found broken is %v, want %v", tt.name, got, tt.broken)
		}
	}
}

// A train that is a whole partition waits for what failed on the spot, and not for ever.
func TestWhatIsTriedOnTheSpotIsInTheWay(t *testing.T) {
	for wait, late := range map[time.Duration]bool{time.Second: false, time.Minute: true} {
		p := newTape()
		p.h.Terms.Ordering, p.h.Terms.Policy.InPlace, p.h.Terms.Policy.InPlaceDelay = consumer.ByPartition, 1, 50*time.Millisecond
		first := p.produce("a", "1")
		p.call("m1", first, first, 1, Failed, "transient")
		p.pass(wait)
		second := p.produce("a", "2")
		p.pass(4 * time.Second)
		p.call("m1", second, second, 1, Succeeded, "")
		x := newIndex(p.end())
		x.checkIsolated()
		if got := len(x.report.Violations) > 0; got != late {
			t.Errorf("%v after a failure on the spot: found late is %v, want %v", wait, got, late)
		}
	}
}

// Who was settled by an operator and is called again, as its commit was not written, is repeated; who was not has been overtaken.
func TestARecordThatWasSkippedIsRepeated(t *testing.T) {
	p := newTape()
	p.assign(1, "m1")
	first, second := p.produce("a", "1"), p.produce("a", "2")
	p.call("m1", first, first, 1, Failed, "transient")
	retry := p.copy(tier, first, 1, time.Second, "")
	p.call("m1", second, second, 1, Succeeded, "")
	by := p.h.Calls[len(p.h.Calls)-1].Start
	p.pass(time.Second)
	p.call("m1", retry, first, 2, Succeeded, "")
	h := p.end()
	h.Terms.HoldKey = true
	for _, tt := range []struct {
		skip   Skip
		broken bool
	}{{Skip{retry, by}, false}, {Skip{first, by}, false}, {Skip{second, by}, true}, {Skip{first, h.Ended}, true}} {
		h.Skipped = []Skip{tt.skip}
		found := slices.ContainsFunc(Check(h).Violations, func(v Violation) bool { return strings.Contains(v.Text, "which stands behind it") })
		if found != tt.broken {
			t.Errorf("a skip of %s at %s: found broken is %v, want %v", tt.skip.Place, clock(tt.skip.When), found, tt.broken)
		}
	}
}

// A record that failed for good, where that makes no dead letter, was done with and is repeated when its commit was not written; where
// it makes one, or another try is due, those behind it have overtaken it.
func TestARecordThatWasGivenUpIsRepeated(t *testing.T) {
	for _, tt := range []struct {
		class  string
		drops  bool
		broken bool
	}{{"validation", true, false}, {"validation", false, true}, {"transient", true, true}} {
		p := newTape()
		p.assign(1, "m1")
		first, second := p.produce("a", "1"), p.produce("a", "2")
		p.call("m1", first, first, 1, Failed, tt.class)
		p.call("m1", second, second, 1, Succeeded, "")
		p.pass(time.Second)
		p.call("m1", first, first, 1, Succeeded, "")
		h := p.end()
		h.Terms.HoldKey, h.Terms.Drops = true, tt.drops
		found := slices.ContainsFunc(Check(h).Violations, func(v Violation) bool { return strings.Contains(v.Text, "which stands behind it") })
		if found != tt.broken {
			t.Errorf("a failure as %s, dropped is %v: found broken is %v, want %v", tt.class, tt.drops, found, tt.broken)
		}
	}
}

// A partition that has all the slots that it may have beside others is in its own way until one of its calls ends, and no longer; one that has
// fewer, or is alone, is not.
func TestAPartitionAtItsBoundIsInItsOwnWay(t *testing.T) {
	for _, tt := range []struct {
		name    string
		running int           // calls of 20 s that began when the record came
		another bool          // there is another partition
		after   time.Duration // from when one of them ended to the record's call
		late    bool
	}{
		{"it has all that it may", 14, true, time.Second, false},
		{"it has had them for long", 14, true, 10 * time.Second, true},
		{"it has fewer", 13, true, time.Second, true},
		{"it is alone", 14, false, time.Second, true},
	} {
		p := newTape()
		p.h.Terms.Concurrency, p.h.Terms.Window = 16, 10000
		p.assign(1, "m1")
		if tt.another {
			p.h.Assignments[0].Owners[Partition{source.Topic, 1}] = p.h.Assignments[0].Owners[source]
		}
		for i := range tt.running {
			at := p.produce(fmt.Sprint("slow", i), "v")
			p.call("m1", at, at, 1, Succeeded, "").End = Moment{}
		}
		waits := p.produce("k", "v")
		p.pass(20 * time.Second)
		for i := range tt.running {
			p.h.Calls[i].End = p.now()
		}
		p.pass(tt.after)
		p.call("m1", waits, waits, 1, Succeeded, "")
		if got := p.isLate(waits); got != tt.late {
			t.Errorf("%s: found late is %v, want %v", tt.name, got, tt.late)
		}
	}
}

// A partition that holds its share of a small window is not fetched until it holds half of that, and then it is. What could have been called
// meanwhile and was not counts for nothing: it may not have been fetched either.
func TestAPartitionThatHoldsItsShareOfTheWindowIsInItsOwnWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		window int
		keys   int // of the records that stand before it, of each of which the first takes 20 s; 0: each has its own, and none is called before 20 s
		before int // how many these are
		after  time.Duration
		late   bool
		parks  bool // what stands behind the first is never called where it stands
	}{
		{name: "it holds its share until that is parked", window: 30, keys: 1, before: 12, after: time.Second, parks: true},
		{name: "it holds less until that is parked", window: 30, keys: 1, before: 3, after: time.Second, late: true, parks: true},
		{"it holds its share", 30, 1, 12, time.Second, false, false},
		{"it has held its share", 30, 1, 12, 10 * time.Second, true, false},
		{"it holds its share, of several keys", 30, 3, 12, time.Second, false, false},
		{"it holds less", 30, 1, 3, time.Second, true, false},
		{"the window is large", 300, 1, 12, time.Second, true, false},
		{"they could have been called too", 30, 0, 9, time.Second, true, false},
	} {
		p := newTape()
		p.h.Terms.Concurrency, p.h.Terms.Window = 16, tt.window
		p.assign(1, "m1")
		places := make([]Place, tt.before)
		for i := range places {
			key := i
			if tt.keys > 0 {
				key %= tt.keys
			}
			places[i] = p.produce(fmt.Sprint("k", key), "v")
		}
		waits := p.produce("other", "v")
		for i := range tt.keys {
			p.call("m1", places[i], places[i], 1, Succeeded, "")
		}
		p.pass(20 * time.Second)
		for i := range tt.keys {
			p.h.Calls[i].End = p.now()
		}
		for _, at := range places[tt.keys:] {
			if tt.parks {
				break
			}
			p.call("m1", at, at, 1, Succeeded, "")
		}
		p.pass(tt.after)
		p.call("m1", waits, waits, 1, Succeeded, "")
		if got := p.isLate(waits); got != tt.late {
			t.Errorf("%s: found late is %v, want %v", tt.name, got, tt.late)
		}
	}
}

// Who waits to join is forgotten by the fake broker when nothing else was heard of him for the session; who has had his answer is not excused.
func TestOnlyWhoWaitsToJoinIsForgotten(t *testing.T) {
	const session = 12 * time.Second
	start := time.Now()
	for _, tt := range []struct {
		name      string
		heard     lastHeard
		after     time.Duration
		forgotten bool
	}{
		{"waits for as long as the session", lastHeard{start, true}, session, true},
		{"waits for less", lastHeard{start, true}, session - 1, false},
		{"has had the answer", lastHeard{start, false}, session, false},
	} {
		r := &recorder{session: session, heard: map[string]lastHeard{"m": tt.heard}}
		if got := r.forgetsWaiting("m", start.Add(tt.after)); got != tt.forgotten {
			t.Errorf("%s: forgotten is %v, want %v", tt.name, got, tt.forgotten)
		}
	}
}

// A source partition of which as many records are put off as its member remembers is not fetched, until some of these are done.
func TestAPartitionWhoseHeldKeysFillTheMemoryIsInItsOwnWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		putOff int           // records, of the 160 that a window of 10 remembers
		after  time.Duration // from when half of them are done
		late   bool
		free   bool // keys are not held
	}{
		{name: "as many as it remembers are put off", putOff: 160, after: time.Second},
		{name: "as many were put off", putOff: 160, after: 10 * time.Second, late: true},
		{name: "fewer are put off", putOff: 100, after: time.Second, late: true},
		{name: "keys are not held", putOff: 160, after: time.Second, late: true, free: true},
	} {
		p := newTape()
		p.h.Terms.Concurrency, p.h.Terms.Window, p.h.Terms.HoldKey = 16, 10, !tt.free
		p.assign(1, "m1")
		park := Partition{"g.orders.retry-park", 0}
		var copies, origins []Place
		for range tt.putOff {
			origins = append(origins, p.produce("k", "v"))
		}
		for _, o := range origins {
			copies = append(copies, p.copy(park, o, 0, 0, ""))
		}
		waits := p.produce("other", "v")
		p.pass(20 * time.Second)
		for i := range origins[:tt.putOff/2] {
			p.call("m1", copies[i], origins[i], 1, Succeeded, "")
		}
		p.pass(tt.after)
		p.call("m1", waits, waits, 1, Succeeded, "")
		if got := p.isLate(waits); got != tt.late {
			t.Errorf("%s: found late is %v, want %v", tt.name, got, tt.late)
		}
	}
}

// Where there is no room for what was routed above a record that is not settled, what is settled below stays uncommitted with exactly-once
// routing: the commit that tells of what was routed stands. It is handled again by the next owner, and only then.
func TestWhatCannotBeCommittedBelowARoutedRecordIsHandledAgain(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		once, routed, undone bool
		repeatable           bool
	}{
		{name: "one above it is not settled, and one above that was routed", once: true, undone: true, routed: true, repeatable: true},
		{name: "nothing was routed", once: true, undone: true},
		{name: "all are settled", once: true, routed: true},
		{name: "copies and offsets are apart", undone: true, routed: true},
	} {
		p := newTape()
		p.h.Terms.ExactlyOnce = tt.once
		p.assign(1, "m1")
		first, second, third := p.produce("a", "1"), p.produce("b", "2"), p.produce("c", "3")
		p.call("m1", first, first, 1, Succeeded, "")
		p.call("m1", third, third, 1, Failed, "transient")
		if tt.routed {
			p.copy(tier, third, 1, time.Second, "")
		}
		if !tt.undone {
			p.call("m1", second, second, 1, Succeeded, "")
		}
		p.pass(time.Second)
		p.assign(2, "m2")
		p.call("m2", first, first, 1, Succeeded, "")
		p.h.Upsets = []Upset{{Member: "m1", Kind: Unmapped, Begun: p.h.Begun}}
		x := newIndex(p.end())
		x.checkRepeats()
		if got := len(x.report.Violations) == 0; got != tt.repeatable {
			t.Errorf("%s: excused is %v, want %v", tt.name, got, tt.repeatable)
		}
	}
}

// Who does not know yet that a topic is gone may commit less of it than was committed before; before it was deleted nobody may.
func TestACommitOfADeletedTopicMayGoBack(t *testing.T) {
	gone := Partition{"g.orders.retry-1s" + incarnationMark + "0", 0}
	for name, tt := range map[string]struct {
		again Moment
		found bool
	}{
		"before it is deleted": {Moment{Tick: 5}, true},
		"after that":           {Moment{Tick: 15}, false},
	} {
		p := newTape()
		p.h.Deleted = []Deletion{{Topic: tier.Topic, As: gone.Topic, When: Moment{Tick: 10}}}
		x := newIndex(p.end())
		x.checkCommitters(gone, []*Commit{{When: Moment{Tick: 4}, Offset: 14, Generation: -1}, {When: tt.again, Offset: 0, Generation: -1}})
		if got := len(x.report.Violations) > 0; got != tt.found {
			t.Errorf("%s: found is %v, want %v", name, got, tt.found)
		}
	}
}

// Where a member has no room in its commits, what follows a dead letter may be written long after that was decided.
func TestWhatFollowsADeadLetterMayWaitForRoom(t *testing.T) {
	for name, tt := range map[string]struct {
		unmapped, parked bool
		found            bool
	}{
		"there is no room":                  {unmapped: true, parked: true},
		"it was not put off when that died": {unmapped: true, found: true},
		"there is room":                     {parked: true, found: true},
	} {
		p := newTape()
		p.h.Terms.ExactlyOnce, p.h.Terms.HoldKey, p.h.Terms.HoldDead = true, true, true
		p.assign(1, "m1")
		if tt.unmapped {
			p.h.Upsets = []Upset{{Member: "m1", Kind: Unmapped, Begun: p.h.Begun}}
		}
		head, behind := p.produce("a", "1"), p.produce("a", "2")
		p.call("m1", head, head, 1, Failed, "permanent")
		p.copy(dead, head, 1, 0, "not_retriable")
		if tt.parked {
			p.copy(Partition{"g.orders.retry-park", 0}, behind, 0, 0, "")
		}
		p.pass(time.Minute)
		p.h.Discarded = []Discarded{{ID: head.String(), When: p.now()}}
		p.pass(5 * time.Minute)
		p.copy(dead, behind, 0, 0, "behind")
		x := newIndex(p.end())
		x.checkFollowers(train{source, "a"}, []*copied{x.copies[Place{dead, 0}], x.copies[Place{dead, 1}]})
		if got := len(x.report.Violations) > 0; got != tt.found {
			t.Errorf("%s: found is %v, want %v: %v", name, got, tt.found, x.report.Violations)
		}
	}
}

// Who has no room in its commits takes what is parked when its turn comes, and what is not parked at once.
func TestWithoutRoomParkedRecordsTakeTurns(t *testing.T) {
	park := Partition{"g.orders.retry-park", 0}
	for _, tt := range []struct {
		from     Partition
		unmapped bool
		late     bool
	}{
		{park, true, false},
		{park, false, true},
		{tier, true, true},
	} {
		p := newTape()
		p.h.Terms.HoldKey = true
		p.assign(1, "m1")
		if tt.unmapped {
			p.h.Upsets = []Upset{{Member: "m1", Kind: Unmapped, Begun: p.h.Begun}}
		}
		origin := p.produce("a", "1")
		at := p.copy(tt.from, origin, 0, 0, "")
		p.pass(10 * time.Second)
		p.call("m1", at, origin, 1, Succeeded, "")
		if got := p.isLate(at); got != tt.late {
			t.Errorf("from %s, no room %v: found late is %v, want %v", tt.from.Topic, tt.unmapped, got, tt.late)
		}
	}
}

// A member that was cut off may begin where it read that it is to, though its commit from before is carried out after that.
func TestACommitMayBeCarriedOutAfterItsMemberBeganAnew(t *testing.T) {
	for name, tt := range map[string]struct {
		upset  bool
		member string
		found  int
	}{
		"it was cut off":          {true, "m1", 0},
		"it was well":             {false, "m1", 2},
		"the commit is another's": {true, "m2", 2},
	} {
		p := newTape()
		if tt.upset {
			p.h.Upsets = []Upset{{Member: tt.member, Kind: CutOff, Begun: p.h.Begun}}
		}
		for i, offset := range []int64{18, 5, 8} { // what comes after it goes on from there
			member := tt.member
			if i == 0 {
				member = "m1"
			}
			p.commit(member, source, offset, int32(8+min(i, 1)))
		}
		x := newIndex(p.end())
		x.checkCommitters(source, x.commits[source])
		if got := len(x.report.Violations); got != tt.found {
			t.Errorf("%s: found %d, want %d: %v", name, got, tt.found, x.report.Violations)
		}
	}
}

// A copy that was taken, doubted, and refused for good when it came once more is written again by who knows no better; not where it was only doubted or only
// refused, nor in transactions, which are aborted.
func TestWhatWasTakenAndRefusedMayBeWrittenAgain(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		doubted, refused, inTxn    bool
		doubtedAfter, refusedAfter time.Duration
		excused                    bool
	}{
		{name: "neither"},
		{name: "doubted", doubted: true},
		{name: "refused", refused: true},
		{name: "both", doubted: true, refused: true, excused: true},
		{name: "both, in a transaction", doubted: true, refused: true, inTxn: true},
		{name: "doubted before", doubted: true, refused: true, doubtedAfter: -time.Minute},
		{name: "refused afterwards", doubted: true, refused: true, refusedAfter: time.Minute},
	} {
		h := goodRun()
		again := h.Log[tier][0]
		at := again.Timestamp
		again.Place.Offset = 2
		again.Timestamp = at.Add(500 * time.Millisecond)
		later, same := again, again // on the way that both go
		later.Timestamp, same.Timestamp = at.Add(time.Hour), at.Add(time.Hour)
		later.Place.Offset, same.Place.Offset = 3, 4
		h.Log[tier] = append(h.Log[tier], again, later, same)
		h.Terms.ExactlyOnce = tt.inTxn
		if tt.doubted {
			h.Doubted = []Span{{at.Add(tt.doubtedAfter), at.Add(tt.doubtedAfter)}}
		}
		if tt.refused {
			h.Refused = []Span{{at.Add(tt.refusedAfter), at.Add(tt.refusedAfter)}}
		}
		found := slices.ContainsFunc(Check(h).Violations, func(v Violation) bool { return strings.Contains(v.Text, "one copy written twice") })
		if found == tt.excused {
			t.Errorf("%s: told as written twice: %v", tt.name, found)
		}
	}
}

// TestEachCopyHasItsOwnSnooze has a call ask to be called again in ten seconds, and one of the record start before that: with the same copy, with the one that was
// written for the snooze, and with one that stood beside its own.
func TestEachCopyHasItsOwnSnooze(t *testing.T) {
	for _, tt := range []struct {
		name   string
		with   int // of the copies: 0 and 1 are written before the snooze, 2 for it
		broken bool
	}{
		{name: "the one that is snoozed", with: 0, broken: true},
		{name: "the one that is written for it", with: 2, broken: true},
		{name: "the one beside it", with: 1},
	} {
		p := newTape()
		p.assign(1, "m1")
		tier := Partition{"g.orders.retry-10s", 0}
		origin := p.produce("k", "v")
		copies := []Place{p.copy(tier, origin, 0, 0, ""), p.copy(tier, origin, 0, 0, "")}
		p.pass(time.Second)
		p.call("m1", copies[0], origin, 1, Snoozed, "")
		p.h.Calls[len(p.h.Calls)-1].Delay = 10 * time.Second
		copies = append(copies, p.copy(tier, origin, 0, 0, ""))
		p.pass(time.Second)
		p.call("m1", copies[tt.with], origin, 1, Succeeded, "")
		found := slices.ContainsFunc(Check(p.h).Violations, func(v Violation) bool { return strings.Contains(v.Text, "before its snooze was over") })
		if found != tt.broken {
			t.Errorf("%s: found early is %v", tt.name, found)
		}
	}
}

// TestPartitionsTakeTurnsWhereTheWindowIsSmallerThanThey has a record wait for eight seconds, while another partition has its records called, one each second or two at
// first only.
func TestPartitionsTakeTurnsWhereTheWindowIsSmallerThanThey(t *testing.T) {
	for _, tt := range []struct {
		name   string
		window int
		turns  int
		late   bool
	}{
		{name: "others have theirs all the time", window: 3, turns: 8},
		{name: "others had theirs", window: 3, turns: 2, late: true},
		{name: "the window is as large as they are many", window: 4, turns: 8, late: true},
	} {
		p := newTape()
		p.h.Terms.Concurrency, p.h.Terms.Window = 16, tt.window
		p.assign(1, "m1")
		other := Partition{source.Topic, 1}
		p.h.Assignments[0].Owners[other] = p.h.Assignments[0].Owners[source]
		waits := p.produce("k", "v")
		for i := range 8 {
			if i < tt.turns {
				at := Place{other, int64(i)}
				p.h.Calls = append(p.h.Calls, Call{Member: "m1", From: at, Origin: at, ID: at.String(), Group: "g", Attempt: 1, Start: p.now(), End: p.now(), Result: Succeeded})
			}
			p.pass(time.Second)
		}
		p.call("m1", waits, waits, 1, Succeeded, "")
		if got := p.isLate(waits); got != tt.late {
			t.Errorf("%s: found late is %v, want %v", tt.name, got, tt.late)
		}
	}
}

// TestAHookMayHoldUpABreaker has two failures open a breaker, and a call that was under way fail half a second later, or two seconds: it uses no attempt for certain, but
// where hooks take a while with each failure the breaker may not have been open yet.
func TestAHookMayHoldUpABreaker(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		slow  bool
		free  bool
	}{
		{after: 500 * time.Millisecond, free: true},
		{after: 500 * time.Millisecond, slow: true},
		{after: 2 * time.Second, slow: true, free: true},
	} {
		p := newTape()
		p.h.Terms.BreakerCalls, p.h.Terms.BreakerRate, p.h.Terms.SlowHooks = 2, 1, tt.slow
		p.assign(1, "m1")
		fail := func() {
			at := p.produce("k", "v")
			p.call("m1", at, at, 1, Failed, "network").Outage = true
		}
		fail()
		fail()
		p.pass(tt.after)
		fail()
		x := newIndex(p.end())
		if got := x.freeCalls()[&x.h.Calls[2]]; got != tt.free {
			t.Errorf("%v later, slow hooks %v: certainly free is %v", tt.after, tt.slow, got)
		}
	}
}

// TestWhatFailsAnewIsReplayedAnew has a letter replayed twice, and one of the same life written in between or not, that failed first then or before.
func TestWhatFailsAnewIsReplayedAnew(t *testing.T) {
	replayed := time.UnixMilli(1_800_000_000_000)
	again := replayed.Add(time.Hour)
	h, line := goodRun(), lineage{"t/0/1", 0}
	for _, tt := range []struct {
		name         string
		died, failed time.Duration // after the first replay
		anew         bool
	}{
		{"it failed and died since", 20 * time.Minute, 10 * time.Minute, true},
		{"by a clock that is behind", 20 * time.Minute, time.Second - doubtful, true},
		{"a copy of what was replayed", 20 * time.Minute, -10 * time.Minute, false},
		{"it had died before", -5 * time.Minute, -10 * time.Minute, false},
		{"it died after the second replay", 61 * time.Minute, 10 * time.Minute, false},
	} {
		x := &index{t: &h.Terms, byLine: map[lineage][]*copied{line: {{
			Logged: &Logged{Place: Place{dead, 1}, Timestamp: replayed.Add(tt.died)}, failed: unixMilli(replayed.Add(tt.failed)),
		}}}}
		if anew := x.failedAnew(line, &copied{Logged: &Logged{Timestamp: replayed}}, &copied{Logged: &Logged{Timestamp: again}}); anew != tt.anew {
			t.Errorf("%s: failed anew is %v, want %v", tt.name, anew, tt.anew)
		}
	}
}

// TestACommitSaysOfWhichTopicItIs reads the metadata of commits as members write it.
func TestACommitSaysOfWhichTopicItIs(t *testing.T) {
	for metadata, id := range map[string]string{
		"redeliver/2 retry 10s orders ZmBq4ZJkTIq4dUDVLZqJgg ~Yw8t":                "ZmBq4ZJkTIq4dUDVLZqJgg",
		"redeliver/2 retry 10s orders ZmBq4ZJkTIq4dUDVLZqJgg ~Yw8t done=1:Qk0K4oA": "ZmBq4ZJkTIq4dUDVLZqJgg",
		"redeliver/2 retry 10s orders ~Yw8t done=1:Qk0K4oA":                        "",
		"redeliver/2 source clicks:6 orders:12 payments:3 ~Yw8t":                   "",
		"": "",
	} {
		if got := topicIDIn(metadata); got != id {
			t.Errorf("%q is of %q, want %q", metadata, got, id)
		}
	}
}

// TestWhatACallEndsIsToldByItsCopy has a record with two copies, of which the first attempt of one failed otherwise than that of the other: each has as many
// attempts left as its own failures leave it.
func TestWhatACallEndsIsToldByItsCopy(t *testing.T) {
	h := new(History)
	h.Terms.Drops = true
	h.Terms.Policy = Policy{Overrides: []Override{{Class: "rate_limited", Rule: Rule{Delays: []time.Duration{time.Second}, MaxRetries: 1}}},
		Rule: Rule{Delays: []time.Duration{time.Second}, MaxRetries: 5}}
	began := time.UnixMilli(1_800_000_000_000)
	call := func(tick int64, attempt int, class string, from int64) *Call {
		at := Moment{tick, began.Add(time.Duration(tick) * time.Second)}
		return &Call{ID: "orders/0/1", Attempt: attempt, Class: class, Result: Failed, Start: at, End: Moment{tick + 1, at.At}, From: Place{Partition{"g.orders.retry-1s", 0}, from}}
	}
	first, other := call(2, 1, "rate_limited", 1), call(4, 1, "network", 2)
	for _, tt := range []struct {
		told *Call
		dead bool
	}{{first, true}, {other, false}} {
		second := call(6, 2, "rate_limited", 3)
		x := newIndex(h)
		x.lineages = map[lineage][]*Call{{"orders/0/1", 0}: {first, other, second}}
		x.copies = map[Place]*copied{second.From: {Logged: &Logged{}, history: []try{{N: 1, At: unixMilli(tt.told.Start.At), Class: tt.told.Class}}}}
		if dead := x.owedReason(second) != ""; dead != tt.dead || x.droppedAs(second) != tt.dead {
			t.Errorf("behind a failure as %s: dead is %v, want %v", tt.told.Class, dead, tt.dead)
		}
	}
}

// TestProbesThatFailDoNotCountTwice has failures of an outage behind one of long before or behind none: what failed first of those behind it may have been probes,
// which a breaker that closes forgets.
func TestProbesThatFailDoNotCountTwice(t *testing.T) {
	began := time.UnixMilli(1_800_000_000_000)
	for _, tt := range []struct {
		earlier  bool
		failures int
		opens    bool
	}{{false, 4, false}, {false, 5, true}, {true, 5, false}, {true, 7, false}, {true, 8, true}} {
		h := &History{Terms: Terms{BreakerCalls: 5, BreakerRate: 0.5, Probes: 3}}
		var calls []*Call
		fails := func(at time.Duration) {
			calls = append(calls, &Call{ID: fmt.Sprintf("orders/0/%d", len(calls)), Attempt: 1, Member: "m1", Class: "network", Result: Failed, Outage: true,
				Start: Moment{int64(2 * len(calls)), began.Add(at)}, End: Moment{int64(2*len(calls) + 1), began.Add(at)}})
		}
		if tt.earlier {
			fails(-time.Hour)
		}
		for i := range tt.failures {
			fails(time.Duration(i) * time.Second)
		}
		if opens := newIndex(h).opens(calls); opens != tt.opens {
			t.Errorf("%d failures, an earlier one %v: opens is %v, want %v", tt.failures, tt.earlier, opens, tt.opens)
		}
	}
}
