package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// verb is what a step of the plan does.
type verb string

const (
	killMember    verb = "kill"
	killRouting   verb = "kill while copies are under way"
	stopMember    verb = "stop"
	pauseMember   verb = "pause"
	replaceMember verb = "pause and replace"
	cutMember     verb = "cut off"
	silence       verb = "silence"
	resetLink     verb = "reset a connection of"
	slowMember    verb = "slow"
	killBroker    verb = "kill broker"
	stopBroker    verb = "stop broker"
	pauseBroker   verb = "pause broker"
	growSource    verb = "grow the source"
	tierAway      verb = "take the longest tier away"
	tierBack      verb = "give the tier back"
	remake        verb = "delete the dead letters"
	roll          verb = "restart all members, one after the other"
)

// step is one thing that the chaos does.
type step struct {
	verb   verb
	at     time.Duration // not before this time of the run
	member int           // index
	broker int           // index
	lasts  time.Duration // for how long it is down, paused, cut off
	owed   bool          // it is done in any case, and while it waits for its turn nothing else begins
}

// String tells the step as the progress of a run shows it.
func (s step) String() string {
	lasting := func(format string, args ...any) string {
		return fmt.Sprintf(format, args...) + fmt.Sprintf(" for %.1fs", s.lasts.Seconds())
	}
	member := string(rune('a' + s.member))
	switch s.verb {
	case killMember, stopMember, pauseMember, replaceMember, cutMember, silence, slowMember:
		return lasting("%s member %s", s.verb, member)
	case killRouting:
		return lasting("kill member %s while copies are under way", member)
	case resetLink:
		return fmt.Sprintf("%s member %s with broker %d", s.verb, member, s.broker+1)
	case killBroker, stopBroker, pauseBroker:
		return lasting("%s %d", s.verb, s.broker+1)
	}
	return string(s.verb)
}

// members is how many members there are.
const members = 3

// deck is what happens at random, as often as it stands here: all of it comes once before anything comes again.
var deck = []verb{
	killMember, killMember, killMember, killRouting, killRouting, killRouting, stopMember, pauseMember, pauseMember,
	replaceMember, cutMember, silence, resetLink, resetLink, slowMember, killBroker, killBroker, stopBroker, pauseBroker,
}

// makePlan makes the plan of a run that lasts so long. It is a function of the seed, but the time at which a step begins
// also depends on when the members and brokers that it is for have recovered.
func makePlan(seed uint64, lasts time.Duration) (plan []step) {
	rng := rand.New(rand.NewPCG(seed, 1))
	between := func(from, to float64) time.Duration {
		return time.Duration((from + rng.Float64()*(to-from)) * float64(time.Second))
	}
	// What is owed comes once in every five minutes, or once in a shorter run, at set parts of them. The first restart comes
	// before any fault, for there nothing excuses a repeat.
	round := min(lasts, 5*time.Minute)
	for start := time.Duration(0); start+round <= lasts; start += round {
		for _, o := range []struct {
			part float64
			verb verb
		}{{0.05, roll}, {0.3, growSource}, {0.4, tierAway}, {0.55, remake}, {0.7, tierBack}} {
			plan = append(plan, step{verb: o.verb, at: start + time.Duration(o.part*float64(round)), owed: true})
		}
	}
	var cards []verb
	for at := round / 20; at < lasts; at += between(2, 7) {
		if len(cards) == 0 {
			cards = slices.Clone(deck)
			rng.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
		}
		s := step{verb: cards[0], at: at, member: rng.IntN(members), broker: rng.IntN(nodes), lasts: between(0.2, 3)}
		cards = cards[1:]
		switch s.verb {
		case pauseMember: // short of the session's time-out, and beyond it
			if s.lasts = between(1, 4); rng.IntN(2) == 0 {
				s.lasts = between(8, 13)
			}
		case replaceMember, cutMember, silence:
			s.lasts = between(2, 13)
		case slowMember:
			s.lasts = between(3, 6)
		case pauseBroker:
			s.lasts = between(3, 12)
		}
		plan = append(plan, s)
	}
	slices.SortStableFunc(plan, func(a, b step) int { return int(a.at - b.at) })
	return plan
}
