#!/bin/bash
# build.sh [PROFILE]: the images, labelled with the commit they are made from (-dirty: with changes on top of it).
# PROFILE is gpu,cpu (default) or one of the two.
set -euo pipefail
cd "$(dirname "$0")/.."
XMAG_REVISION=$(git describe --always --dirty --abbrev=40 --exclude '*' || echo unknown)
export XMAG_REVISION COMPOSE_PROFILES=${1:-gpu,cpu}
docker compose build
echo "built from $XMAG_REVISION"
