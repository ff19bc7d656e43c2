# The verbs of the project. `make demo` and `make test` do all the set-up by themselves.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: install install-dev demo test test-bluez bench lint format association accuracy lock clean

install: .venv/installed
install-dev: .venv/installed-dev

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Trunkline needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Trunkline into .venv (once)"
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: .venv/installed tests/requirements.lock
	$(PIP) --require-hashes -r tests/requirements.lock
	@touch $@

demo: install
	@$(BIN)/trunkline up --demo

# What runs in real time has the machine for itself (the agent's own tests wait for most of theirs),
# then the rest is shared among the cores.
REAL_TIME := tests/chaos tests/e2e tests/sensor_agent
# A crash of the interpreter ends in a failure, not in a worker that waits for its turn.
SHARED := --dist loadfile --max-worker-restart 0
test: install-dev
	@failed=0; \
	$(BIN)/python -m pytest tests/chaos tests/e2e || failed=1; \
	$(BIN)/python -m pytest $(SHARED) -n 2 tests/sensor_agent || failed=1; \
	$(BIN)/python -m pytest $(SHARED) -n auto --maxprocesses 4 $(REAL_TIME:%=--ignore %) || failed=1; \
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
