# Everything one does with a checkout; `make` alone lists it. Needs Go, git and
# bash, and nothing else: what it needs beyond that, go.mod and
# scripts/tools/go.mod name and Go fetches.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL: # cheap checks first, and one build at a time is all the memory there is

GO  ?= go
PKG ?= ./...

# The linter comes from a module of its own, so that its two hundred
# dependencies stay out of the product's go.mod.
LINT := CGO_ENABLED=0 $(GO) tool -modfile=scripts/tools/go.mod golangci-lint

# The race detector needs a C compiler; Go turns cgo off where it finds none.
RACE := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# The Microsoft Graph SDK takes two minutes to compile, once for each set of build
# flags. So build, vet, lint and the functions share one set; the tests need
# another one for the race detector, and Lambda's processor a third.
#
# lambda.norpc leaves out the old Go runtime of Lambda, whose net/rpc would keep
# every method of every type in the program.
PLAIN := CGO_ENABLED=0
BUILD := $(PLAIN) $(GO) build -tags lambda.norpc -ldflags='-s -w'

# Version stamps would link every program anew after each commit, and fail in a
# checkout that belongs to another user.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS) -buildvcs=false -trimpath)

include infra/functions.mk

SDK_NOTICE := @echo "The first build takes about 3 minutes and 5 GB of memory, as the Microsoft Graph SDK is large; later ones take seconds."

.PHONY: help
help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##### Run

# The program replaces the shell, so that a signal reaches it and nothing in between.

.PHONY: demo
demo: bin/demo ## play a working day against both simulators and compare the two directories
	@exec bin/demo

.PHONY: run
run: bin/local ## run the whole product on this machine until Ctrl-C
	@exec bin/local

.PHONY: bench
bench: bin/bench ## measure the figures in the README
	@bin/bench
	@echo "The first sync of groups, and suspensions in a rush, in virtual time (takes about ten minutes) …"
	@$(PLAIN) $(GO) test -C scripts/bench -count=1 -run 'TestFirstSyncOfGroups|TestRush' -figures -timeout 1h
	@$(GO) run ./scripts/lambda/figures

# Go knows better than make whether a program is up to date.
.PHONY: bin/demo bin/local bin/bench
bin/demo bin/local bin/bench: bin/%:
	$(if $(wildcard bin/*),,$(SDK_NOTICE))
	@$(BUILD) -o $@ ./scripts/$*

.PHONY: build
build: ## build every program into bin/
	$(if $(wildcard bin/*),,$(SDK_NOTICE))
	$(BUILD) -o bin/ ./...

##### Check

.PHONY: test
test: aws-servers ## run all tests (PKG=./shared/plan/... for some)
	$(SDK_NOTICE)
	@$(if $(RACE),,echo "No C compiler: the tests run without the race detector.")
	$(GO) test $(RACE) -timeout 40m $(PKG)

DAYS ?= 1000
FROM ?= 1

.PHONY: simulate
simulate: ## play random days of a company in virtual time (DAYS=100000, FROM=seed)
	@$(PLAIN) $(GO) test -C scripts/simulate -count=1 -timeout 0 -run 'TestDays$$' -days $(DAYS) -from $(FROM) -failures 20

.PHONY: aws-servers
aws-servers: ## install the servers that the tests of shared/aws run against
	@scripts/aws/install

.PHONY: check-template
check-template: ## check the AWS template (needs Python)
	@scripts/template/check

.PHONY: derive
derive: ## write the alarms and the dashboard anew, as template.yaml has them
	@$(GO) run ./scripts/template/derive

.PHONY: check-api
check-api: ## check the API against its description (needs Python)
	@scripts/api/check

.PHONY: vuln
vuln: ## look for known vulnerabilities in the modules that are used
	@scripts/tools/vuln

.PHONY: check
check: check-format check-modules vuln build vet lint check-template check-api test simulate ## do what CI does: format, modules, vulnerabilities, build, vet, lint, template, API, test, random days
	@echo "All checks passed."

.PHONY: fmt
fmt: ## format the code
	$(LINT) fmt

.PHONY: check-format
check-format:
	@echo "The first run builds golangci-lint, which takes a minute or two."
	$(LINT) fmt --diff || { echo 'Not formatted: run `make fmt`.'; exit 1; }

.PHONY: check-modules
check-modules:
	$(GO) mod tidy -diff || { echo 'go.mod is not tidy: run `go mod tidy`.'; exit 1; }

.PHONY: vet
vet: ## run go vet
	$(PLAIN) $(GO) vet $(PKG)

.PHONY: lint
lint: ## run golangci-lint
	$(LINT) run $(PKG)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
