# Needs Python 3.11 and pip; everything else is installed into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
KILLS ?= 50
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-slow crash lint docs bench bench-peers clean

demo: $(VENV)/ready  ## synthetic raw files -> dataset -> training -> test report
	rm -rf $(DEMO)
	$(BIN)/kinegraph synthesize $(DEMO)/raw --clips 960
	$(BIN)/kinegraph prepare ntu60 $(DEMO)/raw $(DEMO)/dataset
	$(BIN)/kinegraph train configs/demo_synthetic.yaml --dataset $(DEMO)/dataset --work-dir $(DEMO)/run
	$(BIN)/kinegraph test configs/demo_synthetic.yaml $(DEMO)/run/checkpoints/last.safetensors \
		--dataset $(DEMO)/dataset --eval top_k_accuracy mean_class_accuracy --out $(DEMO)/test/result.pkl
	@echo
	@echo "The recordings above are synthetic; the figures say nothing about people. Your own NTU RGB+D files come next:"
	@echo "  $(BIN)/kinegraph prepare ntu60 path/to/nturgb+d_skeletons data/ntu60"
	@echo "  $(BIN)/kinegraph train configs/stgcn_80e_ntu60_xsub_keypoint_3d.yaml"

test: $(VENV)/ready  ## the test suite, without what takes minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/ready  ## killed runs and processes that wait for each other
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

crash: $(VENV)/ready  ## commands killed at random moments, and whether anything is lost; options: make crash KILLS=200
	$(BIN)/python -m tests.crash --kills $(KILLS)

lint: $(VENV)/ready  ## style, formatting and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

docs: $(VENV)/ready-docs  ## these pages as a site in site/, with a reference of the command line
	COLUMNS=80 NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/ready  ## speed beside other implementations, one table; options: make bench BENCH="--quick --rows latency"
	$(BIN)/python bench $(BENCH)

bench-peers:  ## those other implementations, for the bench alone
	PYTHON=$(PYTHON) bash bench/peers.sh

# torch first and pinned: whatever else is installed then takes the build that is there.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test,lint]"
	touch $@

$(VENV)/ready-docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) runs build dist site
