# One line per target; `make help` reads the comments.
.DEFAULT_GOAL := help
.PHONY: help build demo test race lint bench bench-lambda conformance exchanges

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build ./teal
	go build -o teal ./cmd/teal

demo: ## release blue, then green, then a broken green, on this machine
	go run ./cmd/teal demo

test: ## run all tests
	go test ./...

race: ## run the tests of what is concurrent under the race detector
	go test -race ./internal/alias/... ./internal/store/... ./internal/pool/... ./internal/platform/... ./internal/awsproto/... ./internal/front/...
	go test -race ./internal/controller/... -seeds 20

lint: ## formatting, vet and the linters of .golangci.yml
	golangci-lint run ./...

bench: ## the benchmarks of docs/performance.md
	go test -run '^$$' -bench . -benchmem ./internal/alias ./internal/asl/interp ./internal/store/... ./internal/platform/...
	go test -run '^$$' -bench . -benchtime 5x ./internal/pool
	go test -run '^$$' -bench . -benchtime 10x ./internal/bench

bench-lambda: ## the invocations, cold starts and environments of docs/performance.md
	go test -run '^$$' -bench Invoke -benchtime 10x ./internal/bench -peers
	go test -run '^$$' -bench 'Idle|Many' -benchtime 3x ./internal/bench
	go test -run '^$$' -bench Cold -benchtime 10x ./internal/pool

conformance: ## replay recorded answers of AWS, when they are at hand in ../shared/conformance (needs Python and boto3)
	.ci/conformance

exchanges: ## record what the target suite says and hears on the wire anew, and hold it against AWS's models (needs Python and boto3)
	.ci/exchanges record
