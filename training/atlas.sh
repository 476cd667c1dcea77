#!/usr/bin/env bash
# The shipped model in one command: from the region corpus to models/xmag-lite0, with the report of its figures.
#
#     make train-atlas ATLAS=/path/to/atlas               from the root of the repository; or ATLAS=… training/atlas.sh
#
# It may be killed at any time and started again: what is finished is kept, what is half done goes on.
#
# Steps, in order; everything but the model goes below $RUNS:
#   shards/                    the corpus as tar shards                      skipped when there
#   distill/first/{0..4,all}/  six distillations: each fold's leaves its cases out, "all" leaves none out
#   distill/{0..4,all}/        each goes on from its own first one, with more views; "all" is shipped;
#                              skipped where student.pt is there (then only measured, where fidelity.json is missing)
#   bags/student/{0..4,all}/   every slide's bag by each of the six students
#   bags/teacher/, bags/imagenet/
#   mil/                       head cross-validated by case, then refit on all: head.pt, metrics.json, oof.csv
#   report/                    report.md with plots, report.json
#   $MODEL                     student fp32 and int8, head, manifest, card
# With ABLATIONS=1 also, before the report: distill/{global,local}/{0..4} (the first run by the global loss alone, and by
# global and local), bags of these and of distill/first, and finetune/ (end to end): eleven trainings more. Without it
# the report says that they were not measured.
#
# Variables:  ATLAS    folder of the corpus (slides.tsv, regions.tsv, regions/); needed until shards/ is there
#             RUNS     folder of all results                        (runs/atlas)
#             MODEL    folder of the model, named as the model      (models/xmag-lite0)
#             SLIDES   whole slides, for speed and reading          (../shared/data/slides; without it: not measured)
#             CONFIGS  the YAML files                               (training/configs/atlas)
#             BIN      programs of the environment                  (training/.venv/bin)
# The files of $CONFIGS name runs/atlas, data/atlas and data/slides, what needs slides last; what was really run lies in $RUNS/configs.
set -euo pipefail
cd "$(dirname "$0")/.."
RUNS=${RUNS:-runs/atlas} MODEL=${MODEL:-models/xmag-lite0} SLIDES=${SLIDES:-../shared/data/slides}
CONFIGS=${CONFIGS:-training/configs/atlas} BIN=${BIN:-training/.venv/bin}
FOLDS=$(tail -n +2 "$CONFIGS/folds.csv" | cut -d, -f2 | sort -nu | xargs)
export ORT_DISABLE_TELEMETRY=1

say() { echo "$(date +%H:%M:%S) $*"; }

# render NAME AS [sed expression …]: $CONFIGS/NAME.yaml with this run's folders, as $RUNS/configs/AS.yaml; its path.
render() {
  local name=$1 as=$2 edits=() edit
  shift 2
  for edit in "$@"; do edits+=(-e "$edit"); done
  mkdir -p "$RUNS/configs"
  sed "${edits[@]}" -e "s|runs/atlas|$RUNS|g" -e "s|training/configs/atlas|$CONFIGS|g" -e "s|data/slides|$SLIDES|g" \
    -e "s|^regions: data/atlas|regions: $RUNS/shards|" -e "s|^cache: runs/distill-cache|cache: $RUNS/targets|" \
    "$CONFIGS/$name.yaml" >"$RUNS/configs/$as.yaml"
  echo "$RUNS/configs/$as.yaml"
}

# distil CONFIG OUT FOLD|all [sed expression …]
distil() {
  local config=$1 out=$2 fold=$3 leave_out=()
  shift 3
  [ "$fold" = all ] || leave_out=(--leave-out-fold "$fold")
  local options=(--config "$(render "$config" "distill-${out//\//-}" "$@")" --out "$RUNS/distill/$out" "${leave_out[@]}")
  if [ ! -f "$RUNS/distill/$out/student.pt" ]; then
    say "distil $out"
    "$BIN/xmag-train" distill "${options[@]}"
  elif [ "$fold" != all ] && [ ! -f "$RUNS/distill/$out/fidelity.json" ]; then
    say "measure $out"
    "$BIN/xmag-train" distill-check "${options[@]}"
  fi
}

# bags CONFIG AS [sed expression …]
bags() {
  say "bags $2"
  "$BIN/xmag-train" bags --config "$(render "$@")"
}

if ! ls "$RUNS"/shards/*.tar >/dev/null 2>&1; then
  : "${ATLAS:?name the folder of the region corpus: make train-atlas ATLAS=/path/to/atlas}"
  say "shards of $ATLAS"
  "$BIN/xmag-train" curate --atlas "$ATLAS" --out "$RUNS/shards"
fi
for fold in $FOLDS all; do
  distil distill-first "first/$fold" "$fold"
  distil distill "$fold" "$fold" "s|first/all/|first/$fold/|"
done
for fold in $FOLDS all; do bags bags-student "bags-student-$fold" "s|/all\$|/$fold|; s|/all/|/$fold/|"; done
bags bags-teacher bags-teacher
bags bags-imagenet bags-imagenet
say "head"
"$BIN/xmag-train" mil --config "$(render mil mil)"
if [ -n "${ABLATIONS:-}" ]; then
  for fold in $FOLDS; do
    distil distill-first "global/$fold" "$fold" 's|local_weight: [0-9.]*|local_weight: 0.0|; s|relational_weight: [0-9.]*|relational_weight: 0.0|'
    distil distill-first "local/$fold" "$fold" 's|relational_weight: [0-9.]*|relational_weight: 0.0|'
    for loss in global local first; do
      bags bags-student "bags-$loss-$fold" "s|distill/all/|distill/$loss/$fold/|; s|bags/student/all\$|bags/$loss/$fold|"
    done
  done
  say "end to end"
  "$BIN/xmag-train" finetune --config "$(render finetune finetune)"
fi
say "report"
without_slides=()
if [ ! -d "$SLIDES" ]; then
  say "no slides in $SLIDES: neither speed nor reading is measured on whole slides"
  without_slides=('/^speed:/,$d; /^reading_slides:/,$d')
fi
"$BIN/xmag-train" evaluate --config "$(render evaluate evaluate "${without_slides[@]}")"
say "export"
"$BIN/xmag-train" export --config "$(render export export "${without_slides[@]}")" --out "$MODEL"
XMAG_MODELS_DIR=$(dirname "$MODEL") "$BIN/xmag" models
say "$MODEL and $RUNS/report/report.md are there"
