#!/bin/sh
# Once per data folder: a key for the hospital's system, and one for Prometheus that sees no jobs. Later starts
# change nothing. The keys' text lies in /keys only; the data folder holds their hashes.
set -eu
umask 077
if [ ! -e /data/keys.json ]; then
  rm -f /keys/*
fi
make_key() {
  name=$1; shift
  [ ! -e "/keys/$name" ] || return 0
  # Left by a start that was cut off between the two steps: that text is lost, so that name is free again.
  [ ! -e "/keys/$name.new" ] || xmag keys revoke "$name" 2>/dev/null || true
  : > "/keys/$name.new"
  xmag keys create "$name" "$@" > "/keys/$name.new" 2>/dev/null || {
    rm -f "/keys/$name.new"
    echo "A key named $name exists already and is kept; its text is not here." >&2
    return 0
  }
  mv "/keys/$name.new" "/keys/$name"
}
make_key first --scope analyze --scope read
make_key monitoring --scope read --tenant monitoring
if [ -e /keys/first ]; then
  echo "The first API key:  docker compose run --rm -T setup cat /keys/first"
fi
