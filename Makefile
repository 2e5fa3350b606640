# `make run` and `make test` set up .venv by themselves, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests start many programs: each would compile the package anew where bytecode is not kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test flower lint types format docs notebooks wheel clean help

help:
	@echo "make run        set up and run the quickstart: federated fine-tuning over a fading cell, with figures"
	@echo "make test       set up and run the tests"
	@echo "make flower     set up .venv-flower and run the tests of Flower apps, whose library needs other versions"
	@echo "make lint       ruff, codespell and mypy"
	@echo "make docs       build the pages into docs/_build"
	@echo "make notebooks  execute the notebooks"
	@echo "make wheel      build the wheel into dist/"
	@echo "make clean      remove .venv, build products and caches (never runs/)"

$(READY): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"wfl_sim needs Python 3.11 to 3.13, found {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

run: $(READY)
	$(BIN)/wfl-sim run scenarios/quickstart.yaml

test: $(READY)
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

flower: .venv-flower/.ready
	.venv-flower/bin/python -m pytest tests/flower

.venv-flower/.ready: setup.cfg
	$(PYTHON) -m venv .venv-flower
	.venv-flower/bin/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	PYTHONWARNINGS=ignore .venv-flower/bin/pip install --quiet --disable-pip-version-check -e ".[flower]" "pytest>=9" "hypothesis>=6.120"
	@touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell wfl_sim channel_models docs scenarios benchmarks *.md
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build
	@echo "docs/_build/index.html"

$(VENV)/.docs: $(READY)
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

notebooks: $(READY)
	$(BIN)/python -m pytest tests/test_notebooks.py

wheel: $(READY)
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) .venv-flower build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
