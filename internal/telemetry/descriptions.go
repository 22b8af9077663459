package telemetry

import "github.com/prometheus/client_golang/prometheus"

// descriptions are all metrics of ours, in the contract's order.
var descriptions []*prometheus.Desc

var (
	records = describe("redeliver_records_total",
		"Records that were settled, by the topic they were read from and by outcome.", "pipeline", "topic", "outcome")
	attempts = describe("redeliver_attempts_total",
		"Attempts that ended, by class and severity of failure; none is success.", "pipeline", "class", "severity")
	handlerSeconds = describe("redeliver_handler_seconds",
		"Duration of handler calls, in seconds.", "pipeline")
	lateness = describe("redeliver_lateness_seconds",
		"Time from when an attempt out of a tier was due to when it started, in seconds.", "pipeline", "tier")
	inFlight = describe("redeliver_in_flight",
		"Handler calls that are running.", "pipeline")
	backlog = describe("redeliver_backlog",
		"Records that wait in the assigned partitions of a tier's topics and are not settled; the tier source is the source topics.", "pipeline", "tier")
	oldestDue = describe("redeliver_oldest_due_seconds",
		"Time since the record that is due first in a tier became due, in seconds; below 0 when it becomes due only then. Absent when nothing waits.", "pipeline", "tier")
	deadLetters = describe("redeliver_dead_letters_total",
		"Records that were written to the dead-letter topic, by class and severity of the last failure and by reason.", "pipeline", "class", "severity", "reason")
	deadLetterCredit = describe("redeliver_dead_letter_credit",
		"Dead letters that may still be written before the pipeline holds; successes earn more. Absent without dlq.admission.", "pipeline")
	breakerState = describe("redeliver_breaker_state",
		"1 for the state that the dependency's breaker is in, 0 for the other states.", "dependency", "state")
	breakerParts = describe("redeliver_breaker_parts",
		"Parts of a dependency that is watched part by part, by the state that their breakers are in.", "dependency", "state")
	paused = describe("redeliver_paused",
		"Assigned partitions that are paused, by reason; one that is paused for several reasons counts under each.", "pipeline", "reason")
	routeFailures = describe("redeliver_route_failures_total",
		"Writes of copies to retry and dead-letter topics that failed; the records are held and tried again.", "pipeline")
	transactions = describe("redeliver_transactions_total",
		"Transactions of copies and offsets, by outcome: committed, or aborted and tried again. With delivery: exactly_once_routing only.", "pipeline", "outcome")
	heldRecords = describe("redeliver_held_records",
		"Records that are held since their copy cannot be written, those included whose destination does not answer.", "pipeline")
	heldKeys = describe("redeliver_held_keys",
		"Keys of which records wait, by state: waiting behind a record that is retried, or closed behind a dead letter. With hold_key.", "pipeline", "state")
	unreadKeys = describe("redeliver_unread_keys_partitions",
		"Source partitions of which it is not known yet which keys are held; nothing of them is started. With hold_key.", "pipeline")
	faults = describe("redeliver_faults",
		"What the cluster does not do for the pipeline now and is asked for again and again, by what it is.", "pipeline", "doing")
	lostRecords = describe("redeliver_lost_records_total",
		"Offsets that were gone from a topic before they were read, in partitions that went on with what was left.", "pipeline", "topic")
	commitSeconds = describe("redeliver_commit_seconds",
		"Duration of offset commits, in seconds.", "pipeline")
	retentionLeft = describe("redeliver_retention_left_seconds",
		"Time until the topic's retention deletes the oldest record that is not settled, in seconds. Absent when it never does.", "pipeline", "topic")
	limitPutOff = describe("redeliver_limit_put_off_total",
		"Records that a limit by header has put off, each as often as it was, or how often a call had to wait for its turn.", "pipeline", "limit")
	limitAhead = describe("redeliver_limit_ahead_seconds",
		"Time until the turn of the record that a limit has put off furthest, or of the next call, in seconds.", "pipeline", "limit")
	limitKeys = describe("redeliver_limit_keys",
		"Values of its header that a limit knows.", "pipeline", "limit")
	learnedObservations = describe("redeliver_learned_observations",
		"How much is known about the delays of a dependency and class, in observations that have nothing to do with each other. With retry.adaptive.", "pipeline", "dependency", "class")
	learnedDelay = describe("redeliver_learned_delay_seconds",
		"The delay that was learned last, in seconds. Absent while too little is known.", "pipeline", "dependency", "class")
	tenants = describe("redeliver_tenants",
		"Tenants that are told apart. Without tenants there is no such series.", "pipeline")
	tenantPutOff = describe("redeliver_tenant_put_off_total",
		"Records that were put off over the tiers, each as often as it was, since their tenants held their share of the window.", "pipeline")
	healthScore = describe("redeliver_health_score",
		"Health of the pipeline, from 0 to 1.", "pipeline")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(name, help, labels, nil)
	descriptions = append(descriptions, d)
	return d
}
