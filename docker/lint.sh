#!/bin/bash
# lint.sh BIN: static checks of the containers' files with the programs in the folder BIN (`make lint`). What this machine
# lacks is named, and its check alone is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(cd "$1" && pwd)
skip() { echo "docker/lint.sh: $1 not checked: $2"; }
fail() { cat "$scratch/said" >&2; echo "docker/lint.sh: failed: $*" >&2; exit 1; }
quietly() { "$@" > "$scratch/said" 2>&1 || fail "$@"; }
# It only warns of a kind that it does not know.
manifests() { quietly "$bin/kubernetes-validate" --strict --quiet "$@"; [ ! -s "$scratch/said" ] || fail "$@"; }
scratch=$(mktemp -d "${TMPDIR:-/tmp}/xmag-lint.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

if [ -x "$bin/hadolint" ]; then
  "$bin/hadolint" docker/*.Dockerfile
else
  skip Dockerfiles "hadolint comes for Linux on x86-64 only"
fi

# The specification's schema. It knows no YAML tags, so compose's own is taken out.
for file in compose.yaml docker/share-redis.yaml docker/worker-host.yaml docker/object-store.yaml docker/own-ca.yaml docker/callbacks.yaml docker/alertmanager.yaml; do
  sed 's/: !override /: /' "$file" > "$scratch/$(basename "$file")"
done
quietly "$bin/check-jsonschema" --builtin-schema vendor.compose-spec "$scratch"/*.yaml

if docker compose version > /dev/null 2>&1; then
  config() { quietly env XMAG_REDIS_PASSWORD=p XMAG_REDIS_URL=rediss://r XMAG_REDIS_TLS=/t XMAG_ALERTMANAGERS=/a.yml XMAG_CA=/ca.pem docker compose --env-file .env.example "$@" config -q; }
  for profile in gpu cpu monitoring; do config --profile $profile; done
  for extra in share-redis worker-host object-store own-ca callbacks alertmanager; do config -f compose.yaml -f docker/$extra.yaml; done
else
  skip "what compose makes of its files" "there is no docker compose here"
fi

# Each alert on data that sets it off and on data that does not. Debian's package prometheus has the program.
if command -v promtool > /dev/null; then
  quietly promtool check rules docker/monitoring/alerts.yml
  quietly promtool test rules docker/monitoring/alerts.test.yml
else
  skip "what the alerts make of data" "there is no promtool here"
fi

# Kustomize's own kind and KEDA's are not in Kubernetes' schema.
shopt -s extglob
manifests docker/kubernetes/!(kustomization|scaled).yaml
quietly "$bin/check-jsonschema" --schemafile docker/kubernetes/scaledobject.schema.json docker/kubernetes/scaled.yaml
if command -v kubectl > /dev/null; then
  mkdir "$scratch/rendered"
  quietly kubectl kustomize docker/kubernetes -o "$scratch/rendered"
  manifests "$scratch"/rendered/!(keda.sh_*).yaml
  mkdir "$scratch/overlay" "$scratch/with-runtime"
  here=$(realpath --relative-to="$scratch/overlay" docker/kubernetes)
  printf 'resources: [%s]\ncomponents: [%s/nvidia-runtime]\n' "$here" "$here" > "$scratch/overlay/kustomization.yaml"
  quietly kubectl kustomize "$scratch/overlay" -o "$scratch/with-runtime"
  manifests "$scratch"/with-runtime/!(keda.sh_*).yaml
else
  skip "what kustomize renders" "there is no kubectl here"
fi
