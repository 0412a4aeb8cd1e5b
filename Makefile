# Every command of the project; `make help` lists them. Needs git, make and Python 3.11, 3.12 or 3.13.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install book test notebooks serve bench lint check-project format lock clean browser evidence soak

VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8000
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
LIBRARY := $(shell find vaelib -name '*.py')
SITE_SOURCES := $(wildcard book/site/*.py book/site/package*.json book/site/.npmrc)
EVIDENCE := $(wildcard evidence/*)
BOOK_SOURCES := _config.yml _toc.yml CHANGELOG.md benchmarks/table.md $(NOTEBOOKS) $(LIBRARY) $(EVIDENCE) \
	$(shell find book -name '*.md' -o -name '*.bib' -o -name '*.csv' -o -name '*.css' -o -name '*.svg' -o -name '*.png' -o -path 'book/site/*.py' -o -name ledger.py)
INDEX := _build/html/index.html

# TensorFlow's start-up notices are of no use here; nothing but errors
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## this list
	@echo "make <target>       what it does (minutes:seconds on two cores)"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

install: $(VENV)/.installed ## everything pinned in requirements.lock, into .venv (1:50 and a download of 0.9 GB)

book: _build/.book ## the rendered book in _build/html (0:40)
	@echo "file://$(CURDIR)/$(INDEX)"

# three workers with one TensorFlow thread each keep two cores busy while some of them wait
test: export TF_NUM_INTRAOP_THREADS ?= 1
test: export TF_NUM_INTEROP_THREADS ?= 1
test: $(VENV)/.installed _build/site/.complete browser ## all checks (18:10)
	$(PY) -m pytest -n 3 --dist loadfile --nbval --cov --cov-report=term:skip-covered --cov-fail-under=95

notebooks: _build/.notebooks ## re-executes the notebooks in place when they or vaelib changed, two at once (5:45)

evidence: $(VENV)/.installed ## runs the full-size experiments whose results in evidence/ are missing or stale (all: 86:00)
	$(PY) book/tools/evidence.py --renew

serve: book ## the book on http://127.0.0.1:8000 (PORT=...)
	$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

bench: $(VENV)/.installed ## measures speed and size and writes the table of book/speed.md (16:30)
	$(PY) -m benchmarks

soak: $(VENV)/.installed ## kills workers, kernels and commands of batches, two hundred rounds (3 hours)
	VAELIB_SOAK=200 $(PY) -m pytest -q -x -n 2 tests/comparison/test_comparison_faults.py

lint: $(VENV)/.installed ## ruff and mypy (0:10)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

check-project: $(VENV)/.installed ## the static tests alone (0:05)
	$(PY) -m pytest -q tests/test_project.py

format: $(VENV)/.installed ## rewrites the code in ruff's format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: $(VENV)/.installed ## resolves pyproject.toml into requirements.lock anew
	$(VENV)/bin/uv pip compile pyproject.toml --extra book --extra test --extra dev --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock

clean: ## removes what was built, not .venv
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*

# ---------------------------------------------------------------- files behind the commands

# the first Python that fits and can create an environment
$(VENV)/.created:
	@found=; for python in python3 python3.12 python3.13 python3.11 python; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
		then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "No Python 3.11, 3.12 or 3.13 with its venv module found. Install one, for example" >&2; \
		echo "  apt install python3 python3-venv    or    brew install python@3.12    or    conda env create -f environment.yml" >&2; \
		exit 1; \
	fi; \
	echo "$$($$found --version) -> $(VENV)"; \
	$$found -m venv --clear $(VENV)
	@touch $@

$(VENV)/.locked: requirements.lock | $(VENV)/.created
	@echo "Installing the packages of requirements.lock into $(VENV): a few minutes, 3 GB on disk"
	@$(PY) -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	@PYTHONWARNINGS=ignore $(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

_build/site/.complete: $(SITE_SOURCES) | $(VENV)/.installed
	$(PY) book/site/fetch_assets.py _build/site
	@touch $@

# fresh doctrees: an incremental build does not repeat the warnings of pages it skips
_build/.book: $(BOOK_SOURCES) $(VENV)/.installed _build/site/.complete
	@$(PY) book/tools/evidence.py
	@rm -rf _build/html _build/.doctrees _build/jupyter_execute
	$(VENV)/bin/jupyter-book build . --warningiserror --nitpick --keep-going --quiet
	@touch $@

_build/.notebooks: $(NOTEBOOKS) $(LIBRARY) $(EVIDENCE) $(VENV)/.installed
	$(PY) book/tools/execute_notebooks.py $(NOTEBOOKS)
	$(PY) book/tools/readme_picture.py
	@mkdir -p $(@D)
	@touch $@

# the browser test drives Chromium; CHROMIUM=path names one that is not found by itself
browser: $(VENV)/.installed
	@$(PY) tests/find_browser.py && exit 0; \
	echo "Installing Chromium for the browser test"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	fi; \
	$(PY) tests/find_browser.py || $(VENV)/bin/playwright install chromium; \
	$(PY) tests/find_browser.py && exit 0; \
	echo "The browser test needs Chromium or Chrome, and neither apt nor Playwright could install it here." >&2; \
	echo "Install one (apt install chromium) or name one (CHROMIUM=/path), then run this again." >&2; exit 1
