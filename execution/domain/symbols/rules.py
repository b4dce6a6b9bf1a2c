"""The rule of each asset class; a sixth asset class is one module and one line here."""

from __future__ import annotations

from execution.domain.symbols import crypto, equity, future, fx, option
from execution.domain.symbols.ticker import Rule
from execution.domain.vocabulary import AssetClass

RULES: dict[AssetClass, Rule] = {
    module.RULE.asset_class: module.RULE for module in (equity, option, future, fx, crypto)
}
