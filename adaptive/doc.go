// Package adaptive learns from what succeeds after which delay a failed record is best tried again.
//
// For each dependency and class of failure it estimates the chance that a record still fails as a function of the time
// since its outage began: since the first of the failures, of whatever records, that no silence and no success of a retry
// sets apart from it. A retry that fails says only "later than that", and one that succeeds "between the attempt
// before and this one": the estimate is a survival curve from censored observations, with hazards on buckets of time that
// grow, and what was seen long ago counts less and less. Two memories make it: a long one, which knows what outages
// are like, and a short one, which knows whether there is one now.
//
// From the curve follows the delay that costs least, where these things cost:
//
//   - every attempt its price, [Config.AttemptCost];
//   - every recovery that comes later than the configured strategy would have brought it: by how much, and a price for being late, and every one that comes
//     sooner is worth a twentieth of the time;
//   - giving up as much as a recovery after three and a third of the longest delays, which is as far as is looked ahead.
//
// All of it is counted in first delays of the configured strategy.
//
// So attempts that hardly ever succeed are left out, and what is saved is spent where the configured strategy has none; a wait is
// longer than the configured one only where that saves more than it costs. A [Learner] gives no advice until it knows enough, and
// says what it knows: [Learner.Lessons].
package adaptive
