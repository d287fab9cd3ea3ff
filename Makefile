# The commands of the README. `make study` needs Python 3.11 or newer and nothing else; all else is installed into .venv.
PYTHON ?= python3
SANDBOX ?= auto
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -n auto --maxprocesses 4
SHELL := /bin/bash
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

# A stamp file says that an installation is complete and as new as what it was made from.
$(VENV)/study.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make a virtual environment. Debian and Ubuntu: sudo apt install python3-venv"; exit 2; }
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/study.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

study: $(VENV)/study.stamp  ## JupyterLab on the curriculum, with your own copies of the exercises
	@$(BIN)/attn study

grade: $(VENV)/study.stamp  ## the teacher's demonstration: release, grade a sample class, feedback, grades.csv
	@$(BIN)/attn grade 06_scaling --demo --sandbox $(SANDBOX)

lint: $(VENV)/dev.stamp  ## style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@for topic in autograder/tasks/[0-9]*/; do $(BIN)/mypy $$topic || exit 1; done  # a slug is no package name for mypy

test: $(VENV)/dev.stamp  ## everything that CI runs
	@start=$$SECONDS; $(MAKE) --no-print-directory lint && $(BIN)/attn doctor && \
	$(PYTEST) --dist loadfile -p no:cacheprovider --nbval --nbval-current-env notebooks solutions && $(PYTEST) --dist loadgroup; \
	status=$$?; echo "make test: $$((SECONDS - start)) s"; exit $$status

build: $(VENV)/dev.stamp  ## notebooks, exercises and tables from their text
	$(BIN)/attn build
	$(BIN)/attn release

bench: $(VENV)/dev.stamp  ## measure, and write benchmarks/results/
	$(BIN)/python benchmarks/check_latency.py
	$(BIN)/python benchmarks/grading.py

gpu: $(VENV)/dev.stamp  ## on a machine with an NVIDIA GPU: check every flash kernel, and measure it against torch's
	$(BIN)/python -m benchmarks.gpu

fuzz: $(VENV)/dev.stamp  ## grade ten thousand mutated notebooks; make test grades a thousand
	$(BIN)/python -m tests.fuzz 10000

.PHONY: help study grade lint test build bench gpu fuzz
