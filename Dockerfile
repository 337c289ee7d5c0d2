# One image for every part: worker, beat, Flower, the three services and the mgw command.
# To pin by digest: docker build --build-arg PYTHON=python:3.13-slim-bookworm@sha256:… .
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY deploy/build.txt deploy/runtime.txt deploy/
# Build tools stay in this stage; what runs is installed from wheels whose hashes are known.
RUN python -m pip install --require-hashes --only-binary :all: -r deploy/build.txt \
    && python -m venv --without-pip /opt/mgw \
    && python -m pip --python /opt/mgw install --require-hashes --only-binary :all: -r deploy/runtime.txt
COPY . .
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m pip --python /opt/mgw install --no-deps --no-index /wheels/*.whl

FROM ${PYTHON}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="memory-graph-workers" \
    org.opencontainers.image.description="Celery workers between an LLM conversation store, LLM-Registry and Data-Vault" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-bookworm"
# Only /data (SQLite files, if there is no PostgreSQL) and /tmp are written; the rest may be read-only.
RUN groupadd --gid 10001 mgw \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin mgw \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/mgw /opt/mgw
ENV PATH=/opt/mgw/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
STOPSIGNAL SIGTERM
# The default command is a worker; other parts bring their own command and health check.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["mgw", "health", "worker"]
CMD ["celery", "-A", "memory_graph_workers.tasks.app", "worker", "--pool", "prefork", "--concurrency", "4", "--loglevel", "INFO"]
