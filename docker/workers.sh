#!/bin/bash
# One worker process for each GPU of XMAG_GPUS: numbers as nvidia-smi shows them, or names such as MIG-<uuid>, split by
# commas. When one ends, all end, and the engine starts the container again.
# `workers.sh health`: whether all of them are warm.   `workers.sh doctor`: `xmag doctor` with each of these GPUs.
set -u
IFS=', ' read -ra gpus <<< "${XMAG_GPUS:-0}"
if [ "${1:-}" = health ]; then
  exec python -I -m app.run.health worker "${#gpus[@]}"
fi
export CUDA_DEVICE_ORDER=PCI_BUS_ID
if [ "${1:-}" = doctor ]; then
  code=0
  for gpu in "${gpus[@]}"; do
    echo "GPU $gpu"
    CUDA_VISIBLE_DEVICES=$gpu xmag doctor || code=$?
  done
  exit "$code"
fi
pids=()
# Once only: to a worker, a second signal means that there is no time left.
stop() { trap '' TERM INT; kill -TERM "${pids[@]}" 2>/dev/null; }
trap stop TERM INT
for gpu in "${gpus[@]}"; do
  CUDA_VISIBLE_DEVICES=$gpu xmag worker &
  pids+=($!)
done
wait -n "${pids[@]}"
code=$?
[ "$(trap -p TERM)" = "trap -- '' SIGTERM" ] || stop
wait "${pids[@]}"
exit "$code"
