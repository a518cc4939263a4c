# What people run by hand. .ci/run runs all that a change has to pass.

STATICCHECK = GOWORK=off go tool -modfile=tools.mod staticcheck
FUZZTIME ?= 30s

.PHONY: test race lint fuzz bugs durable bench ci

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

# Measures against what a user would take instead, and writes the README's table.
bench:
	.ci/bench

ci:
	.ci/run
