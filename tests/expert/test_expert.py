"""The Expert Advisor, built with g++, at a real bridge over HTTP and a simulated trade server."""

from __future__ import annotations

import asyncio
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


def test_the_journal_is_kept_short(tmp_path: Path, expert: Path) -> None:
    """What the bridge has had for days is dropped at the start; the name and the rest stay."""
    folder = tmp_path / "terminal"
    folder.mkdir()
    lines = ["JOURNAL\tid=kept-name\tend=1", "SEND\tat=1\tid=cut sh"]
    for number in range(OLD + 1):
        lines += [
            f"SEND\tat=1\tat_server=1\tid=old{number}\tkind=PLACE\tend=1",
            f"RESULT\tid=old{number}\toutcome=DONE\tsent=YES\tat=1\tend=1",
            f"ACK\tid=old{number}\tend=1",
        ]
    lines += ["RESULT\tid=unreported\toutcome=FAILED\tsent=NO\tat=1\tend=1"]
    journal = folder / JOURNAL_NAME
    journal.write_text("\r\n".join(lines), encoding="ascii")

    async def main() -> None:
        async with Rig(tmp_path, expert) as rig:
            _, health = await rig.ask("/health")
            assert health["terminal"] == "kept-name"

            async def acknowledged() -> bool:
                return "ACK\tid=unreported" in journal.read_text(encoding="ascii")

            await eventually(acknowledged)
            text = journal.read_text(encoding="ascii")
            assert "old" not in text
            assert len(text.splitlines()) < 10
            _, placed = await rig.place()
            assert placed["outcome"] == "DONE"

    asyncio.run(main())
