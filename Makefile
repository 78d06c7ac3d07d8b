# make demo   a fire in a small commune: real firmware, broker, engine and console (ONCE=1 ends after the fire)
# make test   every test of under a minute that this machine can run; says what it left out and why
# make soak   the long proofs: chaos, cuts at every place, crowds
# make check  format, lint, types
# make pictures  the pictures of every page in docs/pictures, made anew
# make bench  the figures of the promises, as a table and in build/bench.json (QUICK=1: under five minutes; LONG=1: with
#             100,000 presses of chaos; SEED=N repeats a chaos; ARGS="--only storm_500_s" for some)
#
# Each target sets itself up. Only make and Python 3.11, 3.12 or 3.13 must be there.

# The first that runs and that we support; `make PYTHON=...` names another.
RIGHT := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(RIGHT)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
COMPILE := uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-package keng

# What has been compiled is kept for the next start: of Python, of which a test run starts hundreds, and of the board's program.
export PYTHONDONTWRITEBYTECODE :=
export KENG_BUNDLES ?= $(CURDIR)/build/bundles

.PHONY: demo test soak check pictures bench setup lock clean

demo: build/.venv-sim
	@$(BIN)/python -m simulator.demo $(if $(ONCE),--once)

test: build/.venv-dev
	@tools/system-packages
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not long" $(ARGS)
	@echo "Left out: the long proofs. To run them too: make soak"

soak: build/.venv-dev
	@tools/system-packages
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m long --timeout 1200 $(ARGS)

check: build/.venv-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

pictures: build/.venv-dev
	@tools/system-packages
	@rm -f docs/pictures/*.png
	@KENG_PICTURES=$(CURDIR)/docs/pictures $(BIN)/python -m pytest tests/console/test_pictures.py -m long -q

bench: build/.venv-dev
	@tools/system-packages
	@$(BIN)/python -m simulator.bench $(if $(QUICK),--quick) $(if $(LONG),--long) $(if $(SEED),--seed $(SEED)) $(ARGS)

setup: build/.venv-dev

build/.venv-sim: pyproject.toml requirements.lock tools/set-up
	@tools/set-up $(PYTHON) sim

build/.venv-dev: pyproject.toml requirements-dev.lock tools/set-up
	@tools/set-up $(PYTHON) dev

# Every version and hash that make installs, for all platforms and Pythons that we support. Needs uv.
lock:
	$(COMPILE) --extra embedded --extra sim --output-file requirements.lock pyproject.toml
	$(COMPILE) --all-extras --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf build .venv
