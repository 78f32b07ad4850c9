# Each target sets itself up first; `make optimize` and `make test` are all there is to know.
WORKLOAD ?=
ARGS ?=

.PHONY: optimize test check setup bench-verdict bench-search kills clean

optimize: setup
	@.venv/bin/sealtune optimize "$(WORKLOAD)" $(ARGS)

test: setup
	@.venv/bin/python -m pytest $(ARGS)

check: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

setup:
	@tools/setup

bench-verdict: setup
	@.venv/bin/python -m bench.verdict_calibration $(ARGS)

bench-search: setup
	@.venv/bin/python -m bench.search_quality $(ARGS)

kills: setup
	@.venv/bin/python -m tests.kernel.session_kills $(ARGS)

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
