# Needs Python 3.11 or newer and the package index; everything else comes from there.
BIN = .venv/bin
STAMP = .venv/.installed
BENCH_STAMP = .venv/.installed-bench
DOCS_STAMP = .venv/.installed-docs
PHOENIX = build/phoenix
COMPARE = build/compare

.PHONY: help venv demo dev quick quick-tests test servers acceptance fuzz test-under-load coverage lint style types format unit chaos chaos-proof fleet integration contract compose-check kubernetes-check constraints screenshots proto migration bench compare bench-listing bench-growth clean

help:
	@echo 'make demo         watch the whole system archive real conversations while it is broken (ARGS="--calm")'
	@echo 'make dev          keep the same stack running'
	@echo 'make quick        lint, types, and the tests that start no worker (about a minute)'
	@echo 'make test         lint, types and all tests, in parallel lanes (ARGS="tests/cli -x"; LANES= for one after another)'
	@echo 'make fuzz         odd input at every boundary, others in each round, for ten minutes (SECS=60)'
	@echo 'make servers      install what tests start: Redis, PgBouncer, Prometheus, a browser (apt; else those tests are skipped)'
	@echo 'make acceptance   the acceptance tests on Redis 7, behind Sentinel and in a cluster (ON="sentinel")'
	@echo 'make lint         ruff and pyright alone'
	@echo 'make coverage     all tests, and which lines and branches they reach, child processes included'
	@echo 'make test-under-load  all tests three times beside eight busy loops (LOAD=8 ROUNDS=3)'
	@echo 'make format       let ruff format the code'
	@echo 'make chaos        break everything on purpose, and write docs/faults.md (half an hour; ARGS="--on sentinel")'
	@echo 'make chaos-proof  switch each mechanism off, and see that the matrix notices'
	@echo 'make fleet        a fleet on machines that are network namespaces, broken and upgraded under load (root; ARGS="--json")'
	@echo 'make integration  client tests against REGISTRY_URL and VAULT_URL'
	@echo 'make compose-check start every service as docker-compose.yml says, without Docker'
	@echo 'make kubernetes-check  check deploy/kubernetes, and start every container as it says, without a cluster'
	@echo 'make contract     write docs/contract again: the tasks and both HTTP services; and the types for TypeScript'
	@echo 'make constraints  resolve the dependencies again, with hashes'
	@echo 'make screenshots  take the pictures of the documents again'
	@echo 'make proto        generate the gRPC code again'
	@echo 'make migration    draft the next revision of tables: SERVICE=registry MESSAGE="Add a column"'
	@echo 'make bench        measure against Celery, dramatiq, taskiq and Phoenix, and write docs/benchmarks.md (ARGS="enqueue whole")'
	@echo 'make compare      a killed worker and a service that is away, for ours, Celery, taskiq and Procrastinate (SECS=60)'
	@echo 'make bench-listing  time pages and sums of a million sessions in both databases'
	@echo 'make bench-growth   what calls touch among 1 M and 20 M usage reports, and what dropping a month costs'
	@echo 'make tables       write the tables of the documents, and the dashboard of Grafana, again'
	@echo 'make guards       imports, wheel, register and schemas alone'
	@echo 'make docs         build the site of the documents in build/site, and check its links'
	@echo 'make build        the sdist and the wheel of what is committed, in dist/'
	@echo 'make install-check  install that wheel into an empty environment, and run the demo with it'
	@echo 'make release-check  whether version, tag (TAG=v1.2.3) and changelog agree'
	@echo 'make release-samples  keep databases, messages and dead letters of this version in tests/releases/, before its tag'
	@echo 'make clean        remove what was installed and built'

venv: $(STAMP)

demo: $(STAMP)
	@$(BIN)/mgw demo $(ARGS)

dev: $(STAMP)
	@$(BIN)/mgw dev $(ARGS)

# Its parts run beside each other.
quick: $(STAMP)
	@$(MAKE) --no-print-directory -j3 style types quick-tests

# pyright keeps one processor busy for half a minute: the tests run beside it.
test: style
	@$(MAKE) --no-print-directory -j2 types unit

lint: style types

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/pyright

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# tests/conftest.py says how many processes there are, and which tests share one.
LANES = -n auto --dist loadscope

unit: $(STAMP)
	$(BIN)/pytest $(LANES) $(ARGS)

# These tests compute more than they wait, and each process spends seconds on imports: fewer processes than `-n auto`.
quick-tests: $(STAMP)
	$(BIN)/pytest -q -n 4 --dist loadscope -m 'not stack' \
		tests/schemas tests/clients tests/delivery tests/tasks tests/guards $(ARGS)

# What tests start and no wheel brings, as command:package of Debian and Ubuntu.
SERVERS = chromedriver:chromium-driver ip:iproute2 pgbouncer:pgbouncer promtool:prometheus redis-server:redis-server
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)

servers:
	@wanted=$$(for pair in $(SERVERS); do command -v $${pair%%:*} >/dev/null || echo $${pair##*:}; done); \
	[ -z "$$wanted" ] || { $(SUDO) apt-get update -q && \
		$(SUDO) apt-get install -yq --no-install-recommends $$wanted; } >&2

# `make test` runs all of them on Valkey. The whole system runs on the others as well, and what scripts do on Redis.
ON = redis sentinel cluster
WHOLE = tests/acceptance/fleet tests/acceptance/test_hold.py
redis_TESTS = $(WHOLE) $(addprefix tests/delivery/test_,$(addsuffix .py,countdowns dead_letters lease lost_work sentinel cluster))
sentinel_TESTS = $(WHOLE)
cluster_TESTS = $(WHOLE)

acceptance: $(ON:%=acceptance-%)

acceptance-%: $(STAMP)
	ACCEPTANCE_ON=$* $(BIN)/pytest -q $(LANES) $($*_TESTS) $(ARGS)

# `make test` runs the same tests with few examples, alike each time; a round here has ten times as many, and others.
SECS = 600

fuzz: $(STAMP)
	@end=$$(($$(date +%s) + $(SECS))); while [ $$(date +%s) -lt $$end ]; do \
		$(BIN)/pytest -q $(LANES) --hypothesis-profile fuzz tests/fuzz $(ARGS) || exit 1; done

# A busy loop ends with the shell that started it, whatever ends that.
LOAD = 8
ROUNDS = 3
BUSY = import os; shell = os.getppid(); any(os.getppid() != shell for _ in iter(int, 1))

test-under-load: $(STAMP)
	@for loop in $$(seq $(LOAD)); do $(BIN)/python -c '$(BUSY)' & busy="$$busy $$!"; done; \
		trap "kill $$busy" EXIT; trap 'exit 130' INT TERM; \
		for round in $$(seq $(ROUNDS)); do $(BIN)/pytest $(LANES) $(ARGS) || exit 1; done

# A report and no gate; processes that are killed outright leave no figures.
coverage: export COVERAGE_FILE = $(CURDIR)/build/coverage/data
coverage: $(STAMP)
	rm -rf build/coverage
	@# As a script: "-m pytest" would put this folder, in which delivery is a package, on the path of the tests.
	-$(BIN)/coverage run $(BIN)/pytest $(LANES) $(ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage json -q -o build/coverage/report.json
	$(BIN)/coverage report
	@$(BIN)/python -c 'import json; totals = json.load(open("build/coverage/report.json"))["totals"]; \
		print(totals["excluded_lines"], "lines are excluded.")'

chaos: $(STAMP)
	$(BIN)/python tests/faults/chaos.py $(ARGS)

chaos-proof: $(STAMP)
	$(BIN)/python tests/faults/chaos.py --proof

# Needs root; it ends with 77 where namespaces are not permitted.
fleet: $(STAMP)
	@$(BIN)/python tests/fleet_in_a_box $(ARGS)

integration: $(STAMP)
	$(BIN)/pytest tests/integration $(ARGS)

contract: $(STAMP)
	rm -rf docs/contract/tasks
	$(BIN)/mgw schema --out docs/contract
	$(BIN)/python docs/contract.py
	$(BIN)/python docs/node_types.py

# Every version and hash is in constraints.txt: the same tomorrow as today.
$(STAMP): constraints.txt pyproject.toml | $(BIN)/python
	@echo 'Installing into .venv (once, half a minute) …' >&2
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $(STAMP)

$(BIN)/python:
	@python=$$(sh .ci/find-python) || exit 1; "$$python" -m venv .venv || { rm -rf .venv; \
		echo "$$python cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }

constraints: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -q uv
	head -n 2 constraints.txt > constraints.new
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header -q >> constraints.new
	mv constraints.new constraints.txt
	$(LOCK) pyproject.toml --extra cli --extra graph --extra monitoring --extra services -q -o deploy/runtime.txt
	$(LOCK) pyproject.toml --extra bench -q -o benchmarks/constraints.txt
	$(LOCK) docs/website/requirements.in -q -o docs/website/constraints.txt
	echo 'setuptools>=77' | $(LOCK) - -q -o deploy/build.txt
	echo 'arize-phoenix[pg]>=20.26,<20.27' | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header -q -o benchmarks/constraints-phoenix.txt
	for name in celery taskiq procrastinate; do $(BIN)/uv pip compile benchmarks/comparison/$$name.in --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-header -q \
		-o benchmarks/comparison/constraints-$$name.txt || exit 1; done

# What the image installs: the same versions, without the tools of development.
LOCK = $(BIN)/uv pip compile --constraint constraints.txt --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header

# Everything that docker-compose.yml and the Dockerfile say, checked and run without Docker.
compose-check: $(STAMP)
	@! docker compose version >/dev/null 2>&1 || SECRETS_DIR=./secrets docker compose \
		--file docker-compose.yml --file deploy/prometheus/docker-compose.yml config --quiet
	$(BIN)/pytest $(addprefix tests/deployment/test_,compose_file.py deployment.py image.py) $(ARGS)

# The same for deploy/kubernetes; needs kubectl, and no cluster.
kubernetes-check: $(STAMP)
	$(BIN)/pytest $(addprefix tests/deployment/test_,manifests.py kubernetes.py) $(ARGS)

# Needs Chromium and its driver.
screenshots: $(STAMP)
	$(BIN)/python docs/screenshots.py
	$(BIN)/python docs/recording.py

# protoc writes below a folder named as the package; the root is that package.
proto: $(STAMP)
	mkdir -p build
	$(BIN)/python -m grpc_tools.protoc -Imemory_graph_workers/schemas=schemas --python_out=build --pyi_out=build \
		--grpc_python_out=build memory_graph_workers/schemas/memory_graph.proto
	cp build/memory_graph_workers/schemas/* schemas/

migration: $(STAMP)
	$(BIN)/python -m memory_graph_workers.services.migrations $(SERVICE) "$(MESSAGE)"

bench: $(BENCH_STAMP) $(PHOENIX)/.installed
	@$(BIN)/python benchmarks/bench.py $(ARGS)
	@$(BIN)/python docs/tables.py

# The peers are for the benchmarks alone: no test and no user needs them.
$(BENCH_STAMP): benchmarks/constraints.txt $(STAMP)
	@echo 'Installing the peers into .venv …' >&2
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r benchmarks/constraints.txt
	@touch $(BENCH_STAMP)

# Arize Phoenix contradicts our versions, so it has an environment of its own (0.9 GB).
$(PHOENIX)/.installed: benchmarks/constraints-phoenix.txt | $(STAMP)
	@echo 'Installing Arize Phoenix into $(PHOENIX) (once, some minutes) …' >&2
	@$(BIN)/python -m venv --clear $(PHOENIX)
	@$(PHOENIX)/bin/python -m pip install --disable-pip-version-check -q --require-hashes -r $<
	@touch $@

# Each of the others has an environment of its own: what one asks for contradicts another's versions, sooner or later.
compare: SECS = 60
compare: $(STAMP) $(patsubst %,$(COMPARE)/%/.installed,celery taskiq procrastinate)
	@$(BIN)/python benchmarks/compare.py --secs $(SECS) $(ARGS)

$(COMPARE)/%/.installed: benchmarks/comparison/constraints-%.txt | $(STAMP)
	@echo 'Installing $* into $(COMPARE)/$* (once) …' >&2
	@$(BIN)/python -m venv --clear $(COMPARE)/$*
	@$(COMPARE)/$*/bin/python -m pip install --disable-pip-version-check -q --require-hashes -r $<
	@touch $@

bench-listing: $(STAMP)
	@$(BIN)/python benchmarks/listing.py $(ARGS)

bench-growth: $(STAMP)
	@$(BIN)/python benchmarks/growth.py $(ARGS)

# The frame around the code: what the hooks of git and the workflows call.
.PHONY: guards tables docs build install-check release-check release-samples

guards: $(STAMP)
	$(BIN)/pytest tests/guards $(ARGS)

tables: $(STAMP)
	$(BIN)/python docs/tables.py
	$(BIN)/python deploy/prometheus/dashboard.py

# Once installed it needs no network, and neither do the pages.
docs: $(DOCS_STAMP)
	@$(BIN)/python docs/website/build.py

$(DOCS_STAMP): docs/website/constraints.txt $(STAMP)
	@echo 'Installing what builds the site into .venv …' >&2
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r docs/website/constraints.txt
	@touch $(DOCS_STAMP)

# From git, because a build beside the sources ships what build/lib still holds of moved modules.
build: $(STAMP)
	rm -rf build/source dist
	mkdir -p build/source dist
	git archive HEAD | tar x -C build/source
	cd build/source && $(CURDIR)/$(BIN)/python -c 'from setuptools import build_meta; build_meta.build_sdist("../../dist")' >/dev/null
	$(BIN)/python -m pip wheel --disable-pip-version-check -q --no-index --no-deps --no-build-isolation \
		--wheel-dir dist dist/*.tar.gz

install-check: $(STAMP)
	.ci/install-check

release-check: $(STAMP)
	$(BIN)/python .ci/release_check.py

# What later releases are tested to read; needs Linux. It refuses to touch those of a version that has a tag.
release-samples: $(STAMP)
	$(BIN)/python tests/releases/sample.py

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
