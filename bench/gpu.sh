#!/usr/bin/env bash
# Tests and measures Kinegraph on a GPU, within nine minutes, without network; prints one markdown table. Without a GPU it
# measures exported networks on the CPU, and names each row that needs a GPU.
#
#   bash bench/gpu.sh [--device cuda|cpu] [--seconds 520] [--tiny] [--rows PATTERN]
#
# OUT: a folder that gets the table (gpu.md), the output of the tests (tests.txt) and of the contestants (log.txt).
# PYTHON: the interpreter that has torch with CUDA, by default python3. What else it lacks is taken from wheels in .whl,
# which are put there beforehand where a package index is reached (here for Python 3.12):
#
#   python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 -d .whl \
#       jsonargparse docstring-parser typeshed-client importlib-resources beartype lightning-fabric lightning-utilities
#
# Rows of exported networks also need onnx, onnxscript and onnxruntime-gpu; without them the table says so.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if compgen -G ".whl/*.whl" >/dev/null; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$scratch/site" .whl/*.whl
fi
PYTHONPATH="$PWD/src:$scratch/site" OMP_WAIT_POLICY=PASSIVE "$python" bench/gpu.py "$@"
