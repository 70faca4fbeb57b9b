# Every target is one command: what it does lives in Go, under cmd/esc and in the tests.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# How long each fuzz target runs.
FUZZTIME ?= 30s
# How long the soak goes on.
DURATION ?= 10m
# The side of a comparison that OLD is held against.
NEW ?= results/latest
# The rows whose plots README shows, as files are named.
LATENCY := pipeline_plan=fused_load=open_rate=100k_lane=realtime_span=received-stored
CAPACITY := tcp_frame=v2_load=capacity_connections=1
# What bench-full measures, one --set after the other: every cell that has the parameter.
MATRIX := batch=1,8,64,512 payload=16,128,1024,16384 producers=1,2,8,64,1024 rate=10k,50k,200k connections=1,8,64 \
	place=self place=smt-sibling place=same-L2 place=same-L3 place=cross-L3 place=cross-node place=cross-package
# The systems that are vetted and built beside this one.
SYSTEMS := linux/arm64 linux/riscv64 darwin/arm64 windows/amd64
# No commit is stamped into the binary outside a checkout.
VCS := $(if $(shell git rev-parse HEAD 2>/dev/null),auto,false)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/esc
	@echo "building bin/esc (the first time fetches the modules and compiles them all: a minute or two)"
	@CGO_ENABLED=0 go build -trimpath -buildvcs=$(VCS) -o bin/esc ./cmd/esc

test: vet lint unit race systems ## all untimed checks: vet, staticcheck, tests, the race detector, other systems
	@echo "test: ok"

vet:
	go vet ./...

lint:
	go tool -modfile=scripts/tools/go.mod staticcheck ./...

unit:
	go test -timeout 5m ./...
	go -C workloads/peers vet . && go -C workloads/peers test -timeout 2m .

race: ## the engine's tests under the race detector, the long ones shortened (needs gcc)
	@if command -v gcc >/dev/null; then set -x; CGO_ENABLED=1 go test -race -short -timeout 8m ./engine/...; else echo "race: skipped, for the race detector needs gcc"; fi

systems:
	@for s in $(SYSTEMS); do echo "go vet and build for $$s"; GOOS=$${s%/*} GOARCH=$${s#*/} go vet ./...; GOOS=$${s%/*} GOARCH=$${s#*/} go build ./...; done

proofs: ## the longer and the timed checks: tests named TestProof
	ESC_PROOFS=1 go test -count=1 -p 1 -timeout 20m -run '^TestProof' -v $$(grep -rl --include='*_test.go' '^func TestProof' . | xargs -r dirname | sort -u)

bench-quick: build ## every workload, briefly: under a minute
	@bin/esc bench --quick --out results

bench-all: build ## every workload and its verdict: under six minutes
	@bin/esc bench --out results

bench-full: build ## the whole matrix, a folder of results for each line of it: some twenty minutes
	@for s in $(MATRIX); do echo "== $$s"; if bin/esc bench --list --set $$s >/dev/null 2>&1; then bin/esc bench --set $$s --out results || [ $$? -lt 130 ]; else echo "skipped: this machine has no cell of $$s"; fi; done

bench-peers: ## ours and what one would otherwise take, in turns: about three minutes
	@go -C workloads/peers build -trimpath -buildvcs=$(VCS) -o ../../bin/peers . && bin/peers --out results

bench-log: build ## durable events beside a bare write and fdatasync, on this disk
	@bin/esc bench --run '^log/' --out results

report: build ## the page about the newest results: prints where it lies
	@bin/esc report

reference: build ## a full run (or RUN) as results/reference, and the plots that README shows
	@[ -n "$(RUN)" ] || bin/esc bench --profile --out results || [ $$? -ne 2 ]
	@cp -R "$$(realpath $(or $(RUN),results/latest))" results/.reference && rm -rf results/reference && mv results/.reference results/reference
	@bin/esc report results/reference
	@cp results/reference/plots/$(LATENCY).percentiles.svg docs/latency.svg && cp results/reference/plots/$(CAPACITY).capacity.svg docs/capacity.svg

compare: build ## what changed from OLD to NEW (the newest results), and whether it is real
	@bin/esc compare $(or $(OLD),$(error make compare OLD=results/DIR)) $(NEW)

gate: build ## measure, hold it against BASELINE, fail on a confirmed regression
	@bin/esc gate --baseline $(or $(BASELINE),$(error make gate BASELINE=results/DIR))

probe: build ## what this machine is: topology, floors, noise, fitness
	@bin/esc probe all

numa-vm: ## placement tested in guests with several memory nodes (needs qemu)
	@scripts/numa-vm

soak: ## the long checks for DURATION (10m), with their seeds printed
	ESC_SOAK=$(DURATION) go test -count=1 -p 1 -timeout 0 -v $$(grep -rl --include='*_test.go' 'ESC_SOAK' . | xargs -r dirname | sort -u)

fuzz: ## each fuzz target for FUZZTIME (30s)
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|/[^/]*:func | |' | while read -r dir name; do echo "$$dir $$name"; go test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) "$$dir"; done

clean: ## remove bin/, and results/ but for what is committed
	@rm -rf bin; git clean -fdXq results 2>/dev/null || true

.PHONY: help build test vet lint unit race systems proofs bench-quick bench-all bench-peers bench-log report reference compare gate probe numa-vm soak fuzz clean
