# Every target sets up what it needs by itself, and nothing twice. `make` alone lists them.
#   PYTHON=/path/to/python3.11   the interpreter to make .venv from
#   WORKERS=4                    how many test processes `make test` shares the files of tests among

SERVICE ?=
HANDLER ?=
OUT     ?= out
ARGS    ?=
WORKERS ?= 4
BIN     := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup compare test lab check bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv, with the workbench in it
	@tools/environment

compare: ## deploy a service three ways, measure, write the report: [SERVICE=dir] [HANDLER=app.handler] [OUT=dir]
	@tools/environment
	@$(BIN)/workbench compare $(if $(SERVICE),"$(SERVICE)") $(if $(HANDLER),--handler "$(HANDLER)") --out "$(OUT)" $(ARGS)

test: ## run every test that this machine can run: [ARGS="-k cold"]
	@tools/environment test
	@tools/system-packages --for-tests
	@$(BIN)/python tools/with_docker_engine.py $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25 $(ARGS)

lab: ## open the labs in JupyterLab
	@tools/environment
	@$(BIN)/jupyter lab --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
		$(if $(filter 0,$(shell id -u)),--allow-root) \
		notebooks/00_start_here.ipynb $(ARGS)

check: ## style, types, and who may import whom
	@tools/environment check
	@status=0; for step in "ruff format --check ." "ruff check ." "mypy" "mypy tools/with_docker_engine.py" "lint-imports"; do \
		echo "$$step"; $(BIN)/$$step || status=1; \
	done; exit $$status

bench: ## measure the workbench against its peers, as ratios
	@tools/environment test
	@tools/system-packages --for-bench
	@$(BIN)/python tools/with_docker_engine.py $(BIN)/python -m pytest tests/bench -o python_files='bench_*.py' -s $(ARGS)

clean: ## undo everything: what sessions left, images, caches, .venv (reports in out/ stay)
	@tools/clean
