.DEFAULT_GOAL := help
.PHONY: help install demo test test-spark test-spark-loop bench-spark lint bench clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPARK := .venv-spark
TEST_SPARK = SPARK_CONF_DIR=$(CURDIR)/tests/spark/conf $(SPARK)/bin/pytest tests/spark

help: ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The lock names every package with its hashes, so nothing needs resolving. The mark is made last: an install that was
# interrupted is started again.
$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || (echo "Python 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=python3.13 demo"; exit 1)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/installed ## Make the virtual environment .venv.

demo: $(VENV)/installed ## Run the whole loop against local vendors, in about a minute.
	$(BIN)/backhaul demo

test: $(VENV)/installed ## Run every test, dbt's too.
	$(BIN)/pytest --numprocesses auto --dist loadfile

# Its own environment: Spark is half a gigabyte, and nothing else needs it.
$(SPARK)/installed: requirements-spark.lock pyproject.toml
	@java -version 2>&1 | grep -q '"1[7-9]\|"2' || (echo "Spark needs Java 17 or later: install a runtime, such as openjdk-17-jre-headless"; exit 1)
	$(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-spark.lock
	$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

test-spark: $(SPARK)/installed ## Run the whole loop on Spark, and compare every model with DuckDB's.
	$(TEST_SPARK)

test-spark-loop: $(SPARK)/installed ## The same without dbt's unit tests, for CI.
	$(TEST_SPARK) -k "not every_rule"

bench-spark: $(SPARK)/installed ## Measure how a build on Spark grows with data and cores.
	$(SPARK)/bin/python -m benchmarks.spark

lint: $(VENV)/installed ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed ## Measure speed and memory; ONLY=load runs the figures whose names begin so.
	$(BIN)/python -m benchmarks $(ONLY)

clean: ## Remove what the demo, dbt and the tests left behind. Your own warehouse and journal stay.
	if [ -e .backhaul/demo ]; then rm -rf .backhaul warehouse.duckdb warehouse.duckdb.wal; fi
	rm -rf target logs .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results.json
