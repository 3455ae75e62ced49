# The commands of the README. Each does all the set-up there is to do; .ci/setup says what that is.

PYTHON := .venv/bin/python
ARGS ?=
WORKERS ?= 2

.PHONY: help run test bench shots

help: ## List these commands
	@sed -n 's/^\([a-z]*\): ## /  make \1\t/p' $(MAKEFILE_LIST)

run: ## Set up and start Lectern; make run ARGS="--port 8000" passes arguments on
	@.ci/setup run
	@$(PYTHON) app.py $(ARGS)

# Lint, types and import contracts are tests too (tests/test_repository.py), so that pytest's last line counts them.
# One thread a worker: the workers already fill the cores.
test: ## Set up and run every check; make test ARGS="-k captioning" runs some
	@.ci/setup test
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

bench: ## Set up and run every benchmark; make bench ARGS=--write keeps the tables in bench/results
	@.ci/setup test
	@for file in $$(grep -l __main__ bench/*.py); do $(PYTHON) -m bench.$$(basename $$file .py) $(ARGS) || exit 1; done

shots: ## Set up and take the README's screenshots, into assets
	@.ci/setup test
	@$(PYTHON) -m tests.e2e.shots $(ARGS)
