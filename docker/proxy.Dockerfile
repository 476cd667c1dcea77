# Caddy ends TLS. From Debian's packages, so that its updates come with Debian's.
FROM debian:bookworm-slim AS caddy
# Debian keeps only the newest build of openssl, ca-certificates and curl: those cannot be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends 'caddy=2.6.*' openssl ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/* \
 && groupadd --gid 10002 proxy-xmag \
 && useradd --uid 10002 --gid 10002 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin proxy-xmag \
 && install -d -o 10002 -g 10002 -m 0700 /tls \
 && install -d -o 10002 -g 10002 -m 0750 /redis-tls

FROM python:3.11-slim-bookworm AS parts
COPY --from=caddy /var/lib/dpkg /caddy/var/lib/dpkg
COPY --from=caddy /usr/share/doc /caddy/usr/share/doc
COPY docker/sbom.py /caddy/
RUN python /caddy/sbom.py /parts /caddy

FROM caddy
COPY --from=parts /parts /opt/xmag/share/xmag
COPY docker/Caddyfile /etc/xmag/Caddyfile
COPY docker/certificate.sh docker/proxy.sh /usr/local/bin/
ENV HOME=/tmp XDG_CONFIG_HOME=/tmp XDG_DATA_HOME=/tmp
USER 10002:10002
CMD ["proxy.sh"]
# Last, so that another commit makes no other layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="xmag-serve proxy" \
      org.opencontainers.image.description="Caddy with the TLS settings of xmag-serve" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
