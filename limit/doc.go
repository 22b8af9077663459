// Package limit says when a call may start so that there are no more than so many in a time.
//
// A limit is a generic cell rate algorithm (ITU-T I.371): one number, the time at which the next cell is expected, takes
// the place of a bucket's tokens. It counts in whole nanoseconds, so that a limit holds exactly however long it runs.
//
// [Keyed] holds a bucket for each key, with a bound on their number, and puts off what is over the limit. [Pacer] is one
// bucket that several askers share by turns.
package limit
