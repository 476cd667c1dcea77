#!/usr/bin/env bash
# A 20x teacher against the 5x student on cohorts of your own, in one command: bags of every slide by both, one report.
#
#     COHORTS=/path/to/cohorts training/cohorts.sh
#
# It may be killed at any time and started again: bags and folds that are there are kept.
#
# Every folder $COHORTS/<name>/slides gives $RUNS/bags/<name>/{teacher,student}; then $RUNS/report/report.md.
# Which tasks are judged, and how, $CONFIGS/six-tasks.yaml says: write your cohorts into it.
#
# Variables:  COHORTS  folder of the cohorts                      (data/cohorts)
#             RUNS     folder of all results                      (runs/cohorts)
#             CONFIGS  embed.yaml, embed-teacher.yaml, six-tasks.yaml   (training/configs)
#             BIN      programs of the environment                (training/.venv/bin)
set -euo pipefail
cd "$(dirname "$0")/.."
COHORTS=${COHORTS:-data/cohorts} RUNS=${RUNS:-runs/cohorts}
CONFIGS=${CONFIGS:-training/configs} BIN=${BIN:-training/.venv/bin}
export ORT_DISABLE_TELEMETRY=1
mkdir -p "$RUNS/configs"

for slides in "$COHORTS"/*/slides; do
  [ -d "$slides" ] || continue
  name=$(basename "$(dirname "$slides")")
  for arm in teacher student; do
    template=embed.yaml
    [ "$arm" = student ] || template=embed-teacher.yaml
    sed -e "s|^folder: .*|folder: $slides|" -e "s|^out: .*|out: $RUNS/bags/$name/$arm|" \
      "$CONFIGS/$template" >"$RUNS/configs/embed-$name-$arm.yaml"
    echo "$(date +%H:%M:%S) bags of $name by the $arm"
    "$BIN/xmag-train" embed --config "$RUNS/configs/embed-$name-$arm.yaml"
  done
done
sed -e "s|data/cohorts|$COHORTS|g" -e "s|runs/cohorts|$RUNS|g" "$CONFIGS/six-tasks.yaml" >"$RUNS/configs/evaluate.yaml"
"$BIN/xmag-train" evaluate --config "$RUNS/configs/evaluate.yaml"
