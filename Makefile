# What there is to do here. `make` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

COUNTS := .cache/counts
RUN := go run ./tools/runtests

# Without the environment that would give the tests another broker than their own.
EMBEDDED := env -u REDELIVER_TEST_BROKERS -u REDELIVER_REQUIRE_REAL

# The packages that have tests on virtual time: files for the build tag synctests, with which kgo can wait in a bubble.
VIRTUAL = $(shell grep -rl --include='*_test.go' '^//go:build synctests' . | xargs -rn1 dirname | sort -u)

# The packages whose tests need a broker, which is a real one with `make integration`.
BROKER = $(shell grep -rl --include='*_test.go' 'kafkatest\.Main\b' . | xargs -rn1 dirname | sort -u)

# Where the race detector pays: what shares memory between goroutines. It costs two to ten times the time.
RACE ?= ./breaker/... ./consumer/... ./dlq/... ./internal/embedded/... ./internal/webhook/... ./internal/admin/...

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: unit simulation race ## everything that needs nothing but Go: unit, simulation, integration on the embedded broker, races
	@$(RUN) -sum $(COUNTS)/unit.json $(COUNTS)/simulation.json $$(ls $(COUNTS)/race.json 2>/dev/null)

.PHONY: unit
unit: $(COUNTS) ## unit tests, and the integration suite on the embedded broker (a container, where Docker answers)
	@$(EMBEDDED) $(RUN) -label unit -o $(COUNTS)/unit.json -- -timeout 10m ./...

.PHONY: simulation
simulation: $(COUNTS) ## the engine on virtual time, with faults
	@$(EMBEDDED) $(RUN) -label simulation -o $(COUNTS)/simulation.json -- -timeout 10m -tags synctests $(VIRTUAL)

# How many random scenarios of each family make sim runs, from which seed on; SEED=n runs one alone. PLAN=random, held, closed, fair,
# or paused runs one family alone.
SEEDS ?= 1000
FIRST ?= 1
SEED ?= 0
PLAN ?=

.PHONY: sim
sim: ## random scenarios on virtual time, held to every promise: SEEDS=1000 FIRST=1, or SEED=n for one alone; PLAN=held for one family
	@mkdir -p .cache/bin
	@go test -tags synctests -c -o .cache/bin/sim.test ./internal/sim
	@.cache/bin/sim.test -test.run '^TestRandom(Held|Closed|Fair|Paused)?$$' -test.timeout 12h -sim.progress -sim.seeds $(SEEDS) -sim.first $(FIRST) -sim.seed $(SEED) -sim.plan '$(PLAN)'

.PHONY: mutants
mutants: ## plant classic bugs into a copy of the tree, and show that the simulation finds each in 20 seeds and names the promise
	@scripts/mutants

.PHONY: adaptive
adaptive: ## hold adaptive delays against fixed, exponential and the optimum on made-up outages, and write the results into docs/adaptive.md
	@go run ./internal/outages/compare

.PHONY: incident
incident: ## run an incident from the first dead letter to the empty queue, and record it in docs/incident.md
	@go run ./internal/incident

.PHONY: docs
docs: ## write the pages that are made from the code anew: docs/metrics.md, docs/logs.md, the trace in docs/tracing.md
	@go run ./internal/telemetry/metricspage
	@go run ./internal/logpage/page
	@REDELIVER_TRANSCRIPT=1 go test -count=1 -run TestOneTraceFromTheProducerToTheReplay ./consumer/tracing

.PHONY: alerts
alerts: ## an outage, watched by Prometheus (Debian: apt-get install prometheus), and what it saw written into docs/alerts.md
	@cd deploy && REDELIVER_REQUIRE_PROMETHEUS=1 REDELIVER_TRANSCRIPT=../docs/alerts.md go test -count=1 -run TestTheRightAlertsFireAndEndInAnOutage .

.PHONY: race
race: $(COUNTS) ## the race detector, where it pays; RACE names the packages
	@rm -f $(COUNTS)/race.json
	@if command -v "$$(go env CC)" >/dev/null; then \
		$(EMBEDDED) $(RUN) -label race -o $(COUNTS)/race.json -- -race -short -timeout 15m $(RACE); \
	else \
		echo "race: left out, the race detector needs a C compiler and there is no $$(go env CC) (Debian: apt-get install gcc)"; \
	fi

# What the counts of an integration run are called, and which tests it runs.
SUITE ?= integration
ONLY ?= .

.PHONY: integration
integration: $(COUNTS) ## the integration suite, with the delivery and the group protocol that REDELIVER_TEST_DELIVERY and REDELIVER_TEST_PROTOCOL name, on the broker that REDELIVER_TEST_BROKERS names, or that make kafka-start started
	@brokers=$${REDELIVER_TEST_BROKERS:-$$(scripts/kafka brokers)}; \
	REDELIVER_TEST_BROKERS=$$brokers REDELIVER_REQUIRE_REAL=1 \
		$(RUN) -label $(SUITE) -o $(COUNTS)/$(SUITE).json -- -count=1 -timeout 15m -run '$(ONLY)' $(BROKER)

.PHONY: kafka-start
kafka-start: ## start Apache Kafka on 127.0.0.1:19092 (needs Java 17 and Maven); scripts/kafka has more, such as three nodes
	@scripts/kafka start

.PHONY: kafka-stop
kafka-stop: ## stop it
	@scripts/kafka stop

.PHONY: lint
lint: ## gofmt, go vet, staticcheck and our own analyzers, in every module
	@scripts/lint

# A measurement takes some 50 minutes a broker without the peers, and two hours and more with them; SCALE=0.01 ROUNDS=1 shows that all works, in five minutes a broker,
# and a quarter of an hour with the peers. With RECORD=1 a measurement of full size takes the place of what docs/performance.md has of its scenarios and brokers,
# contenders that took no part included. Apache Kafka is to be started as scripts/kafka start --server; ON=kafka measures there alone.
SCALE ?= 1
ROUNDS ?= 5
SCENARIOS ?=
PEERS ?= auto
ON ?=
RECORD ?=

.PHONY: bench
bench: ## the pipeline beside raw franz-go and its peers, on the embedded broker and, with REDELIVER_TEST_BROKERS, on Apache Kafka: SCENARIOS=abd ROUNDS=5 SCALE=1 PEERS=auto ON=kafka RECORD=1
	@mkdir -p .cache/bin .cache/bench
	@cd bench && go build -buildvcs=true -o ../.cache/bin/bench . && ../.cache/bin/bench -rounds $(ROUNDS) -scale $(SCALE) $(if $(SCENARIOS),-scenarios '$(SCENARIOS)') -peers '$(PEERS)' $(if $(filter kafka,$(ON)),-embedded=false) \
		$(if $(RECORD),-out ../docs/performance.json -docs ../docs,-out ../.cache/bench/results.json)

.PHONY: deadletters
deadletters: ## a million dead letters on Apache Kafka: the index, six commands, replay beside raw franz-go, and killed (BROKERS=host:port, RECORDS=1000000)
	@test -n '$(BROKERS)' || { echo "make deadletters: name a cluster that is there for this, as BROKERS=host:port; scripts/kafka start starts one" >&2; exit 2; }
	@cd bench && go run ./deadletters -brokers '$(BROKERS)' -records $(or $(RECORDS),1000000)

FOR ?= 5m
DELIVERY ?= at_least_once
PROTOCOL ?= classic
HOLD_KEY ?=

.PHONY: torture
torture: ## three Kafka nodes, three members and a load, killed, paused and cut off for FOR=5m; SEED=N repeats a plan; DELIVERY=exactly_once_routing HOLD_KEY=1 holds keys (Java 17, Maven)
	@mkdir -p .cache/bin && cd torture && go build -o ../.cache/bin/torture .
	@.cache/bin/torture run -for $(FOR) -delivery $(DELIVERY) -protocol $(PROTOCOL) -seed $(or $(SEED),0) $(if $(HOLD_KEY),-hold-key) $(if $(KEEP),-keep)

.PHONY: torture-mutants
torture-mutants: ## plant classic bugs into a copy of the tree, and show that the verdict of a torture names the promise (Java 17, Maven); 3 minutes each
	@scripts/torture-mutants

.PHONY: fuzz
fuzz: FOR = 10s
fuzz: ## every fuzz target, one after the other, for FOR=10s each; MATCH=State only those whose names match
	@$(EMBEDDED) go run ./tools/runfuzz -for $(FOR) -run '$(MATCH)'

.PHONY: sbom
sbom: ## what the binary is made of, as CycloneDX, in .cache/sbom.cdx.json; a release makes the same, see .goreleaser.yaml
	@mkdir -p .cache/bin
	@CGO_ENABLED=0 go build -trimpath -o .cache/bin/redeliver ./cmd/redeliver
	@go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -licenses -output .cache/sbom.cdx.json .cache/bin/redeliver

.PHONY: demo
demo: ## a flaky service, its retries, its breaker and its dead letters, live
	@go run ./cmd/redeliver demo

.PHONY: ci
ci: ## all that decides whether a change is good: lint, test, and the integration suite on Apache Kafka
	@.ci/run

$(COUNTS):
	@mkdir -p $@
