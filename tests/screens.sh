#!/usr/bin/env bash
# Small trainings, and pictures of all kinds of pages that come of them: bash tests/screens.sh OUT
set -euo pipefail
out=$(realpath -m "$1")
root=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
server= sender=
trap 'kill $sender $server 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"

kinegraph synthesize raw --clips 96 --actions 8 9 23 24 -q
kinegraph prepare raw data --classes "sitting down" "standing up (from sitting position)" "hand waving" "kicking something"
small=(--dataset data --split xsub --model kinegraph.models.stgcn.STGCN --model.widths "[16, 32]" -q)
kinegraph train small_data_quick "${small[@]}" --epochs 8 --work-dir first
kinegraph train small_data_quick "${small[@]}" --epochs 4 --work-dir second
kinegraph test first --out test/result.pkl
kinegraph test second --out other/result.pkl
kinegraph report test other --out compare.html
kinegraph draw data player.html --clip 0 --weights first --window 20
kinegraph serve first --port 8765 >serve.log 2>&1 &
server=$!
for _ in $(seq 60); do
    python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz')" 2>/dev/null && break
    sleep 1
done
python -m tests.stream_forever http://127.0.0.1:8765 data &
sender=$!
python -m tests.screen_pages first data xsub
live="new Promise((done) => setTimeout(done, 1000)).then(() => document.getElementById('tab-watch').click())"
pages=(first/report.html test/report.html compare.html player.html cells.html study.html
    http://127.0.0.1:8765 "http://127.0.0.1:8765 $live")
if [ -n "${KINEGRAPH_ORT_WEB:-}" ]; then  # the folder dist of onnxruntime-web
    kinegraph export ui-prmd-10 answers.html --page --ort "$KINEGRAPH_ORT_WEB"
    pages+=(answers.html)
fi
if python -c "import mkdocs" 2>/dev/null; then
    (cd "$root" && NO_MKDOCS_2_WARNING=1 python -m mkdocs build --quiet --site-dir "$work/site")
    pages+=(site/gallery/graph_convolution.html site/gallery/own_csv.html)
fi
python -m tests.screens "$out" "${pages[@]}"
