# Two commands need nothing before them: `make demo` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The steps share one environment and two compilers' caches; each uses all cores itself.
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

python := .venv/bin/python
# pyo3 asks the environment's Python, not whichever comes first in PATH: one answer, no needless rebuilds.
export PYO3_PYTHON := $(CURDIR)/$(python)

# The stamps carry the checkout's place: an environment that was moved or copied along still points to the old one.
here := $(shell pwd | cksum | cut -d ' ' -f 1)
packages := .venv/packages-$(here)
extension := .venv/extension-$(here)
rust := $(shell find rust -name target -prune -o -path rust/fuzz -prune \
  -o \( -name '*.rs' -o -name Cargo.toml \) -print)

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
	@echo
	@echo 'V=1 shows all that a step prints. ARGS="-k vip" goes to pytest. PYTHON=python3.13 chooses the interpreter.'

.PHONY: demo
demo: needs-lab $(extension) ## Show a Service keep its address when its node dies; with kubectl: KUBERNETES=1
	@scripts/demo.sh $(if $(KUBERNETES),--kubernetes)

.PHONY: lab-up
lab-up: needs-lab $(extension) ## Start a Kubernetes with metalev, to try things on
	@scripts/lab.sh up $(ARGS)

.PHONY: lab-down
lab-down: $(extension) ## End it
	@scripts/lab.sh down

.PHONY: test
test: needs-lab $(extension) ## Run the Rust and the Python tests
	@scripts/test.sh $(ARGS)

.PHONY: check
check: needs-check $(extension) ## Check formats, lints, types, layers and locks; change nothing
	@scripts/check.sh

.PHONY: bench
bench: needs-bench $(extension) ## Measure: failover beside keepalived, and the hot paths
	@scripts/bench.sh $(ARGS)

.PHONY: chaos
chaos: needs-lab $(extension) ## Let 1,000 seeded faults happen on the lab; ARGS="--events 100 --seed 7"
	@scripts/chaos.sh $(ARGS)

.PHONY: sim
sim: needs-build ## Simulate fleets in virtual time: random faults, then a large one; ARGS="500 5000"
	@scripts/sim.sh $(ARGS)

.PHONY: fuzz
fuzz: needs-check ## Fuzz each codec and the engine for FUZZ_SECONDS (60)
	@scripts/fuzz.sh

.PHONY: wheel
wheel: needs-build $(packages) ## Build the wheel for this platform into dist/
	@scripts/venv.sh wheel

.PHONY: format
format: needs-check $(packages) ## Format the sources and mend what the linter can
	@scripts/format.sh

.PHONY: lock
lock: needs-build $(packages) ## Write the locks anew; UPGRADE=1 takes newer versions
	@scripts/lock.sh

.PHONY: clean
clean: ## Remove what these targets made
	@scripts/clean.sh

.PHONY: needs-build needs-lab needs-check needs-bench
needs-build:
	@scripts/machine.sh build
needs-lab:
	@scripts/machine.sh build lab
needs-check:
	@scripts/machine.sh build check
needs-bench:
	@scripts/machine.sh build lab bench

$(packages): requirements/dev.txt | needs-build
	@scripts/venv.sh packages
	@touch $@

$(extension): $(packages) $(rust) Cargo.toml Cargo.lock pyproject.toml
	@scripts/venv.sh extension
	@touch $@
