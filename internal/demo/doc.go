// Package demo is `redeliver demo`: the whole of Redeliver at work in one process, told as a story that a newcomer can
// watch.
//
// Everything in it is real: a broker (kfake, in a temporary directory), a service that is called over HTTP, a pipeline
// with its retry and dead-letter topics, a circuit breaker, a replay. Only the trouble is made: orders that fail once,
// orders that a bug makes fail for ever, and an outage of the service. The story goes on by what was reached, not by the
// clock, so that it is the same on a slow machine.
//
//	load ──▶ topic orders ──▶ pipeline billing ──▶ POST ──▶ service payments
//	               ▲               │    ▲
//	               │               ▼    │
//	               │        retry-1s, retry-10s
//	               │               │
//	               │               ▼
//	            reader ◀─── dead letters ──▶ replay ──▶ retry-1s
//
// At the end a reader that shares nothing with the engine recounts what happened: from the raw topics and the group's
// commits, from the calls that the service saw, and from /metrics. The three must tell the same; see recount.go.
package demo
