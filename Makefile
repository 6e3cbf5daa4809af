# `make` lists the verbs. Everything is installed into .venv from the pinned, hash-checked
# lists in requirements/; a stamp in .venv makes the second run instant.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

export NO_MKDOCS_2_WARNING = 1

PYTHON ?= python3
ARGS ?=
TESTERS ?= 3 # processes that run tests: more than two cores, since many wait for others
BIN := .venv/bin
PIP := $(BIN)/python -m pip
INSTALL = $(PIP) install -qq --disable-pip-version-check --only-binary :all:
BENCH_DIRS = $(or $(DIR),$(if $(EARMARK_EVAL_DIR),$(wildcard $(EARMARK_EVAL_DIR)/diarization/*),\
	$(error Say what to measure: make bench DIR=folder-of-recordings-and-rttm)))
LOCK := build/lock/bin/uv pip compile --quiet --universal --fork-strategy fewest \
	--python-version 3.11 --only-binary :all: --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate
# For what the client of DeepAffects pins, and what has no wheels for the Pythons of today.
DEEPAFFECTS := grpcio\nprotobuf\npytube==9.2.3\n

.PHONY: help setup demo serve models test test-slow lint format bench docs grpc lock clean distclean

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: .venv/.dev .venv/.deepaffects .venv/.phonexia ## make .venv with everything pinned
	@echo "Ready: .venv/bin/earmark"

demo: .venv/.runtime ## who spoke when in a sample recording, beside the reference
	@$(BIN)/earmark demo $(ARGS)

serve: .venv/.runtime ## the server: HTTP on port 8000, gRPC on 50051 (ARGS="--port 9000")
	@$(BIN)/earmark serve $(ARGS)

models: .venv/.runtime ## fetch and build every model, also those that only tests use
	@$(BIN)/earmark models pull \
	  $$($(BIN)/python -c 'from earmark.models import catalogue; print(*catalogue().models)')

test: .venv/.dev .venv/.deepaffects .venv/.phonexia ## the whole fast suite (ARGS="-k rttm" to choose)
	@$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile $(ARGS)

test-slow: .venv/.dev ## the slow tier: 24 h of file and of live sound, a soak, memory curve
	@$(BIN)/python -m pytest -m slow $(ARGS)

lint: .venv/.dev ## style, types, import directions, docs
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mkdocs build --strict --quiet

format: .venv/.dev ## put the code into shape
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

bench: .venv/.dev ## accuracy, speed, memory on DIR=… or all of EARMARK_EVAL_DIR
	@for dir in $(BENCH_DIRS); do $(BIN)/earmark bench diarization "$$dir" $(ARGS); done

docs: .venv/.dev ## regenerate the reference pages, build the site into site/
	@$(BIN)/python scripts/reference_docs.py
	@$(BIN)/mkdocs build --strict --quiet

grpc: .venv/.dev ## regenerate the messages of our gRPC services from proto/
	@$(BIN)/python scripts/generate_grpc.py

lock: ## renew requirements/ from pyproject.toml (ARGS=--upgrade for new versions)
	@$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install -qq uv
	@$(LOCK) $(ARGS) pyproject.toml --group dev -o requirements/dev.txt
	@$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	@$(LOCK) --group build -c requirements/dev.txt -o requirements/build.txt
	@$(LOCK) --group deepaffects -c requirements/dev.txt --overrides <(printf '$(DEEPAFFECTS)') \
	  -o requirements/deepaffects.txt
	@$(subst --only-binary :all:,,$(LOCK)) --group phonexia -o requirements/phonexia.txt

clean: ## remove what was built and all caches
	@rm -rf build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv
	@rm -rf .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Earmark needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1)." \
	       "Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.runtime: requirements/build.txt requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "Installing the pinned packages into .venv (144 MB to download, once) ..."
	@$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.runtime
	@echo "Installing the pinned development tools into .venv (119 MB more, once) ..."
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.deepaffects: PIP += --python .venv/deepaffects
.venv/.deepaffects: requirements/deepaffects.txt | $(BIN)/python
	@echo "Installing DeepAffects' client into .venv/deepaffects, for the tests (15 MB, once) ..."
	@$(BIN)/python -m venv --without-pip .venv/deepaffects
	@$(INSTALL) --no-deps --require-hashes -r $<
	@touch $@

# py-ubjson has no wheel: it is made there, of Python alone, once what makes it is installed.
.venv/.phonexia: PIP += --python .venv/phonexia
.venv/.phonexia: requirements/phonexia.txt | $(BIN)/python
	@echo "Installing Phonexia's clients into .venv/phonexia, for the tests (34 MB, once) ..."
	@$(BIN)/python -m venv --without-pip .venv/phonexia
	@sed '/^py-ubjson==/,/[^\\]$$/d' $< >.venv/phonexia/wheels.txt
	@$(INSTALL) --no-deps --require-hashes -r .venv/phonexia/wheels.txt
	@PYUBJSON_NO_EXTENSION=1 $(INSTALL) --no-binary py-ubjson --no-build-isolation \
	  --no-deps --require-hashes -r $<
	@touch $@
