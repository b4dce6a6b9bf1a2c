# `make help` lists the targets. Everything runs in .venv/; only Python and a package index are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MUTMUT := $(VENV)/.mutmut
DETACH ?= 0
MESSAGES ?= 10000
ORDERS ?= 2000
MINUTES ?= 10
ROUNDS ?= 100

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(MUTMUT): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutation]'
	@touch $@

install: $(STAMP) ## make .venv/ with everything in it

up: $(STAMP) ## start the whole service and show the example orders (DETACH=1: leave it running)
	$(BIN)/execution up --examples $(if $(filter 1,$(DETACH)),--detach)

down: $(STAMP) ## stop what `make up` started
	$(BIN)/execution down

lint: $(STAMP) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint, types, and every test but those below; needs only Python
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-brokers: $(STAMP) ## whole runs with the simulator of each broker as the venue; needs only Python
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/brokers

test-operations: $(STAMP) ## whole runs of what operators use: compose, locks, limits, secrets, decisions by hand; needs only Python
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/operations

test-hosts: $(STAMP) ## faults of the host: clocks, full disks, poolers; needs gcc or g++, pgbouncer, and rights to mount
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/hosts

test-faults: $(STAMP) ## kills, hangs, cuts and lost replies: the fault runs in small; needs only Python
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/chaos

EXPERT := build/mt4-expert
CXX ?= g++

$(EXPERT): $(wildcard mt4_bridge/expert/*.mq4 mt4_bridge/expert/*/*)
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O1 -Wall -Wextra -Werror -o $@ mt4_bridge/expert/shim/main.cpp

test-expert: $(STAMP) $(EXPERT) ## build the Expert Advisor with g++ over a shim of MQL4, and test it
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/expert

CLIENTS := build/clients

$(CLIENTS)/bin/python: tests/clients/requirements.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@touch $@

test-clients: $(STAMP) $(CLIENTS)/bin/python ## trade with python-binance and Binance's own client at the simulated Binance
	$(BIN)/python -m pytest tests/clients

ENGINE ?= docker

test-docker: $(STAMP) ## build the image and run orders through containers of it (needs a Docker engine)
	$(ENGINE) build -t superintel-execution .
	$(BIN)/python -m pytest -m docker tests/docker

bench: $(STAMP) ## measure against stock Celery; a table and a line of JSON (OPTIONS="--only burst")
	$(BIN)/python -m benchmarks $(OPTIONS)

bench-resting: $(STAMP) ## time a new order to Binance while 2,000 rest there (OPTIONS="--resting 500")
	$(BIN)/python -m benchmarks.resting $(OPTIONS)

crash-matrix: $(STAMP) ## kill, fail and hang at every fault point (OPTIONS="--only paper"; goes on where it was broken off)
	$(BIN)/python -m tests.chaos.matrix $(OPTIONS)

arbitrage-matrix: $(STAMP) ## trade the pair while each fault of both simulators strikes, and kill at each point (OPTIONS="--only cancel")
	$(BIN)/python -m tests.chaos.arbitrage_matrix $(OPTIONS)

planted-bugs: $(STAMP) ## put in the mistakes that lose or double orders, and name the tests that catch them
	$(BIN)/python -m tests.chaos.planted $(OPTIONS)

mutation: $(MUTMUT) ## change the domain and the steps, and count the changes no test notices (OPTIONS="--only domain")
	$(BIN)/python -m tests.chaos.mutation $(OPTIONS)

fencing: $(STAMP) ## stop a worker past its lease and let it send late, ROUNDS times
	$(BIN)/python -m tests.chaos.fencing --rounds $(ROUNDS)

stateful: $(STAMP) ## random lives of brackets and reduce-only orders at each venue (OPTIONS="--venue ibkr --lives 50 --seed 7")
	$(BIN)/python -m tests.chaos.stateful $(OPTIONS)

fuzz: $(STAMP) ## send MESSAGES odd messages among valid orders (10,000; make test sends 500)
	EXECUTION_FUZZ=$(MESSAGES) $(BIN)/python -m pytest -q tests/security/test_fuzz.py

soak: $(STAMP) ## kill -9, cut and lose replies under load, then compare all records (ORDERS=, MINUTES=, SEED=, OPTIONS="--venue mt4")
	$(BIN)/python -m tests.chaos.soak --orders $(ORDERS) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(OPTIONS)

AUDIT := build/audit

$(AUDIT)/bin/pip-audit:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check "pip-audit>=2.9"

audit: $(AUDIT)/bin/pip-audit ## look up every version of constraints.txt for known vulnerabilities (needs the network)
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

requirements: $(STAMP) ## renew what the images install, with hashes, from constraints.txt (needs the network and Python 3.11)
	$(BIN)/python operations/requirements.py

format: $(STAMP) ## let ruff format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: help install up down lint test test-brokers test-clients test-operations test-hosts test-faults test-expert test-docker bench bench-resting crash-matrix arbitrage-matrix fencing mutation planted-bugs stateful fuzz soak audit requirements format
