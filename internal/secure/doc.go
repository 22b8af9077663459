// Package secure holds the tests against an Apache Kafka that lets nobody in without TLS and a name and has ACLs: what a user is told
// that lacks something, and that the privileges that `redeliver topics acls` prints are enough. They run where
// REDELIVER_TEST_SECURE_KAFKA names the directory of a node that `scripts/kafka start --secure` has started:
//
//	scripts/kafka --name secure start --secure --port 0
//	REDELIVER_TEST_SECURE_KAFKA=$(scripts/kafka --name secure directory) go test ./internal/secure
package secure
