# Every target makes .venv itself; all it needs is make and Python 3.11 or newer (PYTHON=python3.12 to choose one).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN_DIR ?= runs

.DEFAULT_GOAL := help
.PHONY: demo test test-slow lint format bench light clean help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit("error: python: found %d.%d, expected 3.11 or newer. Call make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/train: $(VENV)/created pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e ".[train]"
	touch $@

$(VENV)/dev: $(VENV)/train
	$(PIP) install -c constraints.txt -e ".[train,dev]"
	touch $@

demo: $(VENV)/train ## the main job on the embedded data set; reports below runs/
	$(BIN)/lab2factory demo --output $(RUN_DIR)

test: $(VENV)/dev ## every test that is not marked slow
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: $(VENV)/dev ## the simulations and the long runs
	$(BIN)/python -m pytest -q -m slow

lint: $(VENV)/dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev ## every benchmark: each prints a ratio against a named peer
	@for script in $(filter-out benchmarks/coverage.py,$(wildcard benchmarks/*.py)); do \
	  echo "== $$script"; $(BIN)/python $$script || exit 1; done
	@echo "== benchmarks/coverage.py --quick"; $(BIN)/python benchmarks/coverage.py --quick

light: ## the core without extras, in an environment of its own: no torch anywhere
	rm -rf $(VENV)-light
	$(PYTHON) -m venv $(VENV)-light
	$(VENV)-light/bin/python -m pip --disable-pip-version-check --quiet install .
	$(VENV)-light/bin/python tests/light_core.py

clean: ## remove what was made, but not your runs
	rm -rf $(VENV) $(VENV)-light .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
