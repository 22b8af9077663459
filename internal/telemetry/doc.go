// Package telemetry shows the counts of running pipelines to Prometheus. The engine counts; the collector reads
// [consumer.Stats] when it is scraped, so that a record pays nothing for it.
//
// The number of series is bounded: labels hold names out of the configuration and words out of fixed sets. Topics that a
// pattern finds and tenants are open sets; beyond maxTopics and maxTenants of a pipeline their counts go under "other".
package telemetry
