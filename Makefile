# Everything a developer or CI runs. `make` alone lists it. Needs Python >= 3.11, git, make, and Go >= 1.26 or a
# supported OPA on PATH; everything else comes into .venv and .cache, and nowhere else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := tools/build run
# How many steps at once where the order does not matter; they wait for the network as much as for the processor.
JOBS ?= 3
# Processes that pytest spreads the tests over; 0 runs them in one, with the debugger and output as it comes. Each may
# have a PostgreSQL, an MLflow and an OPA or two beside it, so a big machine does not get as many as it has processors.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 4 ? 4 : n)))

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.SUFFIXES:

##@ Start here

.PHONY: help
help: ## List what there is
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Play one model's life on real servers, and clean up; with KEEP=1 they stay up until Ctrl-C
	@$(MAKE) -j$(JOBS) $(VENV)/.demo opa
	@PROCTOR_OPA_BIN="$$(tools/build opa 2>/dev/null)" $(BIN)/proctor demo $(if $(KEEP),--keep)

.PHONY: test
test: ## Run everything that a change must pass: lint, types, imports, rules, unit and contract tests
	@$(MAKE) tools
	@$(MAKE) -j2 check test-rego generated-check
	@$(MAKE) pytest

.PHONY: tools
tools: ## Make .venv, OPA and Regal ready (test does it by itself)
	@$(MAKE) -j$(JOBS) setup opa regal

##@ Set up

.PHONY: setup
setup: $(VENV)/.dev ## Make .venv with everything that development needs, at the pinned versions
	@:

# $(1): what to install, $(2): the stamp files that are true afterwards
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Looked for Python >= 3.11: $(PYTHON) is $$($(PYTHON) -V 2>&1). Install it, or say make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/pip || $(RUN) venv -- $(PYTHON) -m venv $(VENV)
	@$(RUN) install -- $(BIN)/pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e '$(1)'
	@touch $(2)
endef

$(VENV)/.demo: pyproject.toml constraints.txt
	$(call install,.[demo],$@)

$(VENV)/.dev: pyproject.toml constraints.txt
	$(call install,.[dask$(comma)demo$(comma)dev$(comma)kubernetes$(comma)postgres],$(VENV)/.demo $@)

comma := ,

.PHONY: opa
opa: ## Find a supported OPA, or build the pinned one (PROCTOR_OPA_BIN, PATH, .cache/bin, Go)
	@tools/build opa >/dev/null

.PHONY: regal
regal: ## The same for Regal, the linter of the rules
	@tools/build regal --or-skip >/dev/null

##@ Check

.PHONY: check
check: lint types imports ## Lint, types and import contracts

.PHONY: lint
lint: setup
	@$(RUN) ruff -- $(BIN)/ruff check --quiet .
	@$(RUN) format -- $(BIN)/ruff format --quiet --check .

.PHONY: types
types: setup
	@$(RUN) mypy -- $(BIN)/mypy

.PHONY: imports
imports: setup
	@$(RUN) imports -- $(BIN)/lint-imports

.PHONY: format
format: setup ## Rewrite what the formatter and the linter can mend by themselves
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@"$$(tools/build opa)" fmt --write rego

##@ Test

.PHONY: pytest
pytest: setup opa regal ## Unit and contract tests; ARGS="-k name -x" goes to pytest, WORKERS=0 is one after the other
	@PROCTOR_OPA_BIN="$$(tools/build opa 2>/dev/null)" PROCTOR_REGAL_BIN="$$(tools/build regal --or-skip 2>/dev/null)" \
	  $(RUN) --live pytest -- $(BIN)/pytest -q -n $(WORKERS) $(ARGS)

.PHONY: unit
unit: setup ## Unit tests only: no OPA, no sockets
	@$(RUN) --live pytest -- $(BIN)/pytest -q -n $(WORKERS) -m "not contract and not faults and not bench and not e2e and not docker" $(ARGS)

.PHONY: test-rego
test-rego: setup opa regal ## Format, strict check, tests and lint of the rules, with our own lint rules
	@opa="$$(tools/build opa 2>/dev/null)" && regal="$$(tools/build regal --or-skip 2>/dev/null)" && \
	  $(RUN) opa-fmt -- "$$opa" fmt --list --fail rego && \
	  PROCTOR_OPA_BIN="$$opa" $(RUN) opa-test -- $(BIN)/proctor policy test && \
	  { test -z "$$regal" || \
	    PROCTOR_OPA_BIN="$$opa" PROCTOR_REGAL_BIN="$$regal" $(RUN) regal -- $(BIN)/proctor policy lint; }

.PHONY: mutate
mutate: setup opa ## Mutate every rule and library function; fail where tests would notice less than 95 % of it
	@PROCTOR_OPA_BIN="$$(tools/build opa 2>/dev/null)" $(BIN)/proctor policy mutate --at-least 95

.PHONY: faults
faults: setup opa ## Kill, hang and lie on purpose: OPA, the service, the disk, the clock
	@PROCTOR_OPA_BIN="$$(tools/build opa 2>/dev/null)" $(RUN) --live faults -- $(BIN)/pytest -q -m faults $(ARGS)

.PHONY: bench
bench: setup opa ## Measure ratios against bare OPA, interleaved
	@PROCTOR_OPA_BIN="$$(tools/build opa 2>/dev/null)" $(RUN) --live bench -- $(BIN)/pytest -q -s -m bench $(ARGS)

.PHONY: e2e-docker
e2e-docker: setup ## docker-compose.yml and an OPA container as the external engine; needs a running container engine
	@if docker info >/dev/null 2>&1; then $(RUN) --live docker -- $(BIN)/pytest -q -m docker $(ARGS); \
	else echo "SKIPPED: e2e-docker needs a running container engine; 'docker info' does not answer here." >&2; fi

##@ Generated files

.PHONY: generate
generate: setup opa ## Rewrite the JSON Schemas and the generated pages of docs/
	@PROCTOR_OPA_BIN="$$(tools/build opa 2>/dev/null)" $(RUN) generate -- $(BIN)/python -m proctor.policy.reference .

.PHONY: generated-check
generated-check: setup opa ## Fail if a generated file is not what the code and the policy say
	@PROCTOR_OPA_BIN="$$(tools/build opa 2>/dev/null)" $(RUN) generated -- $(BIN)/python -m proctor.policy.reference . --check

##@ Clean up

.PHONY: clean
clean: ## Remove .venv, caches and built files
	rm -rf $(VENV) .cache build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find engine adapters tests -name __pycache__ -type d -prune -exec rm -rf {} +
