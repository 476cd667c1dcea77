# Every target sets itself up: Python >= 3.11 and make are all that is assumed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
EXTRA ?= cpu
VENV := .venv
BIN := $(VENV)/bin
BENCH_SLIDES := benchmarks/.slides
SERVE_STAMP := $(VENV)/.stamp-serve-$(EXTRA)
DEV_STAMP := $(VENV)/.stamp-dev
PYTEST := $(BIN)/python -m pytest
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
export ORT_DISABLE_TELEMETRY := 1

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: install one, or name it with PYTHON=/path/to/python3"; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

# The wheels of the two extras overwrite each other, so that the one not asked for is taken out first.
$(SERVE_STAMP): requirements/$(EXTRA).txt pyproject.toml | $(VENV)/bin/python
	@if ls $(VENV)/.stamp-* >/dev/null 2>&1; then $(PIP) uninstall -y onnxruntime onnxruntime-gpu 2>/dev/null; rm -f $(VENV)/.stamp-*; fi
	@echo "installing requirements/$(EXTRA).txt"
	@$(PIP) install --require-hashes -r requirements/$(EXTRA).txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(SERVE_STAMP)
	@echo "installing requirements/dev.txt"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(DEV_STAMP)  ## the entire development environment

serve: $(SERVE_STAMP)  ## API, worker and queue on this machine (EXTRA=gpu for CUDA)
	@exec $(BIN)/xmag serve

doctor: $(SERVE_STAMP)  ## what is wrong with this set-up
	@$(BIN)/xmag doctor

format: $(DEV_STAMP)  ## rewrite the sources in the project's format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(DEV_STAMP)  ## ruff; the prose; Dockerfiles, compose files, Kubernetes manifests
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/python docs/words.py
	@docker/lint.sh $(BIN)

types: $(DEV_STAMP)  ## mypy, strict on app/
	@$(BIN)/mypy

train-types: $(DEV_STAMP)  ## mypy, strict on training/, in its own environment
	@$(MAKE) --no-print-directory train-setup
	@$(BIN)/mypy --config-file training/pyproject.toml --python-executable training/.venv/bin/python

unit: $(DEV_STAMP)  ## the service's tests alone (ARGS= for pytest)
	@$(PYTEST) $(ARGS)

train-setup:  ## the environment of training/
	@$(MAKE) --no-print-directory -C training setup

train-test:  ## the tests of training/, in its own environment (wants a CPU build of torch)
	@$(MAKE) --no-print-directory -C training test

# The service's tests mostly wait for processes: what training needs is done beside them, and gives way to them.
test: lint types  ## lint, types and all tests
	@$(MAKE) --no-print-directory -j2 unit train-beside

train-beside:
	@nice -n 19 $(MAKE) --no-print-directory train-types
	@nice -n 19 $(MAKE) --no-print-directory train-test

bench: $(SERVE_STAMP)  ## speed against the usual way, where time goes, scale; ten minutes; writes benchmarks/RESULTS.md (SLIDES= 40x slides)
	@$(BIN)/python benchmarks/bench.py $(SLIDES)

first-gpu: $(SERVE_STAMP)  ## what to measure on the first GPU, with bars; ten minutes, no network (EXTRA=gpu; ARGS='--device cpu' rehearses it)
	@$(BIN)/python benchmarks/first_gpu.py $(ARGS)

bench-reading: $(SERVE_STAMP)  ## reading alone, against OpenSlide (SLIDES=slides or folders of them)
	@test -n "$(SLIDES)" || { echo "name slides: make bench-reading SLIDES=/path/to/slides"; exit 1; }
	@$(BIN)/python benchmarks/reading.py $(SLIDES)

bench-peers: $(SERVE_STAMP)  ## the same student through other tools, in environments of their own (7 GB, 11 minutes; SLIDES= 40x slides)
	@benchmarks/peers/install.sh
	@$(BIN)/python benchmarks/make_slides.py $(SLIDES)
	@$(BIN)/python benchmarks/peers/compare.py $(BENCH_SLIDES)/sheet_40x_844.svs $(BENCH_SLIDES)/start_40x_3.svs

bench-runtimes: $(SERVE_STAMP)  ## the student under onnxruntime and OpenVINO (SLIDES= 40x slides)
	@benchmarks/peers/install.sh openvino
	@$(BIN)/python benchmarks/make_slides.py $(SLIDES)
	@$(BIN)/python benchmarks/runtimes.py $(BENCH_SLIDES)/sheet_40x_844.svs

bench-objects: $(DEV_STAMP)  ## a slide in an object store: whole, in parts, by ranges (SLIDE=slide)
	@test -n "$(SLIDE)" || { echo "name a slide: make bench-objects SLIDE=/path/to/slide"; exit 1; }
	@$(BIN)/python benchmarks/object_store.py $(SLIDE) --rounds 9

bench-view: $(DEV_STAMP)  ## how long until a slide is seen in the viewer (SLIDES=slides; uses Chromium where there is one)
	@test -n "$(SLIDES)" || { echo "name slides: make bench-view SLIDES=/path/to/slides"; exit 1; }
	@$(BIN)/python benchmarks/first_tile.py $(SLIDES)

images:  ## build the container images, labelled with the commit
	@docker/build.sh

fuzz: $(DEV_STAMP)  ## thousands of damaged slides and requests against the service (ARGS="--slides 200")
	@$(BIN)/python -m tests.fuzz $(ARGS)

chaos: $(DEV_STAMP)  ## workers, API, queue, disk and clock broken under load; ten minutes at most (ARGS="--jobs 20")
	@$(BIN)/python -m tests.chaos $(ARGS)

load: $(DEV_STAMP)  ## 200 uploads at a time beside 500 pollers: how long a poll takes, and what memory does
	@$(BIN)/python -m tests.load $(ARGS)

soak: $(DEV_STAMP)  ## hundreds of small slides: nothing may grow (ARGS="--slides 40")
	@$(BIN)/python -m tests.load.soak $(ARGS)

audit: | $(VENV)/bin/python  ## known weaknesses of the pinned dependencies (asks the registry)
	@$(PIP) install pip-audit==2.10.1
	@for name in cpu gpu dev; do $(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r requirements/$$name.txt || exit 1; done

test-compose: $(DEV_STAMP)  ## the containers, killed and restored (wants Docker; builds images, takes minutes)
	@XMAG_TEST_COMPOSE=1 $(PYTEST) -rs -s tests/compose $(ARGS)

test-web: $(DEV_STAMP)  ## the pages in the system's Chromium, which reaches loopback alone
	@XMAG_TEST_WEB=1 $(PYTEST) -rs tests/web $(ARGS)

train-atlas:  ## distil, evaluate and export the shipped model (ATLAS=folder; hours; goes on where it stopped)
	@$(MAKE) --no-print-directory train-setup
	@ATLAS="$(ATLAS)" training/atlas.sh

tables: $(SERVE_STAMP)  ## write the tables of docs/ that say what the code says
	@$(BIN)/python docs/tables.py

lock: | $(VENV)/bin/python  ## renew requirements/*.txt from pyproject.toml
	@$(PIP) install uv==0.13.9
	@for name in cpu gpu dev; do \
	  $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	    --group build $$([ $$name = dev ] && echo --extra cpu --group dev || echo --extra $$name) pyproject.toml -o requirements/$$name.txt; done
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
	  --group build --constraint requirements/cpu.txt pyproject.toml -o requirements/api.txt

clean:  ## remove the environment and caches (never data)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info

.PHONY: first-gpu help setup serve doctor format lint types train-types unit test bench bench-reading bench-peers bench-runtimes bench-objects bench-view fuzz chaos load soak audit images test-compose test-web train-setup train-test train-beside train-atlas tables lock clean
