# make demo: a real Envoy served from a folder; make test: all tests. Both set up what they need in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := rime-core rime-app rime-envoy-api rime-grpc rime-file-source
READY := $(VENV)/.ready

.PHONY: setup demo test check dist clean

setup: $(READY)

$(READY): pyproject.toml $(wildcard packages/*/pyproject.toml)
	@echo "setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet $(foreach p,$(PACKAGES),--editable packages/$(p)) --group dev
	@touch $@

test: setup
	$(BIN)/python -m pytest $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy packages/*/src tests examples
	$(BIN)/lint-imports

dist: setup
	@rm -rf dist && mkdir dist
	@for p in $(PACKAGES); do $(BIN)/python -m build --quiet --wheel --outdir dist packages/$$p && echo "built $$p" || exit 1; done
	@ls dist

clean:
	rm -rf $(VENV) dist
