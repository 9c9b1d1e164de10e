# Set-up happens by itself: every target below first makes .venv from requirements.lock when that is newer.
PYTHON ?= python3
PROFILE ?= quick
VENV := .venv
BIN := $(VENV)/bin
# Compiled code is written down whatever the environment says: every worker would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup study report site test test-slow lint lab lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(VENV)/.ready  ## make the virtual environment with the locked versions

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "Python 3.11 to 3.14 is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.lock
	@# Compiled by several processes where pip takes one. What this Python cannot compile, nothing here imports.
	@$(BIN)/python -m compileall -qq -j 4 -x '/tests/' $(VENV)/lib || true
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

study: $(VENV)/.ready  ## run the quick study and render its reports (PROFILE=paper for another profile)
	$(BIN)/tsprune study $(PROFILE)

report: $(VENV)/.ready  ## render a profile's pages from rows that are there, computing nothing (PROFILE=paper_ili)
	$(BIN)/tsprune study $(PROFILE) --budget 0

site: $(VENV)/.ready  ## a folder to publish, outputs/site: pages at the papers' size, tables, what was run where
	$(BIN)/tsprune site paper_ili paper_etth1 paper_exchange paper_entsoe paper_gpu paper_exchange_gpu paper_ettm1 paper_ettm2 paper_etth2 paper_weather

# Two workers, a test file at a time in the order of their names, which has the longest first; one thread each.
test: $(VENV)/.ready  ## style, import contract and tests: minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.ready  ## the tests that take longer
	$(BIN)/pytest -m slow

# On copies, so that running a notebook changes nothing that git keeps. A copy that is there stays as it is.
lab: $(VENV)/.ready  ## open copies of the notebooks (outputs/lab) in JupyterLab
	@mkdir -p outputs/lab
	@for notebook in notebooks/*.ipynb; do copy=outputs/lab/$${notebook##*/}; \
	  if [ ! -e $$copy ]; then cp $$notebook $$copy; \
	  elif [ $$notebook -nt $$copy ]; then echo "$$copy is older than $$notebook; delete it to start from the new one"; fi; done
	$(BIN)/jupyter lab --notebook-dir=outputs/lab outputs/lab/01_pruning_sweep.ipynb

lock:  ## write requirements.lock anew from pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet '.[dev,deploy,cluster,entsoe]'
	{ echo "# Written by 'make lock' from pyproject.toml. torch brings its own CUDA packages where it needs them."; \
	  build/lock/bin/python -m pip freeze --exclude tsprune | sed 's/+cpu$$//' | grep -viE '^(nvidia-|cuda-|triton)'; } > requirements.lock

clean:  ## remove the virtual environment (outputs and data stay)
	rm -rf $(VENV) build
