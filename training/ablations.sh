#!/usr/bin/env bash
# What each loss, fine-tuning end to end and a site never seen are worth: $RUNS/ablations/report/report.md.
#
#     ATLAS=/path/to/atlas training/ablations.sh
#
# It may be killed at any time and started again, and shares shards, targets and the teacher's bags with atlas.sh, whose
# head says what the variables are. By a smaller student on a short schedule ($CONFIGS/ablations/distill.yaml), so that
# arms can be compared with each other, not with the shipped model.
#
#   distill/ablations/{global,local,relational}/{0..4}   by the global loss; by global and local; by all three
#   distill/ablations/site/{0,1,..}                      by all three, each without one site's cases
#   bags/ablations/…                                     every slide's bag by each of these, and by the student before it
#   ablations/finetune/                                  end to end, from each fold's student of all losses
set -euo pipefail
cd "$(dirname "$0")/.."
source training/steps.sh
NO_RELATIONAL='s|relational_weight: [0-9.]*|relational_weight: 0.0|'
NO_LOCAL='s|local_weight: [0-9.]*|local_weight: 0.0|'

# arm NAME FOLD [sed expression …]
arm() {
  local name=$1 fold=$2
  shift 2
  distil ablations/distill "ablations/$name/$fold" "$fold" "$@"
  bags ablations/bags "bags-ablations-$name-$fold" "s|ablations/relational/all|ablations/$name/$fold|"
}

# A fold is a site here, numbered as `xmag-train evaluate` numbers them.
make_site_folds() {
  mkdir -p "$RUNS/ablations"
  "$BIN/python" - "$CONFIGS/labels.csv" "$RUNS/ablations/sites.csv" <<'PYTHON'
import sys
from pathlib import Path

from xmag_train.data.cohort.table import read_cohort
from xmag_train.evaluate.sites import site_folds

labels, out = map(Path, sys.argv[1:])
unusable = site_folds(read_cohort(labels, "malignancy", ["not_malignant", "malignant"]), out).unusable
sys.exit(unusable)
PYTHON
}

make_shards
for fold in $FOLDS; do
  arm relational "$fold"
  arm global "$fold" "$NO_LOCAL" "$NO_RELATIONAL"
  arm local "$fold" "$NO_RELATIONAL"
done
bags bags-teacher bags-teacher
bags ablations/bags-imagenet bags-ablations-imagenet
make_site_folds
for site in $(fold_numbers "$RUNS/ablations/sites.csv"); do
  arm site "$site" "s|^folds: .*|folds: $RUNS/ablations/sites.csv|"
done
say "end to end"
"$BIN/xmag-train" finetune --config "$(render ablations/finetune ablations-finetune)"
say "report"
"$BIN/xmag-train" evaluate --config "$(render ablations/evaluate ablations-evaluate)"
say "$RUNS/ablations/report/report.md is there"
