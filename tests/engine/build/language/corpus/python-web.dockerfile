FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1

FROM base AS wheels
RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \
    --mount=type=secret,id=index,env=PIP_INDEX_URL,required \
    pip wheel --wheel-dir /wheels -r /tmp/requirements.txt

FROM base
LABEL org.opencontainers.image.title="Shop" org.opencontainers.image.description='What it is' e=
LABEL maintainer "a b <a@b>"
RUN --mount=from=wheels,source=/wheels,target=/wheels,readonly pip install /wheels/*.whl
COPY --link --exclude=**/*.pyc --exclude=tests . /app
WORKDIR /app
HEALTHCHECK --interval=30s --timeout=1m30s --start-period=500ms --start-interval=1.5s --retries=5 \
  CMD curl -f http://localhost/ || exit 1
STOPSIGNAL SIGQUIT
VOLUME ["/data", "/var/log/app dir"]
VOLUME /a /b
