#!/bin/bash
# bundle.sh [PROFILE]: everything a host without a network needs, in one archive: images, compose files, models,
# checksums. PROFILE is gpu (default), cpu, or gpu,monitoring. The images have to be here:
# docker compose --profile gpu build
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-gpu}
version=$(COMPOSE_PROFILES=$profile docker compose config --images | sed -n 's/^xmag-serve\/api://p' | head -1)
out=$PWD/xmag-$version-${profile//,/+}.tar
[ ! -e "$out" ] || { echo "$out exists already. Remove it first." >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/xmag-bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
folder=$work/xmag-$version
mkdir "$folder"
mapfile -t images < <(COMPOSE_PROFILES=$profile docker compose config --images | sort -u)
echo "saving ${images[*]}"
docker save "${images[@]}" | gzip -1 > "$folder/images.tar.gz"
cp -R compose.yaml .env.example docker models LICENSE "$folder/"
mkdir -p "$folder/docs" && cp docs/operations.md "$folder/docs/"
sed "s/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=$profile/" .env.example > "$folder/env.first"
cp docker/load.sh "$folder/load.sh"
(cd "$folder" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS)
tar -C "$work" -cf "$out" "xmag-$version"
(cd "$(dirname "$out")" && sha256sum "$(basename "$out")" > "$(basename "$out").sha256")
echo "$out ($(du -h "$out" | cut -f1)). There:  tar -xf $(basename "$out") && xmag-$version/load.sh /opt/xmag"
