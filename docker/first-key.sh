#!/bin/sh
# first-key.sh [FOLDER]: once per data folder, a key for the hospital's system; and one for Prometheus, which sees no
# jobs. A key that was revoked later, or whose text was erased, is not made again. The text lies in FOLDER (/keys) only,
# the data folder has hashes.
set -eu
umask 077
data=${XMAG_DATA_DIR:-/data} keys=${1:-/keys}
# Tried, for rights alone do not tell; and first, for a folder that cannot be seen into is not a new one.
if ! { ls "$data" && echo tried > "$data/.tried" && rm "$data/.tried"; } > /dev/null; then
  echo "The data folder cannot be read and written by user $(id -u); the reason stands above. Where XMAG_DATA is a" \
    "folder: chown -R 10001:10001 FOLDER (of a share: on its server), and see that there is room." >&2
  exit 78
fi
# A file NAME.new means: wanted, and not yet made. It outlives a start that is cut off.
make_key() {
  name=$1; shift
  [ -e "$keys/$name.new" ] || return 0
  xmag keys revoke "$name" 2>/dev/null || true
  # What it says of a key that was made is for a terminal.
  said=$(xmag keys create "$name" "$@" 2>&1 > "$keys/$name.new") || { echo "$said" >&2; exit 78; }
  mv "$keys/$name.new" "$keys/$name"
}
if [ ! -e "$data/keys.json" ]; then
  rm -f "$keys"/*
  : > "$keys/first.new"
fi
# Nobody but our Prometheus has this one: after a restore its text is lost, and another takes its place.
[ -e "$keys/monitoring" ] || : > "$keys/monitoring.new"
make_key first --scope submit --scope read
make_key monitoring --scope read --tenant monitoring
if [ -e "$keys/first" ]; then
  echo "The first API key:  docker compose run --rm -T setup cat /keys/first"
fi
