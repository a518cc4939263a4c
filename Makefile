# What people run by hand. .ci/run runs all that a change has to pass.

STATICCHECK = GOWORK=off go tool -modfile=tools.mod staticcheck
FUZZTIME ?= 30s

.PHONY: test race lint fuzz bugs durable scale drivers bench ci

test:
	go test ./...

race:
	go test -race ./...

lint:
	test -z "$$(git ls-files '*.go' | xargs gofmt -l)"
	GOWORK=off go vet ./...
	$(STATICCHECK) ./...

# Every fuzz target of the module, one after the other, for FUZZTIME each.
fuzz:
	.ci/fuzz $(FUZZTIME)

# Plants bugs one by one, and shows that the tests find them.
bugs:
	.ci/bugs

# The long versions of the tests of durability: kills and power cuts of the segment log, days of a queue's and a client's life.
durable:
	go test ./internal/seglog -timeout 2h -kills=1000 -cuts=100000
	go test ./internal/dispatch -run TestFault79 -timeout 2h -soak=1000
	go test ./profiles -run TestFault79 -timeout 2h -soak=300
	go test ./profiles/retl -run TestStateSurvives -timeout 1h -statecuts=6000
	go test ./profiles/retl -run TestSyncsThroughEverything -timeout 1h -lives=3000

# Syncs of ten million rows: memory, time for each row, and what is sent.
scale:
	go test ./profiles/retl -run TestSyncScales -timeout 1h -v -scale=10000000

# The types of real databases: SQLite, and a PostgreSQL that is started for it.
drivers:
	.ci/postgres bash -c 'cd internal/drivers && GOWORK=off go test ./...'

# Measures against what a user would take instead, and writes the README's table.
bench:
	.ci/bench

ci:
	.ci/run
