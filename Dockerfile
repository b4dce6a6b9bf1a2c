# One image for every service of docker-compose.yml; which one it is, its command says.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY pyproject.toml constraints.txt README.md celeryconfig.py ./
COPY execution execution
COPY workers workers
COPY tasks tasks
COPY simulators simulators
COPY migrations migrations
RUN pip install --no-cache-dir -c constraints.txt -e .

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 execution
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY alembic.ini /app/
COPY examples /app/examples
WORKDIR /app
USER execution
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 EXECUTION_READY_FILE=/tmp/ready EXECUTION_HOME=/home/execution/home
CMD ["execution", "--help"]
