# `make` lists what there is. Each target sets up what it needs in .venv first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PACKAGES := rime-core rime-app rime-envoy-api rime-grpc rime-ws rime-file-source rime-k8s-source
VENV := .venv
BIN := $(VENV)/bin
DIST := dist
COMPILED := .compiled
CORE := $(wildcard packages/rime-core/src/rime_core/*.py packages/rime-core/src/rime_core/*/*.py)
# Has rime-core's build compile it, for the Python that builds it and its platform.
COMPILING := HATCH_BUILD_HOOK_ENABLE_CUSTOM=1
READY := $(VENV)/.ready

# The first Python that is new enough and can make environments; `make PYTHON=/path/to/python3` names another.
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3
CAN := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in $(PYTHONS); do $$python -c "$(CAN)" 2>/dev/null && echo $$python && break; done)

# A dot for each line that is read: pip takes a minute, and says too much to be shown.
DOTS := (while read -r _; do printf .; done; echo)

.PHONY: help setup demo test test-compiled check bench soak bench-peers mutation mutation-rules dist dist-compiled clean

help:
	@echo "make demo         a real Envoy, served from a folder: edits, a broken file, a restart (10 s)"
	@echo "make demo KEEP=1  the same, and leave it running"
	@echo "make test         all tests; ARGS='tests/rime_core -k R28' picks some"
	@echo "make test-compiled  the tests that concern the core, with the compiled one (needs a C compiler)"
	@echo "make check        lint, formatting, types, and which package may import which"
	@echo "make mutation     every small change to the core, which its tests must find (hours: see CONTRIBUTING.md)"
	@echo "make mutation ARGS='delivery protocol/hold'  in some modules"
	@echo "make mutation-rules  only: for each rule of the protocol, a fault that its tests must find (3 min)"
	@echo "make bench        how fast the kernel and the gRPC server are, on this machine (5 min, nothing else running)"
	@echo "make soak         10,000 clients come and go, and what is left of them (1 min)"
	@echo "make bench-peers  the same beside go-control-plane and rime-xds, into docs/benchmarks/ (needs Go, cargo, Envoy, perf)"
	@echo "make dist         build the wheels into $(DIST)/"
	@echo "make dist-compiled  the same, and the compiled rime-core for this Python and platform (needs a C compiler)"
	@echo "make clean        remove $(VENV), $(DIST)/, $(COMPILED)/ and .mutation/"

setup: $(READY)
	@:

# The mark is made last: what failed halfway is done again.
$(READY): pyproject.toml $(wildcard packages/*/pyproject.toml packages/*/hatch_build.py)
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  echo "make: needs Python 3.11 or newer with its venv module (on Debian: apt install python3-venv);" \
	       "make PYTHON=/path/to/python3 names one" >&2; exit 1; \
	fi; \
	echo "setting up $(VENV) with $$($$python --version), once, about a minute"; \
	rm -f $@; \
	echo "1 of 3: an environment"; \
	$$python -m venv $(VENV); \
	printf "2 of 3: pip "; \
	$(BIN)/python -m pip install --upgrade "pip>=25.1" | $(DOTS); \
	printf "3 of 3: rime and the tools "; \
	$(BIN)/python -m pip install $(PACKAGES:%=--editable packages/%) --group dev | $(DOTS)
	@touch $@

demo: setup
	@$(BIN)/python examples/demo/demo.py $(if $(KEEP),--keep)

test: setup
	$(BIN)/python -m pytest $(ARGS)

# What is beside the core's own tests is what drives it hardest.
test-compiled: $(COMPILED)
	PYTHONPATH=$(COMPILED) $(BIN)/python -c "import rime_core; assert rime_core.COMPILED"
	PYTHONPATH=$(COMPILED) $(BIN)/python -m pytest $(or $(ARGS),tests/rime_core tests/conformance tests/fuzz tests/rime_grpc tests/rime_app tests/rime_ws \
	  tests/test_compiled.py)

# The compiled core, unpacked, for who has it before the sources on Python's path. Compiling takes a minute.
$(COMPILED): $(READY) packages/rime-core/pyproject.toml packages/rime-core/hatch_build.py $(CORE)
	@echo "compiling rime-core, about a minute and a half"
	@rm -rf $@ $@.wheel
	@$(COMPILING) $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $@.wheel packages/rime-core
	@$(BIN)/python -m zipfile -e $@.wheel/*.whl $@
	@rm -rf $@.wheel
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy packages/*/src tests examples benchmarks
	$(BIN)/lint-imports

# With modules named, those alone; without, the rules' faults first.
mutation: setup
	$(if $(ARGS),,$(BIN)/python -m tests.conformance.mutate)
	$(BIN)/python -m pip install --quiet --group mutation
	$(BIN)/python -m tests.mutation.run $(ARGS)

# What users are to have: the compiled core, where it can be compiled; a folder that is not there does no harm.
MEASURED := $(if $(shell command -v cc),$(COMPILED))

bench: setup $(MEASURED)
	PYTHONPATH=$(COMPILED) $(BIN)/python -m benchmarks $(ARGS)

soak: setup $(MEASURED)
	PYTHONPATH=$(COMPILED) $(BIN)/python -m benchmarks --only soak $(ARGS)

# The results that are in the repository, and what is made of them.
bench-peers: setup $(MEASURED)
	@mkdir -p docs/benchmarks
	$(BIN)/python -m pip install --quiet --group bench
	PYTHONPATH=$(COMPILED) $(BIN)/python -m benchmarks --peers --out docs/benchmarks/results.json $(ARGS)
	$(BIN)/python -m benchmarks.report

mutation-rules: setup
	$(BIN)/python -m tests.conformance.mutate $(ARGS)

dist: setup
	@rm -rf $(DIST)
	@for package in $(PACKAGES); do \
	  echo "building $$package"; \
	  $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(DIST) packages/$$package; \
	done
	@ls $(DIST)

# pip takes the compiled one where it fits, and the other everywhere else.
dist-compiled: dist
	@echo "compiling rime-core, about a minute and a half"
	@$(COMPILING) $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(DIST) packages/rime-core
	@ls $(DIST)

clean:
	rm -rf $(VENV) $(DIST) $(COMPILED) .mutation
