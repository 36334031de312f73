# make demo: set up and run the main job on a real project; make test: set up and pass the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS ?=

.PHONY: demo test test-versions install check generated bench clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	$(BIN)/python -m compileall -q src
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python examples/quickstart/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 $(TESTS)

# Servers of MLflow 2.0, 2.5, 2.22, 3.0 and the newest, each in an environment of its own (3 GB, made once).
test-versions: $(STAMP)
	$(BIN)/python -m pytest -m "versions or not versions" tests/sources/mlflow/test_versions.py

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The files that are made from declarations; a test holds them to these.
generated: $(STAMP)
	$(BIN)/python docs/generate.py $(wildcard demo)

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo bench-data
