#!/bin/sh
# The house's certificate where one is given, else a self-signed one; then Caddy.
set -eu
if [ "${XMAG_TLS_IS_OWN:-}" = yes ]; then
  for file in cert.pem key.pem; do
    [ -r "/own-tls/$file" ] || { echo "XMAG_TLS_DIR has no $file that user 10002 may read. Put it there." >&2; exit 78; }
  done
  export XMAG_TLS_FILES="/own-tls/cert.pem /own-tls/key.pem"
else
  certificate.sh /tls "${XMAG_NAMES:-localhost,127.0.0.1}"
  export XMAG_TLS_FILES="/tls/cert.pem /tls/key.pem"
fi
# The multipart frame around the largest slide.
export XMAG_PROXY_MAX_BYTES="$((${XMAG_UPLOAD_MAX_BYTES:-21474836480} + 1048576))"
# As Caddy's list is written.
XMAG_OUTER_PROXIES=$(printf '%s' "${XMAG_OUTER_PROXIES:-}" | tr ',' ' ')
export XMAG_OUTER_PROXIES
exec caddy run --config /etc/xmag/Caddyfile --adapter caddyfile
