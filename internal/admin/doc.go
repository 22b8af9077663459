// Package admin is the HTTP server beside running pipelines: metrics, health, what the commands show, and the changes
// that an operator may make. It reads the engine through small interfaces. [Client] is the other end, for the commands.
//
//	GET  /metrics
//	GET  /livez /readyz /healthz[?verbose]
//	GET  /api/v1/status
//	GET  /api/v1/experiments
//	GET  /api/v1/breakers
//	GET  /api/v1/breakers/{name}/events
//	POST /api/v1/breakers/{name}/{open|close|metrics-only|auto}
//	POST /api/v1/pipelines/{name}/{pause|resume}[?admit=N]
//	POST /api/v1/pipelines/{name}/log?level=LEVEL
//	POST /api/v1/skip   {"pipeline","topic","partition","offset","reason"}
//	POST /api/v1/release   {"pipeline","topic","partition","offset"} or {"pipeline","all":true}
//
// Where there are users, each is let in by a token or a certificate, to what the role allows: see users.go. An address that other machines can reach
// needs some. Without them whoever may connect may change, and the server guards against the one who could still reach the loopback without being
// allowed to, a web page in a browser on this machine: see guard.go. Every change is logged.
package admin
