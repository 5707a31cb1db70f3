# demo: fuse a synthetic phantom; test: the fast tests; check: style, types, layers; study: the slow
# tests; docs: the generated documents; screenshots: the images of docs/howto/view.md, taken by the
# browser test. Each target installs what it needs into .venv.
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONSTRAINED := $(PIP) install --quiet --constraint constraints.txt
TOOLS := chromedriver dciodvfy dcm2niix elastix gdcminfo Orthanc plastimatch

.PHONY: demo test check study docs screenshots tools venv-package clean

demo: .venv/demo
	$(BIN)/radfuse demo --output radfuse-demo --overwrite

test: .venv/dev tools
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -m "not slow" -n 2 --dist worksteal --durations=40
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --fail-under=85

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

study: .venv/dev tools
	$(BIN)/pytest -m slow

docs: .venv/dev
	$(BIN)/python docs/generate.py

screenshots: .venv/dev tools
	$(BIN)/pytest -q tests/service/test_browser.py
	$(BIN)/python docs/screenshots.py

.venv/demo: .venv/made
	$(CONSTRAINED) --editable .
	touch $@

.venv/dev: .venv/made
	$(CONSTRAINED) --editable ".[benchmark,dev,pacs,train,view]"
	touch $@ .venv/demo

.venv/made: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: Python 3.11 or newer is required; run make PYTHON=/path/to/python3.11"; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv 2>/dev/null || $(MAKE) --no-print-directory venv-package
	touch $@

# Debian and Ubuntu package the venv module separately from Python.
venv-package:
	rm -rf .venv
	@test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	  || { echo "make: run first: sudo apt-get install python3-venv"; exit 1; }
	apt-get update -qq && apt-get install -y -qq python3-venv
	$(PYTHON) -m venv .venv

# Independent tools that tests compare with; without one, its tests are skipped with a message.
# The policy stops packages from starting their services: the tests start their own.
tools:
	@policy=/usr/sbin/policy-rc.d; \
	for tool in $(TOOLS); do PATH=$$PATH:/usr/sbin command -v $$tool >/dev/null && continue; \
	  case $$tool in chromedriver) package="chromium chromium-driver";; dciodvfy) package=dicom3tools;; gdcminfo) package=libgdcm-tools;; \
	    Orthanc) package="orthanc orthanc-dicomweb";; *) package=$$tool;; esac; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    test -e $$policy || { printf '#!/bin/sh\nexit 101\n' >$$policy && chmod +x $$policy \
	      && trap "rm -f $$policy" EXIT INT TERM; }; \
	    apt-get install -y -qq $$package >/dev/null 2>&1 \
	      || { apt-get update -qq && apt-get install -y -qq $$package >/dev/null; } \
	      || echo "make: $$package could not be installed; its tests will be skipped"; \
	  else echo "make: $$tool is missing (apt-get install $$package); its tests will be skipped"; fi; done

clean:
	rm -rf .venv radfuse-demo .mypy_cache .ruff_cache .pytest_cache
