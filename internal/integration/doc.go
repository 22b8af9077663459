// Package integration holds whole pipelines to the promises of the contract, on a broker that is not part of this
// process's time: the one that REDELIVER_TEST_BROKERS names, one in a container, or kfake over TCP (see
// internal/kafkatest). The tests are the same for all three, but for a few that only Apache Kafka can show anything.
//
// One file is one subject. Each test has a source topic and a consumer group of its own, so that they run side by side;
// those that measure, or that need the machine for themselves, are not parallel and run before the others.
//
// Nothing sleeps. A test waits for calls of its handlers and for hooks of its pipelines, which are signals, and looks at
// the cluster again and again for what a broker tells nobody, always for a bounded time.
package integration
