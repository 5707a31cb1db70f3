# demo: fuse a synthetic phantom; test: the fast tests; check: style, types, layers; study: all tests,
# with branch coverage; docs: the generated documents, and the site in build/site; screenshots: the
# images of docs/howto/view.md, taken by the browser test; image: the container image (docs/deploy.md).
# sbom: what the image has, as CycloneDX; licences: a table of it.
# dist: the sdists and wheels, built twice, checked, and tried in empty environments (docs/release.md).
# Each target but image installs what it needs into .venv; see docs/testing.md.
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
# pip would compile all packages on one core; compileall takes all cores and leaves out their tests.
CONSTRAINED := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile \
  --constraint constraints.txt
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true
# The builder of container images, another base, a pip.conf: make image BUILDER="docker build"
# BASE=debian:bookworm IMAGE_OPTIONS="--secret id=pip,src=pip.conf".
BUILDER ?= podman build --format docker
BASE ?= python:3.11-slim-bookworm
IMAGE ?= radfuse:latest
# Programs that tests compare with, and their Debian packages.
TOOLS := chromedriver=chromium-driver dciodvfy=dicom3tools dcm2niix=dcm2niix \
  firefox-esr=firefox-esr gdcminfo=libgdcm-tools Orthanc=orthanc-dicomweb \
  plastimatch=plastimatch slurmctld=slurm-wlm
AXE_VERSION := 4.14.1
# Runtime of docs/try, which fuses in the browser.
ORT_VERSION := 1.30.0
# For the container image, which only make study builds.
IMAGE_TOOLS := podman=podman runc=runc debootstrap=debootstrap
# Programs that tests start import radfuse, too: keep what is compiled.
ENVIRONMENT := OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 PYTHONDONTWRITEBYTECODE=
# Three for two cores: some tests wait for servers and browsers.
THREE_AT_ONCE := -n 3 --dist worksteal --durations=25

.PHONY: demo test check study docs dist screenshots image sbom licences ready tools axe venv-package clean

demo: .venv/demo
	$(BIN)/radfuse demo --output radfuse-demo --overwrite

test: ready
	$(ENVIRONMENT) $(BIN)/pytest $(THREE_AT_ONCE) -m "not slow"

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

study: TOOLS += $(IMAGE_TOOLS)
study: ready .venv/dist
	$(BIN)/coverage erase
	$(ENVIRONMENT) $(BIN)/coverage run -m pytest $(THREE_AT_ONCE) --hypothesis-profile=study
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --fail-under=95

docs: .venv/dev axe
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/website/build.py

dist: .venv/dist
	$(BIN)/python deploy/dist.py dist

screenshots: ready
	$(BIN)/pytest -q tests/service/test_browser.py tests/service/test_browser_states.py
	$(BIN)/python docs/screenshots.py

image:
	$(BUILDER) --file Containerfile --build-arg BASE=$(BASE) $(IMAGE_OPTIONS) --tag $(IMAGE) .

sbom: .venv/dev
	mkdir -p dist
	$(BIN)/python deploy/packages.py sbom > dist/radfuse.cdx.json
	@echo dist/radfuse.cdx.json

licences: .venv/dev
	@$(BIN)/python deploy/packages.py licences

.venv/demo: .venv/made
	$(CONSTRAINED) --editable .
	$(COMPILE)
	touch $@

.venv/dev: .venv/made
	$(CONSTRAINED) --editable ".[all,dev,docs]" --editable ./weights
	$(COMPILE)
	touch $@ .venv/demo

.venv/dist: .venv/dev
	$(CONSTRAINED) --editable ".[dist]"
	touch $@

.venv/made: pyproject.toml weights/pyproject.toml constraints.txt
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

# Python packages, Debian packages and the package of npm at the same time.
ready:
	@$(MAKE) --no-print-directory -j 2 TOOLS='$(TOOLS)' .venv/dev tools axe

# Without one of them, its tests are skipped with a message.
# The policy stops packages from starting their services: the tests start their own.
tools: | .venv/made
	@missing=; for tool in $(TOOLS); do \
	  PATH=$$PATH:/usr/sbin command -v $${tool%=*} >/dev/null || missing="$$missing $${tool#*=}"; \
	done; test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "make: tests will be skipped; for all of them: apt-get install$$missing"; exit 0; fi; \
	policy=/usr/sbin/policy-rc.d; \
	test -e $$policy || { printf '#!/bin/sh\nexit 101\n' >$$policy && chmod +x $$policy \
	  && trap "rm -f $$policy" EXIT INT TERM; }; \
	install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq"; \
	$$install $$missing >/dev/null 2>&1 \
	  || { apt-get update -qq && $$install $$missing >/dev/null 2>&1; } \
	  || for package in $$missing; do $$install $$package >/dev/null \
	    || echo "make: $$package could not be installed; its tests will be skipped"; done

# Rules of accessibility that tests of the viewer check, and the runtime of docs/try; without npm
# their tests are skipped with a message.
axe: | .venv/made
	@test -e .venv/npm/node_modules/axe-core/axe.min.js \
	  -a -e .venv/npm/node_modules/onnxruntime-web/package.json || { command -v npm >/dev/null \
	  && npm install --silent --no-audit --no-fund --ignore-scripts --prefix .venv/npm \
	    axe-core@$(AXE_VERSION) onnxruntime-web@$(ORT_VERSION); } \
	  || echo "make: axe-core and onnxruntime-web could not be installed; their tests will be skipped"

clean:
	rm -rf .venv radfuse-demo .mypy_cache .ruff_cache .pytest_cache
