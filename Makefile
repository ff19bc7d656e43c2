# The verbs of the project. `make demo` and `make test` do all the set-up by themselves.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Or every process would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install install-dev demo test test-bluez bench lint format association accuracy lock clean

install: .venv/installed
install-dev: .venv/installed-dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Trunkline needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/installed: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing Trunkline into .venv (once)"
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# The tests' lock holds all of the other. Python compiles what is used when it is used.
.venv/installed-dev: tests/requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing Trunkline and what its tests need into .venv (once)"
	$(PIP) --no-compile --require-hashes -r tests/requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch .venv/installed $@

demo: install
	@$(BIN)/trunkline up --demo

# What waits most of the time comes first, by more workers than there are cores of a small machine;
# then the rest, which computes. A crash of the interpreter ends in a failure, not in a worker that
# waits for its turn.
WAITING := tests/chaos tests/e2e tests/sensor_agent
WORKERS := --dist loadfile --max-worker-restart 0
test: install-dev
	@failed=0; \
	$(BIN)/python -m pytest $(WORKERS) -n 3 $(WAITING) || failed=1; \
	$(BIN)/python -m pytest $(WORKERS) -n auto --maxprocesses 4 $(WAITING:%=--ignore %) || failed=1; \
	exit $$failed

# The agent on a real kernel and bluetoothd in a virtual machine; a few minutes, Debian only.
test-bluez: install-dev
	@tests/bluez_vm/install
	$(BIN)/python -m pytest tests/bluez_vm/on_real_bluez.py -s

bench: install-dev
	$(BIN)/python -m tests.bench

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes the tables of docs/association.md.
association: install-dev
	$(BIN)/python -m tests.simulation.association --write

accuracy: install-dev
	$(BIN)/python -m tests.corpus.accuracy

# Needs uv. The locks carry hashes and no index address.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml
lock:
	$(LOCK) --group build --output-file requirements.lock
	$(LOCK) --group build --extra research --constraint requirements.lock --output-file requirements-research.lock
	$(LOCK) --group build --group dev --extra research --extra lsl --constraint requirements.lock --output-file tests/requirements.lock

clean:
	rm -rf .venv build dist
