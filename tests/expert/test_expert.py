"""The Expert Advisor, built with g++, at a real bridge over HTTP and a simulated trade server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from simulators.mt4_terminal.terminal import JOURNAL_NAME

from .cases import CASES, Case, run_case
from .kills import run_kills
from .rig import TERMINAL, Rig, eventually, in_seconds

OLD = 1_000


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, tmp_path: Path, expert: Path) -> None:
    """One of the cases that the terminal in Python passes, too."""
    asyncio.run(run_case(case, tmp_path, expert))


def test_kills(tmp_path: Path, expert: Path) -> None:
    """Bridge, trade server and expert killed under load: nothing lost, nothing doubled."""
    asyncio.run(run_kills(tmp_path, expert, seed=8))


async def _another(rig: Rig, *arguments: str) -> asyncio.subprocess.Process:
    """An expert beside the rig's own, at the same trade server."""
    assert rig.expert is not None
    return await asyncio.create_subprocess_exec(
        str(rig.expert),
        *("--trade-port", str(rig.venue.port)),
        *("--input", f"BridgeUrl={rig.bridge.url}", "--input", "PollMilliseconds=20"),
        *arguments,
        env={"EXPERT_TOKEN": TERMINAL},
        stderr=asyncio.subprocess.PIPE,
    )


def test_one_expert_to_a_journal(tmp_path: Path, expert: Path) -> None:
    """A second one on the same journal, as on another chart, does not start."""

    async def main() -> None:
        async with Rig(tmp_path, expert) as rig:
            second = await _another(rig, "--folder", str(tmp_path / "terminal"))
            _, said = await second.communicate()
            assert second.returncode == 1
            assert b"another chart" in said

    asyncio.run(main())


@pytest.mark.parametrize(("skew", "offset"), [(3600, 180), (-3600, 120), (-3600, 240)])
def test_a_clock_that_is_wrong(tmp_path: Path, expert: Path, skew: int, offset: int) -> None:
    """Any clock that is past `valid_until` ends a command: computer's, server's or bridge's.

    The market requotes for ever, so that only a clock can end the tries. In the last case both
    the computer's and the server's are an hour slow, and only the bridge's is left.
    """

    async def main() -> None:
        async with Rig(tmp_path, expert) as rig:
            await rig.venue.runner.stop()
            folder = tmp_path / "skewed"
            (folder / "crash").mkdir(parents=True)
            rig.venue.faults.arm({"kind": "reject", "code": "138", "times": 10**9})
            inputs = {"ServerOffsetMinutes": offset, "MaxTries": 10**9, "RetryMilliseconds": 10}
            given = [
                part for item in inputs.items() for part in ("--input", "=".join(map(str, item)))
            ]
            skewed = await _another(rig, "--folder", str(folder), "--clock-skew", str(skew), *given)
            try:
                _, placed = await rig.place(wait=0, valid_until=in_seconds(2))
                body = await rig.settled(placed["id"])
                tried = rig.venue.faults.as_json()["fired"]["reject"]
                expected = ("too_late", "NO") if skew > 0 or offset < 180 else ("138", "YES")
                assert (body["outcome"], body["code"], body["sent"]) == ("FAILED", *expected)
                assert bool(tried) == (body["sent"] == "YES")
            finally:
                skewed.kill()
                await skewed.communicate()

    asyncio.run(main())


def _old_journal(folder: Path, age: float = 0.0) -> Path:
    """A journal with much that the bridge has had for days, or will have had in `age` seconds."""
    folder.mkdir()
    at = 1 if not age else round((time.time() - 2 * 86_400 + age) * 1000)
    lines = ["JOURNAL\tid=kept-name\tend=1", f"SEND\tat={at}\tid=cut sh"]
    for number in range(OLD + 1):
        lines += [
            f"SEND\tat={at}\tat_server=1\tid=old{number}\tkind=PLACE\tend=1",
            f"RESULT\tid=old{number}\toutcome=DONE\tsent=YES\tat={at}\tend=1",
            f"ACK\tid=old{number}\tend=1",
        ]
    lines += [f"RESULT\tid=unreported\toutcome=FAILED\tsent=NO\tat={at}\tend=1"]
    journal = folder / JOURNAL_NAME
    journal.write_text("\r\n".join(lines), encoding="ascii")
    return journal


def _refuse(folder: Path, *what: str) -> None:
    """What the terminal's files cannot do from now on."""
    (folder / "refused").mkdir()
    for name in what:
        (folder / "refused" / name).touch()


def _text(journal: Path) -> str:
    """What a journal holds, and nothing while it has another name."""
    return journal.read_text(encoding="ascii") if journal.exists() else ""


async def _acknowledged(journal: Path, name: str) -> None:
    async def written() -> bool:
        return f"ACK\tid={name}" in _text(journal)

    await eventually(written)


@pytest.mark.parametrize("age", [0.0, 4.0])
def test_the_journal_is_kept_short(tmp_path: Path, expert: Path, age: float) -> None:
    """What the bridge has had for days is dropped, at the start or later; the rest stays."""
    journal = _old_journal(tmp_path / "terminal", age)

    async def main() -> None:
        async with Rig(tmp_path, expert) as rig:
            _, health = await rig.ask("/health")
            assert health["terminal"] == "kept-name"
            await _acknowledged(journal, "unreported")
            _, before = await rig.place()

            async def is_short() -> bool:
                return "kept-name" in _text(journal) and "old" not in _text(journal)

            await eventually(is_short)
            _, after = await rig.place()
            assert before["outcome"] == after["outcome"] == "DONE"
            await _acknowledged(journal, after["id"])
            text = _text(journal)
            assert text.count(f"id={before['id']}\t") == 3
            assert len(text.splitlines()) < 20

    asyncio.run(main())


@pytest.mark.parametrize(
    "refused",
    [f"move {JOURNAL_NAME}.new", f"delete {JOURNAL_NAME}"],
)
def test_a_journal_that_cannot_be_compacted(tmp_path: Path, expert: Path, refused: str) -> None:
    """It stays as it was, every line of it, and the work goes on."""
    journal = _old_journal(tmp_path / "terminal")
    _refuse(journal.parent, refused)

    async def main() -> None:
        async with Rig(tmp_path, expert) as rig:
            await _acknowledged(journal, "unreported")
            _, placed = await rig.place()
            assert placed["outcome"] == "DONE"
            assert "old1000" in _text(journal)
            assert (await rig.ask("/health"))[1]["terminal"] == "kept-name"

    asyncio.run(main())


def test_a_journal_that_cannot_get_its_name_back(tmp_path: Path, expert: Path) -> None:
    """Nothing is begun in its place, not even by another start; when it can, it goes on."""
    journal = _old_journal(tmp_path / "terminal")
    _refuse(journal.parent, f"move {JOURNAL_NAME}")

    async def main() -> None:
        async with Rig(tmp_path, expert, healthy=False) as rig:

            async def tried() -> bool:
                return rig.venue.runner.starts > 2

            await eventually(tried)
            assert not journal.exists()
            assert "unreported" in _text(journal.with_name(f"{JOURNAL_NAME}.new"))
            (journal.parent / "refused" / f"move {JOURNAL_NAME}").unlink()
            await rig.until_healthy()
            assert (await rig.ask("/health"))[1]["terminal"] == "kept-name"
            await _acknowledged(journal, "unreported")

    asyncio.run(main())


def test_a_split_without_an_empty_end(tmp_path: Path, expert: Path) -> None:
    """Whether StringSplit gives an empty element behind the last separator is not documented."""

    async def main() -> None:
        async with Rig(tmp_path, expert) as rig:
            await rig.venue.runner.stop()
            (tmp_path / "short" / "crash").mkdir(parents=True)
            inputs = ("--input", "Symbols=EURUSD,")
            other = await _another(
                rig, "--folder", str(tmp_path / "short"), "--split", "short", *inputs
            )
            try:
                _, placed = await rig.place(wait=10)
                assert (placed["outcome"], placed["state"]) == ("DONE", "FILLED")
            finally:
                other.kill()
                await other.communicate()

    asyncio.run(main())
