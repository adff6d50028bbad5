PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check prove bench docs

demo: .venv/ready  ## payments on SQLite: submit ACH files, settle, show the books; DEMO="--port 8081" elsewhere
	$(BIN)/python -m ropewalk demo $(DEMO) || { [ $$? -eq 1 ] && echo 'with options: make demo DEMO="--port 8081"'; exit 1; }

test: .venv/ready  ## every test
	$(BIN)/python -m pytest -q -n 2 $(TEST)

check: .venv/ready  ## format, lint, types, layers, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2

# Every second seed is a town of five partitions, so these are 2,000 of them; half an hour on two cores.
prove: .venv/ready  ## simulate payments and coordination under faults: make prove SEEDS=100
	$(BIN)/python -m ropewalk prove payments --seeds $(or $(SEEDS),4000)
	$(BIN)/python -m ropewalk prove coordination --seeds $(or $(SEEDS),4000)

bench: .venv/ready  ## measure: a table, a JSON file and a picture
	$(BIN)/python -m benchmarks $(BENCH)

docs: .venv/ready  ## write the generated reference again
	$(BIN)/python -m ropewalk.cli.reference docs/reference

.venv/ready: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ropewalk needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
