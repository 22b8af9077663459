package dlq

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// automaton says whether a regular expression matches somewhere in a text, as package regexp does, for a fraction of the time: it is in one state for all
// the places at which the expression could be, and goes on to the next one with a look into a table. States come about as texts need them. What it cannot be
// sure of is left to the expression itself. It is safe for concurrent use.
type automaton struct {
	prog     *syntax.Prog
	words    bool                  // it asks where words end
	lines    bool                  // it asks where lines begin
	classes  int32                 // of characters that are the same to the expression
	ascii    [utf8.RuneSelf]uint16 // the class of each
	from     []rune                // where ranges of characters begin
	class    []uint16              // of those ranges
	examples []rune                // of the classes
	start    int32
	home     int32          // the state of a place that no match has come to
	stays    [256]bool      // it does with these bytes
	next     []atomic.Int32 // by state and class: a state, or what has no next one
	atEnd    []bool         // by state: the expression matches where the text ends there

	building sync.Mutex
	numbers  map[string]int32 // of the states
	states   []state          // by their numbers
	met      []uint32         // by instruction: the walk that came by last
	walk     uint32
	work     int // that was put into building
}

// state is what there is to know of what was read.
type state struct {
	places []uint32 // the instructions that take a character, or ask for the next one
	behind rune     // a character like the last one, noCharacter at the begin of the text; where no instruction asks for that, any
}

const (
	noCharacter  = -1
	anyCharacter = -2 // that comes next
)

// Numbers of states are the places of their rows in the table, which are above all of these.
const (
	stateUnknown int32 = -iota // not built yet
	stateMatched
	stateDead   // whatever comes does not match
	stateUnsure // nobody knows
)

const (
	automatonTable  = 1 << 18 // entries of it at most
	automatonWork   = 1 << 22 // places that are looked at to build it, at most
	automatonSize   = 1 << 12 // instructions of a program that is worth it
	automatonRanges = 1 << 15 // of characters that they take
)

// newAutomaton is that of an expression for [regexp.Compile]. It is nil for one that is too large, and for one with half of a surrogate pair, which package
// regexp takes for U+FFFD at some places only.
func newAutomaton(expr string) *automaton {
	prog, err := programOf(expr, syntax.Perl)
	if err != nil || len(prog.Inst) > automatonSize || slices.ContainsFunc(prog.Inst, halved) {
		return nil
	}
	a := &automaton{prog: prog, numbers: make(map[string]int32), met: make([]uint32, len(prog.Inst))}
	if !a.classify() {
		return nil
	}
	a.next = make([]atomic.Int32, automatonTable/a.classes*a.classes)
	a.atEnd = make([]bool, automatonTable/a.classes)
	a.states = make([]state, 1) // the row of the numbers that are no states
	a.walk++
	places, matched := a.closure(nil, prog.Start, noCharacter, anyCharacter)
	a.start = a.reached(places, matched, noCharacter)
	a.settle()
	return a
}

// classify finds the classes of characters, and says whether they are few enough.
func (a *automaton) classify() bool {
	a.from = []rune{0, '\n', '\n' + 1} // a class of its own
	var eaters []*syntax.Inst
	for i := range a.prog.Inst {
		switch inst := &a.prog.Inst[i]; {
		case inst.Op == syntax.InstEmptyWidth:
			a.words = a.words || syntax.EmptyOp(inst.Arg)&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0
			a.lines = a.lines || syntax.EmptyOp(inst.Arg)&syntax.EmptyBeginLine != 0
		case eats(inst):
			eaters = append(eaters, inst)
			if a.from = appendRanges(a.from, inst.Rune); len(a.from) > automatonRanges {
				return false
			}
		}
	}
	if a.words {
		a.from = append(a.from, '0', '9'+1, 'A', 'Z'+1, '_', '_'+1, 'a', 'z'+1)
	}
	slices.Sort(a.from)
	a.from = slices.Compact(a.from)
	if len(a.from)*len(eaters) > automatonWork/4 {
		return false
	}
	known := make(map[string]uint16)
	for _, r := range a.from {
		like := make([]byte, 0, 2+len(eaters)) // what is so of the range
		for _, is := range [...]bool{r == '\n', a.words && syntax.IsWordChar(r)} {
			like = appendBool(like, is)
		}
		for _, inst := range eaters {
			like = appendBool(like, inst.MatchRune(r))
		}
		class, met := known[string(like)]
		if !met {
			class = uint16(len(known))
			known[string(like)] = class
			a.examples = append(a.examples, r)
		}
		a.class = append(a.class, class)
	}
	a.classes = int32(len(known))
	for c := range a.ascii {
		a.ascii[c] = a.class[a.rangeOf(rune(c))]
	}
	return a.classes <= automatonTable/4
}

// appendRanges appends where the ranges of an instruction begin and where what is behind them does. A single character may stand for others that differ in case.
func appendRanges(from, runes []rune) []rune {
	if len(runes) == 1 {
		for r := runes[0]; ; {
			from = append(from, r, r+1)
			if r = unicode.SimpleFold(r); r == runes[0] {
				return from
			}
		}
	}
	for at := 0; at+1 < len(runes); at += 2 {
		from = append(from, runes[at], runes[at+1]+1)
	}
	return from
}

func appendBool(to []byte, is bool) []byte {
	if is {
		return append(to, 1)
	}
	return append(to, 0)
}

// rangeOf is the range that a character is in.
func (a *automaton) rangeOf(r rune) int {
	at, begins := slices.BinarySearch(a.from, r)
	if !begins {
		at--
	}
	return at
}

// settle finds out with which letters of ASCII the state stays that it is in at most places of a text, so that they are passed at a glance.
func (a *automaton) settle() {
	if a.home = a.after(state{behind: 'a'}, 'a'); a.home <= 0 {
		return
	}
	for c := range utf8.RuneSelf {
		a.stays[c] = a.build(a.home, int32(a.ascii[c])) == a.home
	}
}

// match says whether the expression matches, if it is sure.
func (a *automaton) match(text []byte) (matches, sure bool) {
	at := a.start
	if at <= 0 {
		return at == stateMatched, true
	}
	for i := 0; i < len(text); {
		for at == a.home && a.stays[text[i]] {
			if i++; i == len(text) {
				return a.atEnd[at/a.classes], true
			}
		}
		var class int32
		if c := text[i]; c < utf8.RuneSelf {
			class = int32(a.ascii[c])
			i++
		} else {
			r, size := utf8.DecodeRune(text[i:])
			class = int32(a.class[a.rangeOf(r)])
			i += size
		}
		to := a.next[at+class].Load()
		if to == at { // a processor that bets on it need not wait for the table
			continue
		}
		if to == stateUnknown {
			to = a.build(at, class)
		}
		if to <= 0 {
			return to == stateMatched, to != stateUnsure
		}
		at = to
	}
	return a.atEnd[at/a.classes], true
}

// build finds the state that comes after another one.
func (a *automaton) build(at, class int32) int32 {
	a.building.Lock()
	defer a.building.Unlock()
	to := a.next[at+class].Load()
	if to == stateUnknown { // nobody else has
		to = a.after(a.states[at/a.classes], a.examples[class])
		a.next[at+class].Store(to)
	}
	return to
}

// after is the number of the state behind a character: where that leads to, and the beginning, for a match may begin anywhere.
func (a *automaton) after(s state, r rune) int32 {
	if a.work += len(s.places) + 1; a.work > automatonWork {
		return stateUnsure
	}
	takers, matched := a.asked(s, r)
	a.walk++
	var next []uint32
	if !matched {
		next, matched = a.closure(nil, a.prog.Start, r, anyCharacter)
	}
	for _, pc := range takers {
		if inst := &a.prog.Inst[pc]; !matched && inst.MatchRune(r) {
			next, matched = a.closure(next, int(inst.Out), r, anyCharacter)
		}
	}
	return a.reached(next, matched, r)
}

// asked are the instructions of a state that take a character, now that it is known which one comes next.
func (a *automaton) asked(s state, next rune) (takers []uint32, matched bool) {
	a.walk++
	for _, pc := range s.places {
		if eats(&a.prog.Inst[pc]) {
			a.met[pc] = a.walk
			takers = append(takers, pc)
		}
	}
	for _, pc := range s.places {
		if !eats(&a.prog.Inst[pc]) && !matched {
			takers, matched = a.closure(takers, int(pc), s.behind, next)
		}
	}
	return takers, matched
}

// reached is the number of the state that is in these places behind a character.
func (a *automaton) reached(places []uint32, matched bool, behind rune) int32 {
	switch {
	case matched:
		return stateMatched
	case len(places) == 0 && !a.lines:
		return stateDead
	}
	slices.Sort(places)
	s := state{places, a.alike(places, behind)}
	key := binary.LittleEndian.AppendUint32(make([]byte, 0, 4*len(places)+4), uint32(s.behind))
	for _, pc := range places {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	if at, known := a.numbers[string(key)]; known {
		return at
	}
	n := len(a.states)
	if n == len(a.atEnd) {
		return stateUnsure
	}
	at := int32(n) * a.classes
	a.numbers[string(key)], a.states = at, append(a.states, s)
	_, a.atEnd[n] = a.asked(s, noCharacter)
	return at
}

// alike is one for all characters that are the same to what these places ask of the one behind them.
func (a *automaton) alike(places []uint32, r rune) rune {
	asks := slices.ContainsFunc(places, func(pc uint32) bool { return !eats(&a.prog.Inst[pc]) })
	switch {
	case asks && (r == noCharacter || r == '\n'):
		return r
	case asks && a.words && syntax.IsWordChar(r):
		return 'a'
	}
	return ' '
}

// closure adds to the places those that an instruction leads to before the next character, and that this walk has not come by: those that take one, or ask
// for what it is, where that is not known.
func (a *automaton) closure(places []uint32, pc int, behind, next rune) (all []uint32, matched bool) {
	left := []int{pc}
	for len(left) > 0 {
		pc, left = left[len(left)-1], left[:len(left)-1]
		if a.met[pc] == a.walk {
			continue
		}
		a.met[pc] = a.walk
		a.work++
		switch inst := &a.prog.Inst[pc]; inst.Op {
		case syntax.InstMatch:
			return places, true
		case syntax.InstAlt, syntax.InstAltMatch:
			left = append(left, int(inst.Out), int(inst.Arg))
		case syntax.InstCapture, syntax.InstNop:
			left = append(left, int(inst.Out))
		case syntax.InstEmptyWidth:
			switch {
			case next == anyCharacter && asksForNext(inst):
				places = append(places, uint32(pc))
			case syntax.EmptyOp(inst.Arg)&^syntax.EmptyOpContext(behind, next) == 0:
				left = append(left, int(inst.Out))
			}
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			places = append(places, uint32(pc))
		}
	}
	return places, false
}

// halved says whether an instruction takes half of a surrogate pair, and nothing else.
func halved(i syntax.Inst) bool {
	return eats(&i) && len(i.Rune) == 1 && utf16.IsSurrogate(i.Rune[0])
}

// eats says whether an instruction takes a character.
func eats(i *syntax.Inst) bool {
	switch i.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

// asksForNext says whether an instruction asks what character comes next, or that none does.
func asksForNext(i *syntax.Inst) bool {
	return syntax.EmptyOp(i.Arg)&^(syntax.EmptyBeginText|syntax.EmptyBeginLine) != 0
}
