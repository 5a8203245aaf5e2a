# `make demo` and `make test` set up all they need in .venv; repeated, they cost nothing extra.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo demo-quick test test-all check docs mutation setup

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/orapo demo --out demo

demo-quick: $(READY)
	$(BIN)/orapo demo --quick --out demo-quick

# Two processes; a file's tests stay in one of them. Every public promise at least once.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

# All of them: kills, faults, browsers, long trainings too.
test-all: test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/mkdocs build --strict

# Changes the loss, the reward and the evaluation in small ways; the tests should notice. About ten minutes.
mutation: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt mutmut
	$(BIN)/python benchmarks/mutation.py
