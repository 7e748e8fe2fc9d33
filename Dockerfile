# ledgermail: `docker build -t ledgermail .`. Everything installed is locked and hashed in uv.lock.

FROM python:3.13-slim-bookworm AS build
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
WORKDIR /build
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock ./
# What runs, in the place where it will run; then what builds, which stays behind.
RUN UV_PROJECT_ENVIRONMENT=/opt/ledgermail uv sync --frozen --no-dev --no-install-project --compile-bytecode \
    && UV_PROJECT_ENVIRONMENT=/build/tools uv sync --frozen --only-group dev --no-install-project
COPY README.md LICENSE ./
COPY domain domain
COPY projections projections
COPY gateways gateways
COPY infra infra
RUN tools/bin/python -m hatchling build -t wheel \
    && uv pip install --python /opt/ledgermail/bin/python --no-deps --offline --compile-bytecode dist/ledgermail-*.whl

FROM python:3.13-slim-bookworm
RUN groupadd --gid 10001 ledgermail \
    && useradd --uid 10001 --gid ledgermail --no-create-home --home-dir /data --shell /usr/sbin/nologin ledgermail \
    && install --directory --owner=ledgermail --group=ledgermail --mode=0711 /data
COPY --from=build /opt/ledgermail /opt/ledgermail
ENV PATH=/opt/ledgermail/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LEDGERMAIL_DATA=/data \
    LEDGERMAIL_HTTP=0.0.0.0:8080 \
    LEDGERMAIL_SMTP=0.0.0.0:2525 \
    LEDGERMAIL_LMTP=0.0.0.0:2424 \
    LEDGERMAIL_SUBMISSION=0.0.0.0:2587 \
    LEDGERMAIL_SUBMISSIONS=0.0.0.0:2465
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 2525 2424 2587 2465
STOPSIGNAL SIGTERM
# Of containers that serve HTTP; those that do not answer it at LEDGERMAIL_OPERATIONS.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["ledgermail"]
CMD ["serve"]
