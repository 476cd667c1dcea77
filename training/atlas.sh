#!/usr/bin/env bash
# The shipped model in one command: from the region corpus to models/xmag-lite0, with the report of its figures.
#
#     make train-atlas ATLAS=/path/to/atlas               from the root of the repository; or ATLAS=… training/atlas.sh
#
# It may be killed at any time and started again: what is finished is kept, what is half done goes on.
#
# Steps, in order; everything but the model goes below $RUNS:
#   shards/                    the corpus as tar shards                      skipped where `imported` lies there
#   distill/first/{0..4,all}/  six distillations: each fold's leaves its cases out, "all" leaves none out
#   distill/second/…           each goes on from its own first one, with more views
#   distill/third/…            each goes on from its own second one
#   distill/{0..4,all}/        each goes on from its own third one, with three blocks less; "all" is shipped;
#                              kept where finished, by the same recipe and from the same weights; else refused
#   bags/student/{0..4,all}/   every slide's bag by each of the six students
#   bags/teacher/, bags/imagenet/, bags/whole/{0..4}/
#   mil/                       head cross-validated by case, then refit on all: head.pt, metrics.json, oof.csv
#   report/                    report.md with plots, report.json
#   $MODEL                     student fp32 and int8, head, manifest, card
# What each loss, fine-tuning and a site never seen are worth is ablations.sh's to measure.
#
# Variables:  ATLAS    folder of the corpus (slides.tsv, regions.tsv, regions/); needed until shards/ is there
#             RUNS     folder of all results                        (runs/atlas)
#             MODEL    folder of the model, named as the model      (models/xmag-lite0)
#             SLIDES   whole slides, for speed, reading and drift   (../shared/data/slides; without it: not measured)
#             CONFIGS  the YAML files                               (training/configs/atlas)
#             BIN      programs of the environment                  (training/.venv/bin)
# The files of $CONFIGS name runs/atlas, data/atlas and data/slides, what needs slides last; what was really run lies in $RUNS/configs.
set -euo pipefail
cd "$(dirname "$0")/.."
MODEL=${MODEL:-models/xmag-lite0}
source training/steps.sh

make_shards
for fold in $FOLDS all; do
  distil distill-first "first/$fold" "$fold"
  distil distill-second "second/$fold" "$fold" "s|first/all/|first/$fold/|"
  distil distill-third "third/$fold" "$fold" "s|second/all/|second/$fold/|"
  distil distill "$fold" "$fold" "s|third/all/|third/$fold/|"
done
for fold in $FOLDS all; do bags bags-student "bags-student-$fold" "s|/all\$|/$fold|; s|/all/|/$fold/|"; done
bags bags-teacher bags-teacher
bags bags-imagenet bags-imagenet
say "head"
"$BIN/xmag-train" mil --config "$(render mil mil)"
without_slides=()
if [ -d "$SLIDES" ]; then
  say "bags of whole slides"
  for fold in $FOLDS; do "$BIN/xmag-train" embed --config "$(render embed-whole "embed-whole-$fold" "s|/0|/$fold|")"; done
else
  say "no slides in $SLIDES: neither speed, reading nor drift is measured on whole slides"
  without_slides=('/^speed:/,$d; /^reading_slides:/,$d')
fi
say "report"
"$BIN/xmag-train" evaluate --config "$(render evaluate evaluate "${without_slides[@]}")"
say "export"
"$BIN/xmag-train" export --config "$(render export export "${without_slides[@]}")" --out "$MODEL"
XMAG_MODELS_DIR=$(dirname "$MODEL") "$BIN/xmag" models
say "$MODEL and $RUNS/report/report.md are there"
