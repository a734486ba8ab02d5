# `make run` starts the dashboard, `make test` runs every test; both set up what is missing first.
PYTHON ?= python3
PY := .venv/bin/python
ACTIONLINT := rhysd/actionlint:1.7.12@sha256:b1934ee5f1c509618f2508e6eb47ee0d3520686341fec936f3b79331f9315667
HADOLINT := hadolint/hadolint:v2.15.1@sha256:32dac94127fd60b7b7e3fbfc65e1383b9b5e25c9bfd7b8536de7a539fe68a12d

.PHONY: help run test test-fast check bench bench-ablation campaign campaign-images screenshots actionlint hadolint format lock stop clean setup setup-test
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: setup  ## set up if needed, start the dashboard
	@exec $(PY) -m app

test: setup-test  ## set up if needed, run every test
	@$(PY) -m pytest -q -n 2 -m "not triton" tests/unit tests/contract tests/architecture tests/ui tests/integration/sagemaker
	@$(PY) -m pytest -q -n 2 -m triton tests/contract
	@$(PY) -m pytest -q -n 2 --dist loadfile --ignore=tests/integration/sagemaker tests/integration tests/e2e

test-fast: setup-test  ## unit and contract tests, under a minute
	@$(PY) -m pytest -q -n 2 -m "not triton and not processes" tests/unit tests/contract tests/architecture

check: setup-test  ## format, lint, types, layers, workflows
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yaml
	@.venv/bin/zizmor --quiet --offline --no-progress .github
	@$(PY) -m pytest -q tests/architecture

bench: setup-test  ## measure, side by side; writes docs/benchmarks.md
	@$(PY) -m tests.bench.first_light
	@$(PY) -m tests.bench.drawing
	@$(PY) -m tests.bench.training
	@$(PY) -m tests.bench.tuning
	@$(PY) -m tests.bench.precision
	@$(PY) -m tests.bench.data
	@$(PY) -m tests.bench.runs_index
	@$(PY) -m tests.bench.runs_page
	@$(PY) -m tests.bench.serving
	@$(PY) -m tests.bench.serving_choices

bench-ablation: setup-test  ## what each part of the preset accurate is worth; half an hour of CPU
	@$(PY) -m tests.bench.ablation

campaign: setup-test  ## the long proofs; writes docs/reliability.md
	@$(PY) -m tests.campaign.switch
	@$(PY) -m tests.campaign.rivals
	@$(PY) -m tests.campaign.killed_deployment
	@$(PY) -m tests.campaign.killed_processes
	@$(PY) -m tests.campaign.killed_beginnings
	@$(PY) -m tests.campaign.killed_everything
	@$(PY) -m tests.campaign.drawn_for_hours
	@$(PY) -m tests.campaign.server_memory

campaign-images: setup-test  ## build and run the images where there is no Docker; root, buildah, debootstrap
	@$(PY) -m tests.campaign.container_images

screenshots: setup-test  ## remake the pictures in docs/images
	@$(PY) -m tests.bench.screenshots

actionlint:  ## lint the workflows; needs Docker
	@docker run --rm --volume "$(CURDIR):/repo:ro" --workdir /repo $(ACTIONLINT)

hadolint:  ## lint the Dockerfile; needs Docker
	@docker run --rm --interactive $(HADOLINT) < Dockerfile

format: setup-test  ## format and mend what the linter can
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: setup-test  ## compile requirements*.in into exact pins
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header requirements.in -o requirements.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header requirements-dev.in -o requirements-dev.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header requirements-lab.in -o requirements-lab.txt

stop:  ## stop endpoints and jobs left running
	@$(PY) -m backend stop

clean: ## remove environments and caches (never .digits, the state)
	@rm -rf .venv .venv-serving .venv-bench .mypy_cache .ruff_cache .pytest_cache test-results

setup:
	@$(PYTHON) .ci/setup.py run

setup-test:
	@$(PYTHON) .ci/setup.py test
