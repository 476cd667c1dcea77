#!/bin/bash
# erase.sh [CASE]: erase all jobs of a case, or without one those whose ids come on standard input, one a line. Each is
# cancelled first if it is not over. Prints each id and its result; exit code 1: not all are erased.
# Wants curl, jq, XMAG_SERVER (https://…), XMAG_KEY of scope admin, and CURL_CA_BUNDLE for a certificate of your own.
set -euo pipefail
shopt -s inherit_errexit
ask() { curl -sS -H @<(printf 'Authorization: Bearer %s' "$XMAG_KEY") "$@"; }
ids_of() {
  local page cursor=
  while :; do
    page=$(ask -f -G "$XMAG_SERVER/jobs" --data-urlencode "case_id=$1" ${cursor:+-d "cursor=$cursor"})
    jq -r '.jobs[].id' <<< "$page"
    jq -r '.unreadable[] | "damaged record, its case is unknown: " + .' <<< "$page" >&2
    cursor=$(jq -r '.next_cursor // empty' <<< "$page")
    [ -n "$cursor" ] || return 0
  done
}
if [ $# -eq 1 ]; then ids=$(ids_of "$1"); else ids=$(cat); fi
left=0
for id in $ids; do
  for _ in cancel erase; do ask -o /dev/null -X DELETE "$XMAG_SERVER/jobs/$id"; done
  case $(ask -o /dev/null -w '%{http_code}' "$XMAG_SERVER/jobs/$id") in
    410) echo "$id erased" ;;
    404) echo "$id not here" ;;
    *) echo "$id NOT ERASED"; left=1 ;;
  esac
done
exit "$left"
