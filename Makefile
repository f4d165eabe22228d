# Each target sets up the environment that it needs. PYTHON chooses the interpreter, VENV where the environment lies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

FAULT ?=
WORK ?=

.PHONY: run test test-all conformance faults golden golden-store lint types layers docs bench bench-growth bench-peers clean

run: $(VENV)/.examples  ## Run the example pipeline to its promotion
	$(BIN)/flowkit run pipelines/breast_cancer.py

test: $(VENV)/.dev  ## Run the everyday tests
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m "not slow"

test-all: $(VENV)/.dev  ## Run every test
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

conformance: $(VENV)/.dev  ## Try the cache's promises on generated programs in full; the gate tries a twentieth
	FLOWKIT_CONFORMANCE=1 $(BIN)/pytest -n $(JOBS) -m slow tests/conformance

faults: $(VENV)/.dev  ## Run the fault campaigns in full and print their counts; FAULT=corruption runs tests/faults/test_corruption.py
	FLOWKIT_FAULTS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile $(if $(FAULT),tests/faults/test_$(FAULT).py,tests/faults)

golden: $(VENV)/.dev  ## Write the texts of the error tests anew, to be read in the diff
	FLOWKIT_GOLDEN=write $(BIN)/pytest tests/errors

golden-store: $(VENV)/.dev  ## Pack a store of the schema there is now, once it is released; see tests/golden/stores
	$(BIN)/python tests/golden/stores/make.py

lint: $(VENV)/.dev  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types
	$(BIN)/mypy

layers: $(VENV)/.dev  ## Check that modules import only from the layers below them
	$(BIN)/lint-imports

docs: $(VENV)/.dev  ## Build the documents, into build/docs; a warning is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs build/docs

bench: $(VENV)/.dev  ## Measure every work beside its floor; WORK="fan-200 table" measures some
	$(BIN)/python -m benchmarks $(WORK)

bench-growth: $(VENV)/.dev  ## Measure how cost grows, and draw it into docs/growth
	$(BIN)/python -m benchmarks.growth

bench-peers: $(VENV)/.dev  ## Measure beside other frameworks, each in an environment of its own below .peers/
	$(BIN)/python -m benchmarks.peers

clean:  ## Remove the environment and everything built
	rm -rf $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.examples: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[examples]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@ $(VENV)/.examples
