# One recipe for three images, which differ in their locked requirements only:
#   KIND=api   no model runtime
#   KIND=cpu   worker with onnxruntime
#   KIND=gpu   worker with onnxruntime-gpu and the CUDA 13 and cuDNN 9 wheels it asks for
FROM python:3.11-slim-bookworm AS build
ARG KIND=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_DEFAULT_TIMEOUT=180
WORKDIR /src
RUN python -m venv /opt/xmag
COPY requirements/${KIND}.txt requirements.txt
RUN /opt/xmag/bin/pip install -q --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN /opt/xmag/bin/pip install -q --no-deps --no-build-isolation . \
 && /opt/xmag/bin/pip uninstall -q -y setuptools pip
COPY docker/sbom.py ./
RUN /opt/xmag/bin/python sbom.py /opt/xmag/share/xmag

FROM python:3.11-slim-bookworm
ARG KIND=cpu
# The folders are made here so that a new volume takes their owner.
RUN groupadd --gid 10001 xmag && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin xmag \
 && install -d -o xmag -g xmag -m 0700 /data /keys /prometheus
COPY --from=build /opt/xmag /opt/xmag
COPY models /models
COPY docker/backup.sh docker/first-key.sh docker/workers.sh /usr/local/bin/
ENV PATH=/opt/xmag/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    XMAG_DATA_DIR=/data \
    XMAG_MODELS_DIR=/models \
    XMAG_HEARTBEAT_DIR=/tmp/heartbeat \
    XMAG_LOG_FORMAT=json
USER 10001:10001
WORKDIR /tmp
CMD ["xmag", "--help"]
# Last, so that another commit makes no other layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="xmag-serve ${KIND}" \
      org.opencontainers.image.description="Whole-slide image inference at 5x. Research use: not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
