"""Alert rules, dashboard and runbooks: what is written in one stands in the others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from execution.domain import reconciliation
from execution.store import alerts

ROOT = Path(__file__).parents[2]
GROUPS = yaml.safe_load((ROOT / "operations/prometheus/alerts.yml").read_text("utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "operations/grafana/execution.json").read_text("utf-8"))
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text("utf-8")
EXPRESSIONS = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_rule_is_whole(rule: dict[str, Any]) -> None:
    """Its expression parses; it says how bad it is, what it means and where to read on."""
    promql_parser.parse(rule["expr"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    kind = "{{ $labels.kind | toLower }}"
    anchor = kind if rule["alert"] == "ExecutionAlertOpen" else rule["alert"].lower()
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{anchor}"


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_panel_parses(title: str, expression: str) -> None:
    """What a panel asks for is PromQL, once Grafana has put in its interval."""
    promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    assert title


def test_what_is_no_promql_is_noticed() -> None:
    """The parser refuses what Prometheus would."""
    with pytest.raises(ValueError, match="unclosed"):
        promql_parser.parse("sum(execution_orders")


def test_a_runbook_for_each_alert() -> None:
    """Every rule and every kind of alert has a section; no section is of anything else."""
    sections = re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(sections) == {rule["alert"] for rule in RULES} | set(alerts.KINDS)


def test_every_section_says_something() -> None:
    """A section has a meaning and at least one thing to look at or to do."""
    for section in re.split(r"^## ", RUNBOOKS, flags=re.MULTILINE)[1:]:
        name, _, said = section.partition("\n")
        assert said.strip(), name
        assert name == "ExecutionAlertOpen" or re.search(r"^- (Look|Do)", said, re.MULTILINE), name


def test_every_kind_is_listed() -> None:
    """No constant of a kind is missing from the list that the runbooks are held against."""
    for module in (alerts, reconciliation):
        named = {
            value
            for name, value in vars(module).items()
            if name.isupper() and value == name and not name.startswith("_")
        }
        assert named <= set(alerts.KINDS), module.__name__
    assert list(alerts.KINDS) == sorted(set(alerts.KINDS))


def test_operations_lists_the_same_kinds() -> None:
    """docs/operations.md has a row for each kind of alert."""
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    rows = re.findall(r"^\| ([A-Z_, ]+) \|", page, re.MULTILINE)
    assert {kind for row in rows for kind in row.split(", ")} == set(alerts.KINDS)
