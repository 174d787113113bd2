.DEFAULT_GOAL := help
.PHONY: help setup lab test lessons execute results bench figures publish colab test-colab test-browser \
	test-offline test-lowest test-newest lint lock clean
BIN := .venv/bin
READY := .venv/.ready
# Not made here (the folder was moved), or its Python is gone: install again.
ifneq ($(shell cat $(READY) 2>/dev/null; .venv/bin/python -c '' 2>/dev/null || echo gone),$(CURDIR))
.PHONY: $(READY)
endif
# nbval compares what `lint` holds to be comparable; a cell that takes five minutes has failed.
NBVAL := -n 2 --dist loadfile -p no:python --nbval-lax --nbval-current-env --nbval-cell-timeout=300
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# What the tests compile is kept here, and not in the learner's cache.
test lessons execute test-colab test-browser test-offline: export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.venv/compiled

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## install everything into .venv

lab: $(READY)  ## open the course in JupyterLab
	@[ "$$(id -u)" != 0 ] || echo "You are root, so JupyterLab runs as root."
	$(BIN)/python -m jupyterlab --notebook-dir=notebooks $(ALLOW_ROOT) $(LAB_OPTIONS)

test: $(READY)  ## run the unit tests, then every notebook
	$(BIN)/python -m pytest -n 2 --dist worksteal tests
	$(MAKE) --no-print-directory lessons

lessons: $(READY)  ## run the notebooks and compare their outputs (LESSONS=00,08, or third: of the day)
	@paths=$$($(BIN)/python tools/notebooks.py which $(LESSONS)) && \
	$(BIN)/python tools/notebooks.py lint $$paths && \
	TQDM_DISABLE=1 $(BIN)/python -m pytest $(NBVAL) $$paths

execute: $(READY)  ## run the notebooks in place on real MNIST, filling their outputs
	TQDM_DISABLE=1 VAE_COURSE_STRICT=1 $(BIN)/python tools/notebooks.py execute $(NOTEBOOKS)

results: $(READY)  ## measure missing rows of the recorded tables
	$(BIN)/python experiments/two_latents.py
	$(BIN)/python experiments/curse.py
	$(BIN)/python experiments/curse_samples.py
	$(BIN)/python experiments/long_vae.py
	$(BIN)/python experiments/collapse.py
	$(BIN)/python experiments/likelihoods.py
	$(BIN)/python experiments/museum.py
	$(BIN)/python experiments/tighter.py

bench: $(READY)  ## measure the published table and the speed (hours; resumable), write BENCHMARKS.md
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/uv pip install -q -p $(BIN)/python -e '.[bench]'
	$(BIN)/python experiments/speed.py
	$(BIN)/python experiments/published.py
	$(BIN)/python experiments/report.py

figures: $(READY)  ## every figure on one page, also in grey and on a dark page: build/figures.html
	$(BIN)/python tools/figures.py build/figures.html $(REVISION)

publish: $(READY)  ## name the course's public address everywhere: make publish REPO=owner/name
	$(BIN)/python tools/notebooks.py publish "$(REPO)"

colab: $(READY)  ## write self-contained copies of the lessons, for Colab, to build/colab
	$(BIN)/python tools/notebooks.py bundle

test-colab: $(READY)  ## run the lessons on Colab's versions, as Colab would (LESSONS=00,08, or third: of the day)
	$(BIN)/python -m pytest tests/slow/test_colab.py

test-browser: $(READY)  ## work through a lesson in a real browser (needs Chromium)
	$(BIN)/python -c 'import playwright' 2>/dev/null || $(BIN)/uv pip install -q -p $(BIN)/python -e '.[browser]'
	$(BIN)/python -m pytest tests/slow/test_browser.py

test-offline: $(READY)  ## run each cell twice, without a network, on the stand-in (LESSONS as above)
	$(BIN)/python tools/offline.py $(BIN)/python -m pytest -n 2 tests/slow/test_twice.py

test-lowest: $(READY)  ## run the tests and a third of the lessons on the oldest packages allowed
	sh tools/other_versions.sh lowest-direct build/lowest
	LESSONS=third $(MAKE) --no-print-directory test BIN=build/lowest/bin

test-newest: $(READY)  ## run the tests and a third of the lessons on the newest packages allowed
	sh tools/other_versions.sh highest build/newest
	LESSONS=third $(MAKE) --no-print-directory test BIN=build/newest/bin

lint: $(READY)  ## check the style of code and notebooks
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python tools/notebooks.py lint

lock: $(READY)  ## renew the exact versions in requirements.lock
	echo '# Exact versions for Python 3.11 to 3.14, made by `make lock`.' > .venv/requirements.lock
	$(BIN)/uv pip compile -q --universal --no-header --no-emit-index-url --python-version 3.11 \
		--extra lab --extra dev pyproject.toml >> .venv/requirements.lock
	mv .venv/requirements.lock requirements.lock

clean:  ## remove everything that was built or installed here
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml tools/make_venv.sh
	@sh tools/make_venv.sh
	@echo "$(CURDIR)" > $@
