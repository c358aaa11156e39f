# Portside's commands. `make help` lists them; no step asks a question.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev assets run test check format bench clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.run assets ## Create the environment and fetch the front end's libraries

setup-dev: $(VENV)/.dev assets ## The same with the tools for tests and checks

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Portside needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python's venv module is not complete: on Debian, apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements.lock | $(VENV)/bin/python
	@echo "Installing Portside's Python packages from requirements.lock …"
	@$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/bin/python
	@echo "Installing packages for tests from requirements-dev.lock …"
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.run

assets: static/vendor/.stamp

static/vendor/.stamp: package.json package-lock.json static/build.py | $(VENV)/bin/python
	@$(BIN)/python static/build.py
	@touch $@

run: setup ## Run everything on this host in the foreground; Ctrl-C leaves containers running
	@exec $(BIN)/python manage.py up

test: setup-dev ## All tests, with what they need set up by itself
	@$(BIN)/python -m tests.support.prepare
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest

check: setup-dev ## Format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup-dev ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup-dev ## Side-by-side benchmarks with docker and podman (prints ratios)
	@$(BIN)/python -m tests.support.prepare --peers
	@$(BIN)/python -m bench

clean: ## Remove what set-up made (never a home)
	rm -rf $(VENV) static/vendor node_modules
