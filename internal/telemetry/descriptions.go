package telemetry

// ofPipelines are the metrics of pipelines, in the contract's order.
var ofPipelines metrics

var (
	records = ofPipelines.counter("redeliver_records_total",
		"Records that were settled, by the topic they were read from and by outcome.", "pipeline", "topic", "outcome")
	attempts = ofPipelines.counter("redeliver_attempts_total",
		"Attempts that ended, by class and severity of failure; none is success.", "pipeline", "class", "severity")
	handlerSeconds = ofPipelines.histogram("redeliver_handler_seconds",
		"Duration of handler calls, in seconds.", "pipeline")
	lateness = ofPipelines.histogram("redeliver_lateness_seconds",
		"Time from when an attempt out of a tier was due to when it started, in seconds.", "pipeline", "tier")
	inFlight = ofPipelines.gauge("redeliver_in_flight",
		"Handler calls that are running.", "pipeline")
	fetched = ofPipelines.gauge("redeliver_fetched_records",
		"Records that were fetched and wait for room in the window, or for their partition to be resumed, beside what Kafka clients have buffered.", "pipeline")
	backlog = ofPipelines.gauge("redeliver_backlog",
		"Records that wait in the assigned partitions of a tier's topics and are not settled; the tier source is the source topics.", "pipeline", "tier")
	oldestDue = ofPipelines.gauge("redeliver_oldest_due_seconds",
		"Time since the record that is due first in a tier became due, in seconds; below 0 when it becomes due only then. Absent when nothing waits.", "pipeline", "tier")
	deadLetters = ofPipelines.counter("redeliver_dead_letters_total",
		"Records that were written to the dead-letter topic, by class and severity of the last failure and by reason.", "pipeline", "class", "severity", "reason")
	deadLetterCredit = ofPipelines.gauge("redeliver_dead_letter_credit",
		"Dead letters that may still be written before the pipeline holds; successes earn more. Absent without dlq.admission.", "pipeline")
	breakerState = ofPipelines.gauge("redeliver_breaker_state",
		"1 for the state that the dependency's breaker is in, 0 for the other states.", "dependency", "state")
	breakerParts = ofPipelines.gauge("redeliver_breaker_parts",
		"Parts of a dependency that is watched part by part, by the state that their breakers are in.", "dependency", "state")
	paused = ofPipelines.gauge("redeliver_paused",
		"Assigned partitions that are paused, by reason; one that is paused for several reasons counts under each.", "pipeline", "reason")
	routeFailures = ofPipelines.counter("redeliver_route_failures_total",
		"Writes of copies to retry and dead-letter topics that failed; the records are held and tried again.", "pipeline")
	transactions = ofPipelines.counter("redeliver_transactions_total",
		"Transactions of copies and offsets, by outcome: committed, or aborted and tried again. With delivery: exactly_once_routing only.", "pipeline", "outcome")
	heldRecords = ofPipelines.gauge("redeliver_held_records",
		"Records that are held since their copy cannot be written, those included whose destination does not answer.", "pipeline")
	heldKeys = ofPipelines.gauge("redeliver_held_keys",
		"Keys of which records wait, by state: waiting behind a record that is retried, or closed behind a dead letter. With hold_key.", "pipeline", "state")
	unreadKeys = ofPipelines.gauge("redeliver_unread_keys_partitions",
		"Source partitions of which it is not known yet which keys are held; nothing of them is started. With hold_key.", "pipeline")
	faults = ofPipelines.gauge("redeliver_faults",
		"What the cluster does not do for the pipeline now and is asked for again and again, by what it is.", "pipeline", "doing")
	lostRecords = ofPipelines.counter("redeliver_lost_records_total",
		"Offsets that were gone from a topic before they were read, in partitions that went on with what was left.", "pipeline", "topic")
	commitSeconds = ofPipelines.histogram("redeliver_commit_seconds",
		"Duration of offset commits, in seconds.", "pipeline")
	retentionLeft = ofPipelines.gauge("redeliver_retention_left_seconds",
		"Time until the topic's retention deletes the oldest record that is not settled, in seconds. Absent when it never does.", "pipeline", "topic")
	limitPutOff = ofPipelines.counter("redeliver_limit_put_off_total",
		"Records that a limit by header has put off, each as often as it was, or how often a call had to wait for its turn.", "pipeline", "limit")
	limitAhead = ofPipelines.gauge("redeliver_limit_ahead_seconds",
		"Time until the turn of the record that a limit has put off furthest, or of the next call, in seconds.", "pipeline", "limit")
	limitKeys = ofPipelines.gauge("redeliver_limit_keys",
		"Values of its header that a limit knows.", "pipeline", "limit")
	learnedObservations = ofPipelines.gauge("redeliver_learned_observations",
		"How much is known about the delays of a dependency and class, in observations that have nothing to do with each other. With retry.adaptive.", "pipeline", "dependency", "class")
	learnedDelay = ofPipelines.gauge("redeliver_learned_delay_seconds",
		"The delay that was learned last, in seconds. Absent while too little is known.", "pipeline", "dependency", "class")
	experimentRecords = ofPipelines.counter("redeliver_experiment_records_total",
		"Records of an experiment, by variant and outcome: failed, which is their first failure, and what they came to: done, dead, or other, which is dropped or skipped. With retry.experiment.", "pipeline", "experiment", "variant", "outcome")
	experimentAttempts = ofPipelines.counter("redeliver_experiment_attempts_total",
		"Attempts of the records of an experiment that came to their end, by variant.", "pipeline", "experiment", "variant")
	experimentRecovery = ofPipelines.histogram("redeliver_experiment_recovery_seconds",
		"Time from the first failure to the success of a record of an experiment, in seconds, by variant.", "pipeline", "experiment", "variant")
	tenants = ofPipelines.gauge("redeliver_tenants",
		"Tenants that are told apart. Without tenants there is no such series.", "pipeline")
	tenantInFlight = ofPipelines.gauge("redeliver_tenant_in_flight",
		"Handler calls that are running, by tenant; the tenants beyond the first 50 are other.", "pipeline", "tenant")
	tenantWaiting = ofPipelines.gauge("redeliver_tenant_waiting",
		"Records in the window that wait, by tenant; the tenants beyond the first 50 are other.", "pipeline", "tenant")
	tenantPutOff = ofPipelines.counter("redeliver_tenant_put_off_total",
		"Records that were put off over the tiers, each as often as it was, since their tenants held their share of the window.", "pipeline")
	healthScore = ofPipelines.gauge("redeliver_health_score",
		"Health of the pipeline, from 0 to 1.", "pipeline")
	healthStatus = ofPipelines.gauge("redeliver_health_status",
		"1 for what the pipeline is, else 0: healthy, degraded or unhealthy.", "pipeline", "status")
	successRate = ofPipelines.gauge("redeliver_success_rate",
		"Share of the attempts in the last minute that succeeded, from 0 to 1; of fewer than ten as if the rest had.", "pipeline")
	ready = ofPipelines.gauge("redeliver_ready",
		"1 while the pipeline can make progress, as /readyz says, else 0.", "pipeline")
)
