# The two commands of the project, and those that its developers run all day.
# Everything is installed into .venv; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One more than there are processors: tests that start a cloud wait for a third of their time.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: demo test test-fast lint types imports reference format install clean

demo: $(VENV)/.installed ## Run the timestamp application on the local cloud and use it.
	@$(BIN)/python examples/demo.py

test: $(VENV)/.dev-installed ## Run all tests.
	$(BIN)/pytest -n $(WORKERS)

test-fast: $(VENV)/.dev-installed ## Run the tests that start no server: under a minute.
	$(BIN)/pytest -n $(WORKERS) -m "not slow"

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev-installed
	$(BIN)/mypy

imports: $(VENV)/.dev-installed ## Hold the layers: see docs/architecture.md.
	$(BIN)/lint-imports

reference: $(VENV)/.dev-installed ## Write the generated pages of docs/reference anew.
	$(BIN)/python docs/generate.py

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

install: $(VENV)/.dev-installed

$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Fairway needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable .
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable . --group dev
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) examples/*/.fairway bench/.peers
