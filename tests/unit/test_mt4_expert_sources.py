"""What can be told of the Expert Advisor's sources without building them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulators.mt4_terminal.crashes import CrashPoint
from simulators.mt4_terminal.errors import class_of, never_left

EXPERT = Path(__file__).parents[2] / "mt4_bridge" / "expert"
SOURCES = [EXPERT / "SuperintelBridge.mq4", *sorted((EXPERT / "SuperintelBridge").glob("*.mqh"))]
# What brokers and field reports say: these leave the outcome open, these pass, these are final.
UNKNOWN = {1, 6, 7, 9, 128, 137, 139, 142, 143}
RETRY = {4, 8, 129, 135, 136, 138, 141, 146}
FINAL = {130, 131, 132, 133, 134, 148}


def _body(function: str) -> str:
    text = (EXPERT / "SuperintelBridge" / "Errors.mqh").read_text(encoding="ascii")
    start = text.index(f" {function}(int code)")
    return text[start : text.index("\n}\n", start)]


def _codes(text: str) -> set[int]:
    return {int(code) for code in re.findall(r"case (\d+):", text)}


def test_every_error_is_classified_as_in_python() -> None:
    """The expert's table and the simulated terminal's are one."""
    retry, _, final = _body("ClassOf").partition("return ERROR_RETRY;")
    assert _codes(retry) == {code for code in range(5000) if class_of(code) == "RETRY"}
    listed = _codes(final) | _codes(_body("NeverLeft"))
    assert listed == {code for code in range(5000) if class_of(code) == "FINAL"}
    assert _codes(_body("NeverLeft")) == {code for code in range(5000) if never_left(code)}


def test_classes_are_those_of_the_documents() -> None:
    """What must not be sent again, what may be, and what need not be."""
    assert {class_of(code) for code in UNKNOWN} == {"UNKNOWN"}
    assert {class_of(code) for code in RETRY} == {"RETRY"}
    assert {class_of(code) for code in FINAL} == {"FINAL"}
    assert class_of(0) == class_of(65_000) == "UNKNOWN"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_keep_to_both_languages(path: Path) -> None:
    """ASCII, no C++ headers, no words that only one of the two languages has."""
    text = path.read_text(encoding="ascii")
    code = re.sub(r'//[^\n]*|"[^"\n]*"|#define LIST[^\n]*', "", text)
    assert not re.search(r"#include\s*<", code)
    only_one = r"\b(auto|nullptr|std|template|constexpr|namespace|goto|delete|StringFormat)\b"
    assert not re.search(only_one, code)
    assert not re.search(r"\b\w+ \w+\[\]", code), "lists are declared with LIST"


def test_one_call_to_each_trade_function() -> None:
    """Orders leave at one place only, behind the journal."""
    code = "".join(path.read_text(encoding="ascii") for path in SOURCES)
    for function in ("OrderSend", "OrderClose", "OrderDelete", "OrderModify", "WebRequest"):
        assert len(re.findall(rf"\b{function}\(", code)) == 1, function


def test_the_shim_dies_where_the_simulator_orders_it() -> None:
    """Every crash point is looked for by the shim."""
    shim = "".join(path.read_text(encoding="ascii") for path in (EXPERT / "shim").iterdir())
    assert set(re.findall(r'(?:reach|is_due)\("(\w+)"\)', shim)) == {
        point.value for point in CrashPoint
    }
