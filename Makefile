# Every target sets itself up: a fresh machine needs python3 (3.10 or newer) and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The lowest direct versions that pyproject.toml admits, on the lowest Python that the machine has.
LOWEST := .venv-lowest
LOWEST_TESTS ?= tests
LOWEST_STAMP := $(LOWEST)/.installed
# Tests run in parallel processes; one thread each keeps them from fighting over the cores.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM := false

.PHONY: demo docs pictures test test-slow test-lowest lint lock bench cards dist clean setup
.DEFAULT_GOAL := setup

setup: $(STAMP)

# uv resolves and installs the 6 GB environment in under a minute; pip brings uv.
$(STAMP): pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints requirements.lock --editable ".[dev]"
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/pixio-hf demo --out demo --overwrite

# The documentation site in .cache/site. The variable silences an advertisement.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "To read it: $(BIN)/python -m http.server --directory .cache/site 8000, then http://localhost:8000"

# The pictures of README and docs, made anew from the bundled models; those of the app need Chromium.
pictures: $(STAMP)
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/make_guide_pictures.py
	$(BIN)/python docs/make_app_pictures.py

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m "not slow"

# Tests that take long: killed and resumed trainings, two processes, notebooks, new environments.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m slow

# A python3.10 on PATH may be a shim that starts nothing, hence the trial.
$(LOWEST_STAMP): pyproject.toml | $(STAMP)
	@python=$(PYTHON); for candidate in python3.10 $(HOME)/.pyenv/versions/3.10.*/bin/python3.10; do \
		if "$$candidate" -c "" 2> /dev/null; then python="$$candidate"; break; fi; \
	done; \
	$(BIN)/uv venv --quiet --clear --python "$$("$$python" -c 'import sys; print(sys.executable)')" $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable ".[dev]"
	@touch $(LOWEST_STAMP)

test-lowest: $(LOWEST_STAMP)
	@$(LOWEST)/bin/python -c "import platform, torch, transformers; print('Lowest versions: Python', \
		platform.python_version(), 'torch', torch.__version__, 'transformers', transformers.__version__)"
	$(LOWEST)/bin/python -m pytest -n 2 --dist loadfile -q -m "not slow" $(LOWEST_TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: $(STAMP)
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

cards: $(STAMP)
	$(BIN)/python conversion/render_cards.py

# Wheel and source distribution of the version in pyproject.toml; docs/releasing.md says what comes before and after.
dist: $(STAMP)
	rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	@ls -l dist

# Newest versions that pyproject.toml admits, for every platform; no index address is written into the file.
lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --no-emit-index-url \
		--no-annotate --no-header --quiet --output-file requirements.lock --upgrade
	@sed -i '1i # Newest versions that pyproject.toml admits, made by `make lock`. Constraints for `make`; users of the package are not bound by them.' requirements.lock

clean:
	rm -rf $(VENV) $(LOWEST) demo dist .cache .pytest_cache .ruff_cache .import_linter_cache
