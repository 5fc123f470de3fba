#!/usr/bin/env bash
# The peers that `python bench` measures beside Kinegraph, each in an environment of its own below .venv-peers.
# About 3.3 GB and some minutes. Nothing of Kinegraph needs them.
#
#     bash bench/peers.sh [mmaction2] [tensorflow] [costgcn]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
peers=${PEERS:-.venv-peers}
export PIP_DISABLE_PIP_VERSION_CHECK=1

install() {  # NAME: the environment of one peer
    "$python" -m venv "$peers/$1"
    local pip=("$peers/$1/bin/python" -m pip install --quiet)
    case $1 in
    mmaction2)
        "${pip[@]}" -c constraints.txt torch numpy onnx
        # Without --no-deps come video decoders and a second OpenCV. mmaction2 1.2.0 refuses mmcv 2.2 and later.
        "${pip[@]}" --no-deps mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0 opencv-python-headless pillow \
            addict yapf platformdirs packaging pyyaml termcolor rich markdown-it-py mdurl pygments
        ;;
    tensorflow)
        "${pip[@]}" tensorflow_cpu==2.21.0
        ;;
    costgcn)
        "${pip[@]}" -c constraints.txt torch numpy
        "${pip[@]}" continual-inference==1.2.4
        ;;
    *)
        echo "no peer '$1', expected mmaction2, tensorflow or costgcn" >&2
        exit 2
        ;;
    esac
    echo "$peers/$1 is ready"
}

[ $# -gt 0 ] || set -- mmaction2 tensorflow costgcn
for peer; do install "$peer"; done
