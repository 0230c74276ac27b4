# Paths stay relative, because make splits names at spaces and the checkout may lie below a folder with one.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test test-long test-services check lint format lock upgrade openapi migration footprint bench bench-gateway backup restore operations clean

python := .venv/bin/python
for-running := @sh tools/environment requirements.txt
for-working := @sh tools/environment requirements.txt requirements-dev.txt

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

# Make puts the settings into the environment, and exec lets Ctrl-C and SIGTERM reach the launcher itself.
run: ## Run the whole shop; settings may follow, as in `make run PORT=9000`
	$(for-running)
	@exec $(python) -m launcher --with-parent

test: ## Run every test; `make test ARGS="services/orders -k cancel"` runs some
	$(for-working)
	@exec $(python) -m pytest --numprocesses 3 --dist loadfile $(ARGS)

test-long: ## Run the long races and the killing of services; `ROUNDS=10` plays 10 % of them
	$(for-working)
	@exec $(python) -m pytest -m long $(ARGS)

test-services: ## Run the tests with real RabbitMQ and Redis, which it brings if they are missing, and with whole shops
	$(for-working)
	@sh tools/brokers
	@exec $(python) -m pytest -m "services and not long" --numprocesses 2 --dist loadgroup $(ARGS)

check: lint ## Check style, types, imports and pins, without changing anything
	@$(python) -m ruff format --check --quiet .
	@$(python) -m mypy
	@.venv/bin/lint-imports --no-logo
	@$(python) -m tools.lock --check

lint: ## Look for mistakes with Ruff
	$(for-working)
	@$(python) -m ruff check --quiet .

format: ## Format the code, and mend what Ruff can
	$(for-working)
	@$(python) -m ruff check --quiet --fix .
	@$(python) -m ruff format --quiet .

lock: ## Pin dependencies again after a change of a requirements.in
	$(for-working)
	@$(python) -m tools.lock

upgrade: ## Pin the newest releases of all dependencies
	$(for-working)
	@$(python) -m tools.lock --upgrade

openapi: ## Write contracts/openapi/ from the services' code
	$(for-working)
	@$(python) -m tools.openapi

migration: ## Write a revision of a service's tables: `make migration SERVICE=orders MESSAGE="Count the gifts"`
	$(for-working)
	@$(python) -m tools.migration "$(SERVICE)" "$(MESSAGE)"
	@$(python) -m ruff format --quiet services/$(SERVICE)/migrations

footprint: ## Start the shop, and print the memory of each process
	$(for-running)
	@$(python) -m tools.footprint

bench: ## Print what a checkout costs; `make bench ARGS="--past 1000"` measures one past
	$(for-running)
	@$(python) -m tools.bench $(ARGS)

bench-gateway: ## Print what a request costs at the gateway, and at what it is compared with
	$(for-working)
	@$(python) -m tools.bench.gateway $(ARGS)

backup: ## Copy the shop's embedded databases while it runs: `make backup TO=/mnt/backups/monday`
	$(for-running)
	@$(python) -m tools.backup "$(TO)"

restore: ## Make new data from a backup, for a stopped shop whose data was moved away: `make restore FROM=…`
	$(for-running)
	@$(python) -m tools.backup "$(FROM)" --restore

operations: ## Show what is in flight in the running shop; `make operations ARGS=--json` for programs
	$(for-running)
	@$(python) -m tools.operations $(ARGS)

clean: ## Remove .venv and all caches, but not the shop's data in var/
	@rm -rf .venv .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
