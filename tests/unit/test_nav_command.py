"""`execution arbitrage backtest`: what it prints and draws, and how it refuses a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from execution.cli import app
from execution.domain.errors import ExecutionError
from tests.nav_histories import REAL, real

HEADER = "date,gbtc_close_usd,btc_close_usd,btc_per_share"
Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, run in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["arbitrage", "backtest", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Make a CSV file of rows."""

    def make(*rows: str, header: str = HEADER) -> str:
        path = tmp_path / "closes.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return str(path)

    return make


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file, from its header."""
    begun = path.read_bytes()[:24]
    assert begun.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(begun[16:20], "big"), int.from_bytes(begun[20:24], "big")


def test_table_and_chart(command: Command, tmp_path: Path) -> None:
    """Every trade in a row, the sum in words, and a chart named after the file."""
    done = command(str(REAL))
    assert done.exit_code == 0, done.output
    assert done.stdout.count("_TRUST_") == 24
    assert "1733 observations from 2015-05-11 to 2022-03-25" in done.stdout
    assert "closed 24: 22 won, 2 lost, PnL +13,272.68 USD" in done.stdout
    assert "2015-09-14   2015-09-30" in done.stdout
    assert "chart: gbtc_btc_daily.png" in done.stdout
    assert size(tmp_path / "gbtc_btc_daily.png") == (1430, 825)


def test_json(command: Command, tmp_path: Path) -> None:
    """The same for scripts; the chart goes where it is wanted."""
    chart = tmp_path / "wanted.png"
    done = command(str(REAL), "--json", "--chart", str(chart))
    found = json.loads(done.stdout)
    assert found["summary"]["pnl"] == "13272.6821437"
    assert found["chart"] == str(chart)
    assert size(chart)[0] > 1000
    first, row = found["trades"][0], real()[87]
    assert first["entry"]["at"].startswith(row["date"])
    assert first["entry"]["coins_per_share"] == row["btc_per_share"].rstrip("0")
    assert float(first["entry"]["trust_price"]) == float(row["gbtc_close_usd"])
    assert first["entry"]["z"].startswith("2.0473")
    assert first["exit"]["exit_reason"] == "REVERTED"
    assert len(found["trades"]) == 24


def test_every_parameter_counts(command: Command) -> None:
    """Each option changes what is found, or is told in the parameters."""
    plain = json.loads(command(str(REAL), "--json", "--no-chart").stdout)
    assert plain["chart"] is None
    for option, value in (
        ("--window", "30"),
        ("--entry-z", "2.5"),
        ("--entry-spread", "0.15"),
        ("--exit-z", "0"),
        ("--longest-holding", "5"),
        ("--notional", "1000"),
        ("--share-step", "1000"),
        ("--coin-step", "0.1"),
        ("--trust-fee", "0.001"),
        ("--spot-fee", "0.001"),
        ("--borrow", "0.05"),
        ("--fill-after", "1"),
    ):
        done = command(str(REAL), "--json", "--no-chart", option, value)
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found["summary"] != plain["summary"], option
        told = str(found["parameters"])
        assert told != str(plain["parameters"]), option
        assert value in told


def test_missing_cells_and_stale_coins(command: Command, file: Callable[..., str]) -> None:
    """A missing price is told by its day; coins per share accrue until they are too old."""
    rows = ["2026-01-05,49,50000,0.001", "2026-01-06,,50000,", "2026-01-07,49,nan,"]
    rows += ["2026-01-08,49,50000,", "2026-01-20,49,50000,"]
    done = command(file(*rows), "--no-chart")
    assert done.exit_code == 0, done.output
    assert "2 observations from 2026-01-05 to 2026-01-08" in done.stdout
    assert "unusable 2026-01-06: trust price is missing\n" in done.stdout
    assert "unusable 2026-01-07: spot price NaN is no usable number\n" in done.stdout
    assert "2026-01-20: coins per share 0.001 is stale: as of 2026-01-05, 15 days" in done.stdout
    done = command(file(*rows), "--no-chart", "--coins-max-age", "15")
    assert "3 observations" in done.stdout


def test_tether(command: Command, file: Callable[..., str]) -> None:
    """Converted where the file says by how much, flagged where it does not."""
    path = file(
        "2026-01-05,49,50000,0.001,0.98", "2026-01-06,49,50000,0.001,", header=f"{HEADER},u"
    )
    done = command(path, "--no-chart", "--spot-currency", "USDT", "--conversion-column", "u")
    assert "1 spot prices were taken for dollars unconverted" in done.stdout
    done = command(path, "--no-chart", "--spot-currency", "EUR", "--conversion-column", "u")
    assert "unusable 2026-01-06: no usable quote of EUR in dollars" in done.stdout


def test_nothing_usable(command: Command, file: Callable[..., str]) -> None:
    """An empty history is told as such, and drawn all the same."""
    done = command(file())
    assert done.exit_code == 0, done.output
    assert "no observation is usable; 0 are not" in done.stdout
    assert Path("closes.png").exists()


def test_too_small_to_enter(command: Command) -> None:
    """An entry that buys no share is told with its day and its reason."""
    done = command(str(REAL), "--no-chart", "--notional", "0.1")
    assert "not entered 2015-09-14: a notional of 0.1 dollars is less than one" in done.stdout
    assert done.stdout.count("not entered ") == 20
    assert "more (--json has all)" in done.stdout


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["2026-01-05,49,abc,0.001"], "line 2: btc_close_usd is 'abc', which is not a number"),
        (["yesterday,49,50000,0.001"], "line 2: 'yesterday' is not a date like 2026-01-02"),
        (["2026-01-05,49"], None),
        (["2026-01-05,1,1,1", "2026-01-05,1,1,1"], "line 3: 2026-01-05 does not come after"),
        (["2026-01-05,1,1,1", "2026-01-04,1,1,1"], "line 3: 2026-01-04 does not come after"),
    ],
)
def test_rows(
    command: Command, file: Callable[..., str], rows: list[str], message: str | None
) -> None:
    """What is not to be read is refused by line, column and value; a short row lacks prices."""
    done = command(file(*rows), "--no-chart")
    if message is None:
        assert "spot price is missing; coins per share are missing" in done.stdout
    else:
        assert isinstance(done.exception, ExecutionError)
        assert message in str(done.exception)


def test_files_that_cannot_be_read(
    command: Command, file: Callable[..., str], tmp_path: Path
) -> None:
    """A missing file, one that is no text, one without the columns, a chart without a folder."""
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    for arguments, message in (
        (["missing.csv"], "missing.csv cannot be read: No such file"),
        ([str(binary)], "is not UTF-8 text"),
        ([file(header="date,price")], "has no column btc_close_usd, btc_per_share, gbtc_close_usd"),
        ([str(REAL), "--chart", "no/such/folder.png"], "folder.png cannot be written: No such"),
    ):
        done = command(*arguments)
        assert isinstance(done.exception, ExecutionError), done.output
        assert message in str(done.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--exit-z", "3"],
        ["--entry-z", "much"],
        ["--window", "1"],
        ["--notional", "-1"],
        ["--trust-fee", "nan"],
        ["--longest-holding", "nan"],
        ["--longest-holding", "0"],
        ["--fill-after", "-1"],
        ["--annual-fee", "2"],
    ],
)
def test_wrong_usage(command: Command, arguments: list[str]) -> None:
    """An option that makes no sense is wrong usage, exit status 2."""
    done = command(str(REAL), "--no-chart", *arguments)
    assert done.exit_code == 2, done.output


def test_without_the_charts_extra(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The table is printed, and in words that there is no chart; asked for by name, it fails."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = command(str(REAL))
    assert done.exit_code == 0
    assert done.stdout.count("_TRUST_") == 24
    assert "chart:" not in done.stdout
    assert "no chart: matplotlib is not installed; it comes with the extra `charts`" in done.stderr
    done = command(str(REAL), "--chart", "wanted.png")
    assert done.stdout.count("_TRUST_") == 24
    assert isinstance(done.exception, ExecutionError)
    assert list(tmp_path.glob("*.png")) == []


def test_matplotlib_is_imported_late(tmp_path: Path) -> None:
    """The command line and a backtest without a chart do without it; no service, no database."""
    script = (
        "import sys\n"
        "from execution.cli import main\n"
        f"sys.argv = ['execution', 'arbitrage', 'backtest', {str(REAL)!r}, '--no-chart']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    assert 'matplotlib' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REAL.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert "24 trades" in done.stdout
    assert list(tmp_path.iterdir()) == []
