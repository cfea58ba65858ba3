# The verbs. `make help` lists them; CI calls the same ones.
PYTHON ?= python3
TIER   ?= smoke
DATA   ?= streets
ROOT   ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
READY := .venv/.ready
WORKERS ?= 2
NO_HANG := -o faulthandler_timeout=2000 -o faulthandler_exit_on_timeout=true # seconds for one test
# Over processes of one thread each; the tests of one file stay together, and share what they set up.
SPREAD := OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(NO_HANG) --max-worker-restart 0 -n $(WORKERS) --dist loadfile

# Threads that wait without spinning: with any other program on the machine, spinning makes a step many times slower.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test check format lab bench faults zoo notebooks browser lock clean

help: ## list the verbs
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | awk -F': ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: $(READY) ## make .venv and install the locked packages (every other verb does it first)

# uv, bootstrapped by pip inside the project's own environment, installs the hashed lock; nothing outside is touched.
# Bytecode is made once, here: where Python may not write it, every start of a program would compile torch anew.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python %d.%d found, 3.11 to 3.13 needed: make PYTHON=python3.12 ..." % v)'
	@echo "setting up .venv (minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m venv .venv # made half, or by uv: nothing is wiped
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --require-hashes --compile-bytecode --quiet requirements.txt
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $(READY)

reproduce: $(READY) ## run the notebooks, write figures/report.html (TIER=lesson DATA=camvid ROOT=DIR for real data)
	@$(BIN)/python -m imachsr reproduce --tier $(TIER) --data $(DATA) $(if $(ROOT),--root "$(ROOT)")

test: check ## everything CI checks, notebooks included
	@$(SPREAD) --doctest-modules --ignore=tests/test_house.py --ignore=tests/browser tests imachsr
	@TQDM_DISABLE=1 $(SPREAD) --nbval-lax --nbval-current-env --nbval-cell-timeout 1800 notebooks
	@test "$$CI" != true || sh tests/browser/chromium.sh || echo "no Chromium: the browser tests skip" >&2
	@$(BIN)/python -m pytest -rs $(NO_HANG) tests/browser

check: $(READY) ## format, lint, types, import directions, notebook hygiene
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest tests/test_house.py

format: $(READY) ## let ruff format and sort
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lab: $(READY) ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

bench: $(READY) ## measure the kernels' speed as ratios, and file it
	@$(BIN)/python -m imachsr bench

faults: $(READY) ## do every fault to a training that it must survive, and file it (minutes, resumable)
	@$(BIN)/python benchmarks/faults.py

zoo: $(READY) ## try points on every public network, and file it (long, resumable)
	@$(BIN)/python benchmarks/zoo.py

notebooks: $(READY) ## run the notebooks at the smoke tier and store their outputs
	@$(BIN)/python -m imachsr reproduce --tier smoke --store

browser: $(READY) ## drive every explorer by keyboard in JupyterLab in Chromium (INSTALL=1 lets apt install it)
	@INSTALL=$(INSTALL) sh tests/browser/chromium.sh
	@BROWSER=full $(BIN)/python -m pytest -rs $(NO_HANG) tests/browser
	@echo "screenshots: build/browser"

lock: $(READY) ## compile requirements.txt anew from pyproject.toml
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --all-extras --quiet --upgrade pyproject.toml -o requirements.txt

clean: ## remove what running made (never .venv, data or results)
	@rm -rf build figures/executed figures/*.png figures/*.json figures/report.html .pytest_cache .mypy_cache .ruff_cache
