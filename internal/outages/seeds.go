package outages

// seedsPerSet is how many histories of each kind a set has.
const seedsPerSet = 20

// TrainingSeeds are the seeds that a policy's settings may be chosen on.
func TrainingSeeds() []uint64 { return consecutive(1) }

// EvaluationSeeds are the seeds that results are published for. Nothing is chosen on them. Those of the first evaluation began with
// 1001, those of the second with 2001: once their results were known they were used up, and others took their place before anything
// else was changed.
func EvaluationSeeds() []uint64 { return consecutive(3001) }

func consecutive(first uint64) []uint64 {
	seeds := make([]uint64, seedsPerSet)
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}
