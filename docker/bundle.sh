#!/bin/bash
# bundle.sh [PROFILE [FOLDER]]: everything a host without a network needs, in one archive in FOLDER (default: here):
# images, compose files, models, documentation, checksums. PROFILE is gpu (default), cpu, or gpu,monitoring. Builds the project's images
# and fetches the others that are missing.
set -euo pipefail
folder=$(cd "${2:-.}" && pwd)
cd "$(dirname "$0")/.."
profile=${1:-gpu}
export COMPOSE_PROFILES=$profile
mapfile -t images < <(docker compose config --images | sort -u)
version=$(printf '%s\n' "${images[@]}" | sed -n 's/^xmag-serve\/api://p')
out=$folder/xmag-$version-${profile//,/+}.tar
[ ! -e "$out" ] || { echo "$out exists already. Remove it first." >&2; exit 1; }
docker/build.sh "$profile"
docker compose pull -q --ignore-buildable --policy missing
work=$(mktemp -d "${TMPDIR:-/tmp}/xmag-bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
inside=$work/xmag-$version
mkdir -p "$inside"
echo "saving ${images[*]}"
docker save "${images[@]}" | gzip -1 > "$inside/images.tar.gz"
cp -R compose.yaml .env.example docker models docs README.md LICENSE "$inside/"
# There, the images of this bundle are what is meant when nothing else is said.
sed -i "s/{XMAG_VERSION:-[^}]*}/{XMAG_VERSION:-$version}/" "$inside/compose.yaml" "$inside/docker/share-redis.yaml"
sed "s/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=$profile/" .env.example > "$inside/env.first"
mv "$inside/docker/load.sh" "$inside/load.sh"
(cd "$inside" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS)
tar -C "$work" -cf "$out" "xmag-$version"
(cd "$folder" && sha256sum "$(basename "$out")" > "$(basename "$out").sha256")
echo "$out ($(du -h "$out" | cut -f1)). There:  tar -xf $(basename "$out") && xmag-$version/load.sh /opt/xmag"
