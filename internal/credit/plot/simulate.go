package main

import (
	"math"
	"math/rand/v2"

	"github.com/redeliver/redeliver/internal/credit"
)

// records is how many records a simulated pipeline lives.
const records = 50_000

// untilHold returns how many dead letters a pipeline writes before it first holds, when each record dies with the same
// probability, and false when it never holds.
func untilHold(a *credit.Account, share float64, random *rand.Rand) (dead int, held bool) {
	for range records {
		switch {
		case random.Float64() >= share:
			a.Earn(1)
		case a.Spend():
			dead++
		default:
			return dead, true
		}
	}
	return dead, false
}

// holds reports whether a pipeline holds when a share of its records dies, in stretches of that mean length, as when somebody
// uploads a file that is broken: nothing is wrong with what comes between them.
func holds(a *credit.Account, share, stretch float64, random *rand.Rand) bool {
	if share == 0 {
		return false
	}
	length := func(mean float64) int { return 1 + int(random.ExpFloat64()*math.Max(mean-1, 0)) }
	for done := 0; done < records; {
		good, bad := length(stretch*(1-share)/share), length(stretch)
		a.Earn(good)
		for range bad {
			if !a.Spend() {
				return true
			}
		}
		done += good + bad
	}
	return false
}

// series is a line of a panel: y by share of records that die, in steps of step.
type series struct {
	name   string
	values []float64
}

const step = 0.025

// overShares computes one value for each share from 0 up to 1.
func overShares(name string, value func(share float64, random *rand.Rand) float64) series {
	s := series{name: name}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range int(math.Round(1/step)) + 1 {
		s.values = append(s.values, value(float64(i)*step, random))
	}
	return s
}

// flood is the first panel: dead letters until the pipeline holds.
func flood(name string, burst int, perSuccess float64) series {
	return overShares(name, func(share float64, random *rand.Rand) float64 {
		dead, _ := untilHold(credit.New(burst, perSuccess), share, random)
		return float64(dead)
	})
}

// falseHolds is the second panel: how many pipelines of a hundred hold.
func falseHolds(name string, burst int, perSuccess, stretch float64) series {
	const runs = 40
	return overShares(name, func(share float64, random *rand.Rand) float64 {
		n := 0
		for range runs {
			if holds(credit.New(burst, perSuccess), share, stretch, random) {
				n++
			}
		}
		return 100 * float64(n) / runs
	})
}
