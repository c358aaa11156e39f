# The site and the inbox of a production topology (docker-compose.yml). A host's worker runs on the host itself,
# since it makes containers: `python -m worker`.
FROM python:3.12-slim-bookworm AS assets
WORKDIR /portside
COPY package.json package-lock.json ./
COPY static static
RUN python static/build.py

FROM python:3.12-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /portside
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY engine engine
COPY worker worker
COPY webui webui
COPY templates templates
COPY manage.py .
COPY --from=assets /portside/static static
EXPOSE 8000
