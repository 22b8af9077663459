// Package outages holds delay policies against each other on made-up histories of a dependency: short blips, long
// outages, rate limits, and all of them mixed. It says how many retries each policy wastes, and for how long records
// wait with it.
//
// The histories depend on their kind and seed alone. The seeds of the evaluation stood here before the estimator that
// is measured on them was written; what there is to be chosen is chosen on [TrainingSeeds].
package outages
