"""A part of `make crash-matrix` and of `make fencing`, for every run of the tests."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.chaos.fencing import fleet_of, late_send
from tests.chaos.flows import FLOWS
from tests.chaos.matrix_cells import AT_ONCE, Matrix
from tests.chaos.matrix_points import Cell, listed
from tests.chaos.matrix_progress import Totals
from tests.fleet import Fleet, Servers, flush

# Which points is drawn anew for each run; all of them take `make crash-matrix`.
SAMPLE = {"kill": 2, "raise": 8, "hang": 3}
OF_BRACKETS = {"kill": 1, "raise": 4, "hang": 2}


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Two workers for the broker, with short leases."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("matrix") / "home"
    with fleet_of(module_database_url, servers.valkey.url, home) as fleet:
        yield fleet


@pytest.mark.parametrize("flow", ["paper", "live", "cancelled", "paper-bracket"])
def test_small_matrix(fleet: Fleet, flow: str) -> None:
    """Some cells of each way: all fire, every order ends as it must, the oracle is content."""
    totals = Totals()
    matrix = Matrix(fleet, "in-place", totals)
    points = [point for point in listed() if (point.mode, point.flow) == ("in-place", flow)]
    for kind, most in (OF_BRACKETS if flow == "paper-bracket" else SAMPLE).items():
        count = min(most, AT_ONCE[kind], len(points))
        chosen = random.sample(points, count)
        matrix.run(FLOWS[flow], kind, [Cell(point, kind) for point in chosen])
    matrix.judge()
    assert not totals.problems
    assert totals.faults == totals.cells > 0


def test_late_sends_are_fenced(fleet: Fleet) -> None:
    """Two rounds: a worker stopped before its send goes on after another has sent."""
    for _ in range(2):
        late_send(fleet)
    fleet.judge()
