"""Servers and workers of docker-compose.yml as containers of a test, by pytest-celery.

The project's image must have been built. Its name, and those of the servers' images where the
compose file's are out of reach, come from EXECUTION_IMAGE, POSTGRES_IMAGE and VALKEY_IMAGE.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from os import environ
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
import yaml
from docker import DockerClient
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestWorker,
    CeleryWorkerCluster,
    CeleryWorkerContainer,
    RedisContainer,
    RedisTestBroker,
)
from pytest_docker_tools import container, fxtr
from pytest_docker_tools.wrappers import Container

from execution.intake import new_id
from execution.supervisor.services import project_root

COMPOSE = yaml.safe_load((project_root() / "docker-compose.yml").read_text("utf-8"))["services"]
IMAGE = environ.get("EXECUTION_IMAGE", COMPOSE["worker-orders"]["image"])
_PASSWORD = new_id().hex
_LOOPBACK = ("127.0.0.1",)
_SECONDS = 90


class Postgres(Container):  # type: ignore[misc]
    """PostgreSQL, ready by the compose file's health check."""

    def ready(self) -> bool:
        """Whether it answers."""
        _, *command = COMPOSE["timescaledb"]["healthcheck"]["test"]
        return bool(super().ready() and self.exec_run(command).exit_code == 0)

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        host, port = self.get_addr("5432/tcp")
        with (
            closing(
                psycopg2.connect(
                    host=host, port=port, user="execution", password=_PASSWORD, dbname="execution"
                )
            ) as connection,
            connection,
            connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
        ):
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()]


class Worker(CeleryWorkerContainer):  # type: ignore[misc]
    """A worker of the compose file, ready by its own health check."""

    def ready(self) -> bool:
        """Whether its heartbeat is fresh."""
        _, command = COMPOSE["worker-orders"]["healthcheck"]["test"]
        check = ["sh", "-c", command.replace("$$", "$")]
        return bool(Container.ready(self) and self.exec_run(check).exit_code == 0)


class Valkey(RedisContainer):  # type: ignore[misc]
    """The compose file's Valkey, without its users."""

    @property
    def host_url(self) -> str:
        """Where the test itself finds it, also when that runs in a container."""
        self._wait_port("6379/tcp")
        host, port = self.get_addr("6379/tcp")
        return f"{self.prefix()}{host}:{port}/{self.vhost}"


# In the place of pytest-celery's own: bound to loopback only.
default_redis_broker = container(
    image=environ.get("VALKEY_IMAGE", COMPOSE["redis"]["image"]),
    command=["valkey-server", "--save", "", "--protected-mode", "no"],
    network="{default_pytest_celery_network.name}",
    ports={"6379/tcp": _LOOPBACK},
    wrapper_class=Valkey,
    timeout=_SECONDS,
)


@pytest.fixture
def celery_broker_cluster(celery_redis_broker: RedisTestBroker) -> Iterator[CeleryBrokerCluster]:
    """Valkey alone: no other broker is the product's."""
    cluster = CeleryBrokerCluster(celery_redis_broker)
    yield cluster
    cluster.teardown()


@pytest.fixture
def celery_backend_cluster() -> None:
    """There is no result backend: what became of an order is in PostgreSQL."""


postgres = container(
    image=environ.get("POSTGRES_IMAGE", COMPOSE["timescaledb"]["image"]),
    environment={
        "POSTGRES_USER": "execution",
        "POSTGRES_DB": "execution",
        "POSTGRES_PASSWORD": _PASSWORD,
    },
    network="{default_pytest_celery_network.name}",
    ports={"5432/tcp": _LOOPBACK},
    wrapper_class=Postgres,
    timeout=_SECONDS,
)


@pytest.fixture
def service_environment(
    postgres: Postgres,
    celery_redis_broker: RedisTestBroker,
    default_pytest_celery_network: Any,
    docker_client: DockerClient,
) -> dict[str, str]:
    """The environment of every container of the image; the database is migrated."""
    found = {
        "DATABASE_URL": f"postgresql://execution:{_PASSWORD}@{postgres.ips.primary}/execution",
        "REDIS_URL": celery_redis_broker.container.url,
    }
    docker_client.containers.run(
        IMAGE,
        ["execution", "migrate"],
        environment=found,
        network=default_pytest_celery_network.name,
        remove=True,
    )
    return found


def _worker(service: str) -> Any:
    return container(
        image=IMAGE,
        command=COMPOSE[service]["command"],
        environment=fxtr("service_environment"),
        network="{default_pytest_celery_network.name}",
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},  # noqa: S108 - the container's own
        wrapper_class=Worker,
        timeout=_SECONDS,
    )


worker_orders = _worker("worker-orders")
worker_binance = _worker("worker-binance")


@pytest.fixture
def celery_worker_cluster(
    worker_orders: Worker, worker_binance: Worker
) -> Iterator[CeleryWorkerCluster]:
    """The worker that takes orders in and simulates, and one of a broker without keys."""
    cluster = CeleryWorkerCluster(
        *(CeleryTestWorker(one, app=None) for one in (worker_orders, worker_binance))
    )
    yield cluster
    cluster.teardown()
