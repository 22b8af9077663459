package sim

// Promise is the name of one of the product's promises.
type Promise string

// The promises that a history is held to.
const (
	NoLoss         Promise = "no-loss"
	NeverEarly     Promise = "never-early"
	HonestAttempts Promise = "honest-attempts"
	Intact         Promise = "intact"
	StableID       Promise = "stable-id"
	OwnLane        Promise = "own-lane"
	Fenced         Promise = "fenced"
	Ordered        Promise = "ordered"
	Isolated       Promise = "isolated"
	Bounded        Promise = "bounded"
	ReplayedOnce   Promise = "replayed-once"
)

// Promises returns all of them.
func Promises() []Promise {
	return []Promise{NoLoss, NeverEarly, HonestAttempts, Intact, StableID, OwnLane, Fenced, Ordered, Isolated, Bounded, ReplayedOnce}
}
