# Needs Python 3.11 and pip; everything else is installed into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
DIST ?= dist
KILLS ?= 50
MINUTES ?= 2
SCREENS ?= screens
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo screens test test-slow test-shapes crash fuzz lint types coverage mutation docs bench bench-peers wheel clean

demo: $(VENV)/ready  ## synthetic raw files -> dataset -> training -> test report
	rm -rf $(DEMO)
	$(BIN)/kinegraph synthesize $(DEMO)/raw --clips 960
	$(BIN)/kinegraph prepare $(DEMO)/raw $(DEMO)/dataset --classes 60
	$(BIN)/kinegraph train configs/demo_synthetic.yaml --dataset $(DEMO)/dataset --work-dir $(DEMO)/run
	$(BIN)/kinegraph test configs/demo_synthetic.yaml $(DEMO)/run/checkpoints/last.safetensors \
		--dataset $(DEMO)/dataset --eval top_k_accuracy mean_class_accuracy --out $(DEMO)/test/result.pkl
	@echo
	@echo "The recordings above are synthetic; the figures say nothing about people. Your own NTU RGB+D files come next:"
	@echo "  $(BIN)/kinegraph prepare path/to/nturgb+d_skeletons data/ntu60 --classes 60"
	@echo "  $(BIN)/kinegraph train configs/stgcn_80e_ntu60_xsub_keypoint_3d.yaml"

test: $(VENV)/ready  ## the test suite, without what takes minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/ready  ## killed runs and processes that wait for each other
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

test-shapes: $(VENV)/ready  ## the suite of `make test`, every annotated shape and type checked while it runs
	CHECK_SHAPES=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

crash: $(VENV)/ready  ## commands killed at random moments, and whether anything is lost; options: make crash KILLS=200
	$(BIN)/python -m tests.crash --kills $(KILLS)

fuzz: $(VENV)/ready  ## every reader on mutated files, guided by coverage; options: make fuzz MINUTES=5 (for each reader)
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

lint: $(VENV)/ready types  ## style, formatting, types and the layers of packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/ready  ## pyright, strict, over what users call
	$(BIN)/pyright --pythonpath $(BIN)/python

coverage: $(VENV)/ready-quality  ## lines and branches that the tests run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=term-missing:skip-covered

mutation: $(VENV)/ready-quality  ## small faults put into graph, sampling, normalize, features, losses, metrics: are they found?
	JAXTYPING_DISABLE=1 OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

docs: $(VENV)/ready-docs  ## these pages as a site in site/, with a reference of the command line
	COLUMNS=80 NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

screens: $(VENV)/ready  ## pictures of pages into $(SCREENS): light, dark, as on a phone, printed
	PATH="$(abspath $(BIN)):$$PATH" bash tests/screens.sh $(SCREENS)

bench: $(VENV)/ready  ## speed beside other implementations, one table; options: make bench BENCH="--quick --rows latency"
	$(BIN)/python bench $(BENCH)

bench-peers:  ## those other implementations, for the bench alone
	PYTHON=$(PYTHON) bash bench/peers.sh

wheel: $(VENV)/ready  ## the package as one file, dist/kinegraph-*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(DIST) .

# torch first and pinned: whatever else is installed then takes the build that is there.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test,lint]"
	touch $@

$(VENV)/ready-quality: $(VENV)/ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[quality]"
	touch $@

$(VENV)/ready-docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) runs build dist site
