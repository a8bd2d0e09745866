# Everything works with Python 3.11 or later, pip and make. `make PYTHON=python3.13 VENV=.venv-3.13 test` for another Python.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
IMAGE ?= mock-atoms
PARALLEL ?= --numprocesses=auto --dist=worksteal
# `make SEED=7 test` shuffles the tests in another order than pyproject.toml says. pytest prints the seed.
SHUFFLE = $(if $(SEED),--randomly-seed=$(SEED))
# `make TESTS=tests/faults test` for some of them.
TESTS ?=
# Tests of control API, journal, faults, lifecycle and SDK.
FUNCTIONAL = $(addprefix tests/,api control faults journal middleware testing wiremock) \
	tests/state/test_audience_lifecycle.py tests/state/test_audience_concurrency.py

.PHONY: serve test test-browser test-fast test-replicas check lint types coverage check-language check-commits format bench bench-peers dist image test-clients test-container clean

serve: $(VENV)/.installed ## serve on http://127.0.0.1:28667/atoms/v1 with the example fixtures
	$(BIN)/mock-atoms serve --fixtures fixtures

test: $(VENV)/.installed-test ## run the tests
	$(BIN)/python -m pytest $(PARALLEL) $(SHUFFLE) $(TESTS)

test-fast: $(VENV)/.installed-test ## run the tests without the slow ones
	$(BIN)/python -m pytest $(PARALLEL) $(SHUFFLE) -m "not slow" $(TESTS)

check: lint types coverage ## all checks; `make --jobs=2 check` checks types in parallel with the tests

lint: $(VENV)/.installed-dev ## check code, format, language and commit subjects
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/check_language.py
	$(BIN)/python .ci/check_commits.py

types: $(VENV)/.installed-dev ## check types
	$(BIN)/mypy

coverage: $(VENV)/.installed-dev ## run all tests; measure branch coverage without the slow ones
	$(BIN)/python -m pytest $(PARALLEL) $(SHUFFLE) -m "not slow" --cov --cov-report=term --durations=25 --durations-min=5
	$(BIN)/python -m pytest $(PARALLEL) $(SHUFFLE) -m slow

check-language: ## report phrases and names that .ci/language.toml refuses, and long sentences
	$(PYTHON) .ci/check_language.py

check-commits: ## report commits since the last tag whose subject is not `area: imperative summary`
	$(PYTHON) .ci/check_commits.py

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed ## measure the cost of serving, also of other mocks if bench-peers has installed them; needs wrk
	$(BIN)/python -m benchmarks.serving

bench-peers: $(VENV)/.installed-bench ## measure this and other mocks, and write benchmarks/RESULTS.md; needs wrk, Java and npm
	npm ci --prefix benchmarks/npm --no-audit --no-fund --silent
	$(BIN)/python -m benchmarks.serving --output benchmarks

dist: $(VENV)/.installed-dev ## build wheel and sdist
	rm -rf dist
	$(BIN)/python -m build

image: ## build the container image
	docker build -t $(IMAGE) .

test-replicas: $(VENV)/.installed-test ## run the fast functional tests with two replicas in place of each server; needs redis-server
	$(BIN)/python -m pytest $(PARALLEL) $(SHUFFLE) -m "not slow" --replicas $(FUNCTIONAL)

test-clients: $(VENV)/.installed-test ## run clients in seven languages against one server; needs their runtimes and npm
	npm install --prefix tests/clients --no-package-lock --no-audit --no-fund --silent
	$(BIN)/python -m pytest tests/clients

test-browser: $(VENV)/.installed-test ## check the dashboard's code and use it in Chromium; needs chromium, Node.js and npm
	npm ci --prefix tests/browser --no-audit --no-fund --silent
	$(BIN)/python -m pytest tests/browser

test-container: $(VENV)/.installed-test ## build and run image and compose file; needs a Docker engine
	$(BIN)/python -m pytest tests/container

clean:
	rm -rf .venv* dist build .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
