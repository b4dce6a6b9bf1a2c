"""Mistakes about what venues report: which execution it is, when, of which contract and account."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_IDENTITY = "tests/integration/test_execution_identity.py"
_TIMES = "tests/unit/test_ibkr_times.py"
_CONTRACTS = "tests/unit/test_ibkr_contracts.py"

BUGS = (
    Bug(
        "our spelling of a symbol is part of what identifies an execution",
        "execution/store/reports.py",
        '"instrument_key": execution.instrument_key or "",',
        '"instrument_key": execution.instrument_key or execution.symbol,',
        (f"{_IDENTITY}::test_one_execution_in_two_spellings_is_one",),
    ),
    Bug(
        "an execution of ours is booked under the symbol as the venue spells it now",
        "execution/store/reports.py",
        "r.instrument_key, coalesce(a.symbol, r.symbol) AS symbol, r.side,",
        "r.instrument_key, r.symbol AS symbol, r.side,",
        (f"{_IDENTITY}::test_an_execution_of_ours_is_of_its_orders_instrument",),
    ),
    Bug(
        "a revised commission is taken for the first one again",
        "execution/store/reports.py",
        "        ELSE last.revision + 1 END AS revision",
        "        ELSE last.revision END AS revision",
        (f"{_IDENTITY}::test_a_revised_commission_is_no_duplicate",),
    ),
    Bug(
        "a contract's symbol is what TWS spells it like (localSymbol)",
        "workers/adapters/ibkr/naming.py",
        '        case "FUT" if month := _contract_month(contract, details):\n'
        "            return future.code(_class(contract), month)",
        '        case "FUT" if contract.localSymbol:\n            return str(contract.localSymbol)',
        (_CONTRACTS,),
    ),
    Bug(
        "a contract that is known gets another symbol when it is seen again",
        "execution/store/venue_contracts.py",
        "    ON CONFLICT (broker, contract_id) DO NOTHING\n",
        "    ON CONFLICT (broker, contract_id) DO UPDATE SET symbol = excluded.symbol\n",
        ("tests/integration/test_venue_contracts.py",),
    ),
    Bug(
        "an abbreviated time zone is not read: an execution has no time",
        "workers/adapters/ibkr/times.py",
        "        return ZoneInfo(_PLACES.get(name, name))",
        "        return ZoneInfo(name)",
        (_TIMES,),
    ),
    Bug(
        "an execution's time without a zone is UTC, whatever zone the login has",
        "workers/adapters/ibkr/times.py",
        '    zone = _zone(name, day, login) if name else UTC if separator == "-" else login',
        "    zone = _zone(name, day, login) if name else UTC",
        (_TIMES,),
    ),
    Bug(
        "an account that the login does not own is taken for its own",
        "execution/domain/accounts.py",
        "        if asked in {MAIN, alias}:\n            return self.default",
        "        if asked:\n            return self.default",
        ("tests/unit/test_accounts.py",),
    ),
)
