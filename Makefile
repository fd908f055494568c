# RecFabric: `make demo` runs the main job, `make test` checks everything. Both set up .venv first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup finn-env pynq-env demo table bitstream test lint types unit formal mutate soak bench format registers clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := train,llm,sim,synth,formal,hls,search,boards,report,serve,dev
PIP := $(BIN)/python -m pip --disable-pip-version-check
FINN_VENV ?= .venv-finn
export FINN_VENV
FINN_PIP := $(FINN_VENV)/bin/python -m pip --disable-pip-version-check
PYNQ_VENV ?= .venv-pynq
export PYNQ_VENV
PYNQ_PIP := $(PYNQ_VENV)/bin/python -m pip --disable-pip-version-check
# Of make bitstream: a contract folder and a board, one of bitstreams/boards/*.toml.
MODEL ?= build/demo/model
BOARD ?= pynq-z2
# Torch first and pinned: its CPU build where PyTorch's own index answers, else the index's build.
TORCH := torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TEST_JOBS ?= 2
# Threads that wait for each other on busy cores cost more than they bring.
export OMP_NUM_THREADS ?= 2
export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/installed: pyproject.toml
	@command -v g++ >/dev/null || { echo "g++ is missing; install it (Debian: apt install g++ make)." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@index=$$($(PYTHON) -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1] + "/torch/", timeout=5); print("--extra-index-url " + sys.argv[1])' $(TORCH_INDEX) 2>/dev/null || true); \
	 echo "$(PIP) install $(TORCH) $$index"; $(PIP) install -q $(TORCH) $$index
	$(PIP) install -q -e '.[$(EXTRAS)]'
	$(PIP) check
	@touch $@

setup: $(VENV)/installed  ## make .venv with everything in it

# FINN pins other releases than ours and a plain install takes a CUDA build: its own environment.
finn-env: $(FINN_VENV)/installed  ## make .venv-finn, in which FINN runs as a process

$(FINN_VENV)/installed: hls/finn/requirements.txt
	$(PYTHON) -m venv $(FINN_VENV)
	@index=$$($(PYTHON) -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1] + "/torch/", timeout=5); print("--extra-index-url " + sys.argv[1])' $(TORCH_INDEX) 2>/dev/null || true); \
	 $(FINN_PIP) install -q $(TORCH) $$index
	$(FINN_PIP) install -q --no-deps finn-plus==1.6.1
	$(FINN_PIP) install -q -r hls/finn/requirements.txt
	@touch $@

# pynq pins numpy below 2 and an old grpcio: its own environment, with the host's code beside it.
pynq-env: $(PYNQ_VENV)/installed  ## make .venv-pynq, in which the pynq device runs as a process

$(PYNQ_VENV)/installed: host/pynq_requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] > (3, 12))' || { echo "pynq 4.0.0 needs Python 3.12 or older; name it with PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(PYNQ_VENV)
	$(PYNQ_PIP) install -q -r host/pynq_requirements.txt
	$(PYNQ_PIP) install -q -e .
	$(PYNQ_PIP) check
	@touch $@

demo: setup  ## ml-100k to top-10 lists out of simulated RTL; report in build/demo/report.html
	$(BIN)/recfabric demo

table: setup  ## graph, language model, hybrid and its optimisations side by side, in build/table
	$(BIN)/recfabric table

bitstream: setup  ## write MODEL's project for BOARD; build it where Vivado or Vitis is installed
	$(BIN)/recfabric deploy $(MODEL) --board $(BOARD)

test: lint types unit  ## lint, types and all tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m recfabric.sim.lint

types: setup
	$(BIN)/mypy

# A file's tests stay in one process, which shares its fixtures; builds share the cores by locks.
unit: setup finn-env pynq-env
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(TEST_JOBS) --dist loadfile

formal: setup  ## prove the RTL's properties by k-induction and print them
	$(BIN)/python -m recfabric.sim.formal

bench: setup  ## measure the kernels: cycles against bounds, cells, simulation speed
	$(BIN)/recfabric bench kernels --json build/bench/kernels.json

soak: setup  ## a million requests through a device that fails at random
	$(BIN)/python -m recfabric.host.soak --json build/bench/soak.json

mutate: setup  ## mutate every kernel's netlist and print what its own tests notice
	$(BIN)/python -m recfabric.sim.mutate --json build/bench/mutants.json

format: setup  ## format the Python sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

registers: setup  ## write the register map's generated Python anew
	$(BIN)/python -m recfabric.kernels.hotpath.registers

clean:  ## remove builds and the environment (downloads stay in ~/.cache/recfabric)
	rm -rf build $(VENV) .venv-finn .venv-pynq *.egg-info src/*.egg-info
