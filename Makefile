# What people run by hand. .ci/run runs all that a change has to pass.

STATICCHECK = GOWORK=off go tool -modfile=tools.mod staticcheck
FUZZTIME ?= 30s

.PHONY: test race lint fuzz ci

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

ci:
	.ci/run
