# One image for every service of docker-compose.yml; which one it is, its command says.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# What we depend on is a layer of its own: it stays when only our code changes.
COPY requirements.txt ./
RUN pip install --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md celeryconfig.py ./
COPY execution execution
COPY workers workers
COPY tasks tasks
COPY simulators simulators
COPY mt4_bridge mt4_bridge
COPY migrations migrations
RUN pip install --no-deps --no-build-isolation -e .

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 execution \
    && install -d -o execution -g execution -m 0700 /data
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY alembic.ini /app/
COPY examples /app/examples
WORKDIR /app
USER execution
# Nothing is written but to /tmp and, by Flower, to /data, so the root may be read-only.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    EXECUTION_READY_FILE=/tmp/ready EXECUTION_HEARTBEAT_FILE=/tmp/heartbeat EXECUTION_HOME=/tmp/home
CMD ["execution", "--help"]
