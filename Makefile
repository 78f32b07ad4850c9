# Each target sets itself up first; `make optimize` and `make test` are all there is to know.
WORKLOAD ?=
ARGS ?=

.PHONY: optimize test check setup bench-verdict bench-search bench-reading bench-memory kills chaos power-cut fuzz hostile clean

optimize: setup
	@.venv/bin/sealtune optimize "$(WORKLOAD)" $(ARGS)

# What touches the real kernel, starts servers or is slow runs one by one; the rest on all processors.
test: setup
ifeq ($(strip $(ARGS)),)
	@.venv/bin/python -m pytest -n logical --dist worksteal -m "not kernel and not server and not browser and not slow"
	@.venv/bin/python -m pytest -m "kernel or server or browser or slow"
else
	@.venv/bin/python -m pytest $(ARGS)
endif

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

bench-reading: setup
	@.venv/bin/python -m bench.reading $(ARGS)

bench-memory: setup
	@.venv/bin/python -m bench.memory $(ARGS)

# What tries to break it, in full; short forms of all of it run in `make test`. As root; each puts everything back.
kills chaos: setup
	@.venv/bin/python -m tests.kernel.chaos $(ARGS)

power-cut: setup
	@.venv/bin/python -m tests.kernel.power_cut $(ARGS)

fuzz: setup
	@.venv/bin/python -m tests.guard.fuzz $(ARGS)

hostile: setup
	@.venv/bin/python -m tests.hostile.configs $(ARGS)
	@.venv/bin/python -m tests.hostile.injections

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
