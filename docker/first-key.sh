#!/bin/sh
# Once per data folder: a key for the hospital's system; and one for Prometheus, which sees no jobs. A key that was
# revoked later, or whose text was erased, is not made again. The text lies in /keys only, the data folder has hashes.
set -eu
umask 077
# A file NAME.new means: wanted, and not yet made. It outlives a start that is cut off.
make_key() {
  name=$1; shift
  [ -e "/keys/$name.new" ] || return 0
  xmag keys revoke "$name" 2>/dev/null || true
  xmag keys create "$name" "$@" > "/keys/$name.new" 2>/dev/null
  mv "/keys/$name.new" "/keys/$name"
}
if [ ! -e /data/keys.json ]; then
  rm -f /keys/*
  : > /keys/first.new
fi
# Nobody but our Prometheus has this one: after a restore its text is lost, and another takes its place.
[ -e /keys/monitoring ] || : > /keys/monitoring.new
make_key first --scope analyze --scope read
make_key monitoring --scope read --tenant monitoring
if [ -e /keys/first ]; then
  echo "The first API key:  docker compose run --rm -T setup cat /keys/first"
fi
