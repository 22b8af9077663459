// Package admin is the HTTP server beside running pipelines: metrics, health, what the commands show, and the changes
// that an operator may make. It reads the engine through small interfaces. [Client] is the other end, for the commands.
//
//	GET  /metrics
//	GET  /livez /readyz /healthz[?verbose]
//	GET  /api/v1/status
//	GET  /api/v1/breakers
//	POST /api/v1/breakers/{name}/{open|close|auto}
//	POST /api/v1/pipelines/{name}/{pause|resume}[?admit=N]
//	POST /api/v1/skip   {"pipeline","topic","partition","offset","reason"}
//	POST /api/v1/release   {"pipeline","topic","partition","offset"} or {"pipeline","all":true}
//
// It knows no users: whoever may connect may change. So it listens on the loopback unless told otherwise, and guards
// against the one who could still reach it from there without being allowed to, a web page in a browser on this
// machine: see guard.go. Every change is logged.
package admin
