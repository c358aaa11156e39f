# Portside's commands. `make help` lists them; no step asks a question.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
MACHINE_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1
# pip's own answer to a registry that is busy or slow.
PIP_INSTALL := -m pip install -qq --retries 10 --require-hashes

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-dev assets run test test-v2 check format bench bench-runtime lock clean

help: ## List the commands
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.run assets ## Create the environment and fetch the front end's libraries

setup-dev: $(VENV)/.dev assets ## The same with the tools for tests and checks

# A `python -m venv` that stops half-way leaves a directory behind, so this stamp comes last; done again, it completes.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Portside needs Python 3.11 or newer, and there is no $(PYTHON) here: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Portside needs Python 3.11 or newer, this is `$(PYTHON) --version`: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "`id -u`" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Debian's python3-venv, which Python's venv module needs …"; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    { apt-get -q update && apt-get -q install -y --no-install-recommends python3-venv; } >/dev/null; \
	  fi; }
	@$(PYTHON) -m venv $(VENV) >/dev/null && touch $@ || { \
	  echo "$(PYTHON) can't create environments: on Debian, apt-get install python3-venv; then run this again"; exit 1; }

$(VENV)/.run: requirements.lock | $(VENV)/.made
	@echo "Installing Portside's Python packages from requirements.lock …"
	@$(BIN)/python $(PIP_INSTALL) -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/.made
	@echo "Installing packages for tests from requirements-dev.lock …"
	@$(BIN)/python $(PIP_INSTALL) -r requirements-dev.lock
	@touch $@ $(VENV)/.run

assets: static/vendor/.stamp

static/vendor/.stamp: package.json package-lock.json static/build.py | $(VENV)/.made
	@$(BIN)/python static/build.py
	@touch $@

run: setup ## Run everything on this host in the foreground; Ctrl-C leaves containers running
	@exec $(BIN)/python manage.py up

test: setup-dev ## All tests, with what they need set up by itself; PYTEST_ARGS picks some
	@$(BIN)/python -m tests.support.prepare
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m $(if $(PYTEST_ARGS),pytest $(PYTEST_ARGS),tests)

test-v2: setup-dev ## The engine's tests on other kernels with version 2 control groups, in virtual machines (slow)
	@$(BIN)/python -m tests.machines $(MACHINE_ARGS)

check: setup-dev ## Format, lint, types, import rules
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }

format: setup-dev ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup-dev ## Side-by-side benchmarks with docker and podman (prints ratios)
	@$(BIN)/python -m tests.support.prepare --peers
	@$(BIN)/python -m bench

bench-runtime: setup-dev ## The same for the runtime alone, with crun and runc
	@$(BIN)/python -m tests.support.prepare --peers
	@$(BIN)/python -m bench.runtime
	@$(BIN)/python -m bench.engine_starts

# --universal: Debian's Python 3.11.2 needs a package that 3.11.3 has built in, and every version has its own.
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes pyproject.toml

lock: setup-dev ## Write the lock files anew from pyproject.toml
	@$(BIN)/$(LOCK) -o requirements.lock
	@$(BIN)/$(LOCK) --group dev -o requirements-dev.lock

clean: ## Remove what set-up made (never a home)
	rm -rf $(VENV) static/vendor node_modules
