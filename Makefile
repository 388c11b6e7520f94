# Everything from nothing: `make demo` or `make test`. Each step is a target of its own; a step that
# finds its work done says so and does nothing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup venv engine base image browser demo model demo-model simulators database test test-all cluster-test check durations coverage bench bench-search packages hooks lock clean

PYTHON_IN_VENV := .venv/bin/python
export DO_NOT_TRACK ?= 1
# Programs start many times here: without compiled modules each compiles Prefect again.
unexport PYTHONDONTWRITEBYTECODE
# How many processes share the tests; 0 runs them one after another. Tests also wait (for a server,
# a limit, an engine), so there is one more than cores of the smallest machine that we care for; those
# of `make check` do not. Each process imports all tests for itself, which takes seconds.
TEST_PROCESSES ?= 3
CHECK_PROCESSES ?= 2
PYTEST := $(PYTHON_IN_VENV) -m pytest -n $(TEST_PROCESSES)
QUICK := "not docker and not prefect and not browser and not slow and not nightly"

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: venv engine base image  ## Do those of the four steps below that are not done yet

venv:  ## Make .venv with the locked dependencies
	@scripts/venv.sh

engine:  ## Make sure that a Docker engine answers (as root on Debian or Ubuntu: install one)
	@scripts/engine.sh

base: engine  ## Get or make the base image, a Linux with Python 3.11
	@scripts/base-image.sh

image: venv base  ## Build the cell's image from the simulator as it is now
	@$(PYTHON_IN_VENV) -m flows.cli image --work .assay-setup/image \
		--base "$$(scripts/base-image.sh --name)"

browser:  ## Make sure that Chromium and its driver are there, for the tests of the report
	@scripts/browser.sh

demo:  ## Set up, search for a policy for a minute or two, show what was found
	@scripts/demo.sh

model: venv  ## Install a small real language model and its server, apart from the rest
	@scripts/model.sh

demo-model: setup model  ## Set up, search with the small real model: minutes, for policies of no use
	@scripts/demo-model.sh

simulators: venv  ## Install other simulators, each apart, for nightly tests and a row of a benchmark
	@scripts/simulators.sh

database: venv  ## Make sure that PostgreSQL's programs are there, for the tests of a cluster
	@scripts/database.sh

test: setup browser  ## Set up, then run every check and the tests of every promise
	@scripts/check.sh $(PYTEST) -m "not nightly"

test-all: setup browser model simulators database  ## The same and the nightly tests: every attack in every set-up, every seed
	@scripts/check.sh $(PYTEST)

cluster-test: setup database  ## Searches on three hosts in namespaces, and what breaks there: as root, minutes
	$(PYTHON_IN_VENV) -m pytest tests/cluster

check: venv  ## Formatter, linter, type checker, and the tests that need no engine, server or cell
	@scripts/check.sh $(PYTHON_IN_VENV) -m pytest -n $(CHECK_PROCESSES) -m $(QUICK)

durations: setup browser  ## The tests of `make test` with the slowest 20 and the total per folder
	$(PYTEST) -m "not nightly" --durations=20 --durations-min=1

coverage: venv  ## What the tests of `make check` reach, as a table and in build/coverage
	$(PYTEST) -m $(QUICK) \
		--cov --cov-report=term:skip-covered --cov-report=html:build/coverage

bench: setup  ## Measure the engine against an oracle, the cell against in-process, and start-up
	$(PYTHON_IN_VENV) -m benchmarks

bench-search: venv  ## Measure searches without a model: strategies, racing, parents, where cost arises, lessons, prompts
	$(PYTHON_IN_VENV) -m benchmarks search racing parents excess lessons prompts

packages: setup  ## Build wheel and sdist; install each way and each extra in new environments, and use it
	$(PYTHON_IN_VENV) -m pytest -v tests/setup/test_packages.py tests/setup/test_wheel.py

hooks: venv  ## Run formatter, linter, types and architecture before each commit of this checkout
	.venv/bin/pre-commit install

lock: venv  ## Resolve the dependencies anew and rewrite the lock files
	@scripts/lock.sh --upgrade

clean:  ## Remove what set-up and tests made here, and the cell's images; results stay
	@scripts/clean.sh
