#!/bin/bash
# load.sh FOLDER: from an unpacked bundle, check every file, load the images and put the rest into FOLDER, for a first
# installation or an upgrade. FOLDER's .env and models are kept. Needs Docker Engine with the compose plugin and no
# network.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: load.sh FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
(cd "$here" && sha256sum --quiet --strict -c SHA256SUMS) || { echo "The bundle is damaged: copy it again." >&2; exit 1; }
gzip -dc "$here/images.tar.gz" | docker load -q
cp -R "$here/compose.yaml" "$here/.env.example" "$here/docker" "$here/docs" "$here/README.md" "$here/LICENSE" "$target/"
[ -e "$target/.env" ] || cp "$here/env.first" "$target/.env"
if [ -e "$target/models" ]; then
  echo "$target/models is kept as it is; what this version comes with: $here/models"
else
  cp -R "$here/models" "$target/"
fi
echo "Now:  cd $target && docker compose up -d --wait    (settings: .env, explained in .env.example; more files than"
echo "compose.yaml, such as docker/share-redis.yaml, are named there in COMPOSE_FILE, or this takes away what they add)"
