# What atlas.sh and ablations.sh share: folders, and the steps that both take. Sourced from the root of the repository.
RUNS=${RUNS:-runs/atlas} SLIDES=${SLIDES:-../shared/data/slides}
CONFIGS=${CONFIGS:-training/configs/atlas} BIN=${BIN:-training/.venv/bin}
export ORT_DISABLE_TELEMETRY=1

# fold_numbers TABLE: each fold once, in order.
fold_numbers() {
  "$BIN/python" - "$1" <<'PYTHON'
import sys
from pathlib import Path

from xmag_train.data.cohort.table import fold_of_cases

print(*sorted(set(fold_of_cases(Path(sys.argv[1])).values())))
PYTHON
}
FOLDS=$(fold_numbers "$CONFIGS/folds.csv")

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

# distil CONFIG OUT FOLD|all [sed expression …]; of a finished run it is soon told that it is the same.
distil() {
  local config=$1 out=$2 fold=$3 leave_out=()
  shift 3
  [ "$fold" = all ] || leave_out=(--leave-out-fold "$fold")
  say "distil $out"
  config=$(render "$config" "distill-${out//\//-}" "$@")
  "$BIN/xmag-train" distill --config "$config" --out "$RUNS/distill/$out" "${leave_out[@]}"
}

# bags CONFIG AS [sed expression …]
bags() {
  say "bags $2"
  "$BIN/xmag-train" bags --config "$(render "$@")"
}

# An import that was killed left some of the shards: only the file that is made last says that all are there.
make_shards() {
  if [ ! -f "$RUNS/shards/imported" ]; then
    : "${ATLAS:?name the folder of the region corpus: make train-atlas ATLAS=/path/to/atlas}"
    say "shards of $ATLAS"
    "$BIN/xmag-train" curate --atlas "$ATLAS" --out "$RUNS/shards"
    touch "$RUNS/shards/imported"
  fi
}
