# `make` lists the targets. Each does its own set-up first, once.

VENV ?= .venv
# The documents' site is built in an environment of its own, without TensorFlow.
DOCS_VENV ?= .venv-docs
# So are packages.
DIST_VENV ?= .venv-dist
# An interpreter to use in place of the one found; Python 3.9 to 3.13.
PYTHON ?=
# Tests run side by side in this many processes.
JOBS ?= 2
# Options for pytest, such as TESTS="-m compat" or TESTS=tests/video.
TESTS ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS_READY := $(DOCS_VENV)/.ready
DIST_READY := $(DIST_VENV)/.ready

# The file holds the interpreter that the environment was made with; naming another one makes
# it anew.
ifneq ($(PYTHON),)
ifneq ($(shell cat $(READY) 2>/dev/null),$(PYTHON))
.PHONY: $(READY)
endif
ifneq ($(shell cat $(DOCS_READY) 2>/dev/null),$(PYTHON))
.PHONY: $(DOCS_READY)
endif
ifneq ($(shell cat $(DIST_READY) 2>/dev/null),$(PYTHON))
.PHONY: $(DIST_READY)
endif
endif

.PHONY: help env demo test coverage lint docs dist benchmark weights pins clean

help:
	@echo "make demo       segment a synthetic clip; results in outputs/demo"
	@echo "make test       the test suite"
	@echo "make coverage   the same, and which lines of feelvos_tf it runs; slower"
	@echo "make lint       format and lints by ruff, types by mypy"
	@echo "make docs       the documents as a site, in site/"
	@echo "make dist       sdist and wheel in dist/, the wheel tried in an empty environment"
	@echo "make benchmark  time and memory a frame on this machine"
	@echo "make weights    train the weights that ship, hours; experiments/small/LOG.md tells the data"
	@echo "make env        only the environment: $(VENV) with the pinned packages"
	@echo "make pins       write requirements/*.txt anew from requirements/*.in (needs uv)"
	@echo "make clean      remove environments, builds and caches; outputs/ stays"
	@echo "Options: PYTHON=/path/to/python VENV=folder JOBS=2 TESTS=\"options of pytest\""

env: $(READY)

$(READY): requirements/classic.txt requirements/modern.txt requirements/make_env.sh setup.py pyproject.toml
	@requirements/make_env.sh "$(VENV)" "$(PYTHON)"

demo: $(READY)
	$(BIN)/python -m feelvos_tf.cli.segment --demo --output=outputs/demo

coverage: COVERAGE = --cov --cov-report=term
coverage: test

test: $(READY)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist=loadfile --no-loadscope-reorder $(COVERAGE) $(TESTS) || \
		{ code=$$?; [ $$code != 5 ] || echo "error: no test matches $(TESTS)" >&2; exit $$code; }

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# --strict: a link that leads nowhere, or a name that is in no file, ends it.
docs: $(DOCS_READY)
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --strict
	@echo "wrote site/index.html"

$(DOCS_READY): requirements/docs.txt requirements/make_env.sh
	@requirements/make_env.sh "$(DOCS_VENV)" "$(PYTHON)" docs

dist: $(DIST_READY)
	@requirements/make_dist.sh "$(DIST_VENV)"

$(DIST_READY): requirements/dist.txt requirements/make_env.sh
	@requirements/make_env.sh "$(DIST_VENV)" "$(PYTHON)" dist

benchmark: $(READY)
	$(BIN)/python -m feelvos_tf.cli.benchmark

# The parts go on where they were stopped, and end at once where they are done.
weights: $(READY)
	$(BIN)/python -m feelvos_tf.cli.train --experiment=small --mode=train --model_dir=runs/small
	$(BIN)/python -m feelvos_tf.cli.train --experiment=small_clips --mode=train \
		--model_dir=runs/small_clips
	$(BIN)/python -m feelvos_tf.cli.train --experiment=small_hard --mode=train \
		--model_dir=runs/small_hard
	$(BIN)/python -m feelvos_tf.cli.train --experiment=small_whole --mode=train \
		--model_dir=runs/small_whole

pins:
	requirements/make_pins.sh

clean:
	rm -rf .venv .venv-modern .venv-docs .venv-dist site build dist *.egg-info .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	find feelvos_tf tests -name __pycache__ -type d -prune -exec rm -rf {} +
