# Everything a contributor needs, by name. `make setup` first; the rest runs inside ./.venv.
PYTHON ?= python3
BIN := .venv/bin
# Processes that the tests are dealt to.
JOBS ?= 2

.PHONY: setup demo test check bench clean

# uv installs in seconds where pip takes minutes; without uv, pip does the same.
setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python "$(PYTHON)" .venv && \
	  uv pip install --quiet --python $(BIN)/python --editable '.[dev]' --constraint constraints.txt; \
	else \
	  "$(PYTHON)" -m venv .venv && \
	  { $(BIN)/python -m pip install --quiet uv && \
	    $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --editable '.[dev]' --constraint constraints.txt || \
	    $(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt; }; \
	fi
	@touch $@
	@echo "setup: $$($(BIN)/fairstack --version) in .venv"

demo: setup
	@$(BIN)/fairstack data build configs/demo.toml
	@$(BIN)/python -W ignore -c "import datasets; datasets.disable_progress_bars(); data = datasets.load_dataset('build/demo/releases/1.0.0', cache_dir='build/loaded'); print('datasets:', {split: rows.num_rows for split, rows in data.items()})"

test: setup
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: setup
	@for bench in bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

clean:
	rm -rf .venv build
