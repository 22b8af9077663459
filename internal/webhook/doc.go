// Package webhook hands records to a service over HTTP: one POST is one attempt of one record, or of each record of a
// batch. The service answers with a status, and with Redeliver-Action where it wants to decide itself.
//
// One attempt is exactly one request. Go's transport by itself sends a request again when a kept-alive connection
// breaks and the request carries an Idempotency-Key; see idempotencyKey for how that is off.
package webhook
