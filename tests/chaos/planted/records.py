"""Mistakes about what is recorded: accounts, costs, bookings, and what nobody can read."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_ACCOUNTS = "tests/brokers/test_ibkr_accounts.py"
_ADAPTER = "tests/integration/test_ibkr_adapter.py"

BUGS = (
    Bug(
        "two readings of the clock decide whether a failure opened the breaker",
        "execution/store/breakers.py",
        "            RETURNING opens\n",
        "            RETURNING opened_at = clock_timestamp() AS opens\n",
        ("tests/integration/test_clocks.py",),
    ),
    Bug(
        "what the database does not take is tried for ever, and all other news wait",
        "workers/recording.py",
        "_OF_DATA = (\n    ValueError,\n    psycopg2.DataError,\n    psycopg2.IntegrityError,\n"
        "    exc.DataError,\n    exc.IntegrityError,\n)",
        "_OF_DATA = ()",
        ("tests/integration/test_reconciling.py::test_what_the_database_does_not_take",),
    ),
    Bug(
        "limits go by the account that was named, not by the real one",
        "execution/store/exposure.py",
        """    AND (SELECT a.account FROM order_attempts a WHERE a.order_id = o.order_id
        AND a.attempt_no = o.attempt_no AND a.leg = 0) = CAST(:account AS text)\"\"\"""",
        '''    AND o.account = CAST(:account AS text)"""''',
        ("tests/integration/test_gate.py::test_an_account_counts_whatever_it_is_called",),
    ),
    Bug(
        "an execution that names its account is of the login's own",
        "execution/store/reports.py",
        "        coalesce(r.account, a.account, r.of_account) AS account,",
        "        r.of_account AS account,",
        (f"{_ACCOUNTS}::test_executions_and_positions_of_each_account_by_themselves",),
    ),
    Bug(
        "positions at Interactive Brokers are all of one account",
        "workers/adapters/ibkr/recognising.py",
        "decimal(one.position), account=str(one.account)\n",
        "decimal(one.position)\n",
        (f"{_ADAPTER}::test_positions_have_our_symbols_and_no_price",),
    ),
    Bug(
        "a fee in the base asset costs nothing",
        "execution/domain/positions.py",
        "            worth = fill.base_commission * fill.price * multiplier",
        "            worth = Decimal(0)",
        ("tests/unit/test_positions.py",),
    ),
    Bug(
        "costs of different currencies are added to each other",
        "execution/domain/positions.py",
        "    currency, amount = paid\n",
        "    currency, amount = UNKNOWN_CURRENCY, paid[1]\n",
        ("tests/unit/test_positions.py",),
    ),
    Bug(
        "a booking at a spot venue is taken for a trade that was paid",
        "execution/store/reconciling.py",
        " AND status <> 'BOOKED'\n",
        "\n",
        ("tests/integration/test_bookings.py::test_a_transfer_at_a_spot_venue_moves_no_money",),
    ),
    Bug(
        "a booking that is asked for twice is booked twice",
        "execution/domain/booking.py",
        '{self.name or self._content()}"',
        '{id(self)}"',
        ("tests/unit/test_booking.py::test_once",),
    ),
    Bug(
        "an execution whose time cannot be read is lost",
        "workers/adapters/answers.py",
        "    except _SENSELESS:\n        return now(), str(value)",
        "    except _SENSELESS:\n        raise",
        ("tests/unit/test_binance_wire.py::test_a_trade_whose_time_cannot_be_read",),
    ),
    Bug(
        "an execution booked with the time of its receipt says so nowhere",
        "execution/store/executions.py",
        "    if report.unread_time is not None:\n        _alert_of_time(connection, report)\n",
        "",
        ("tests/brokers/test_unreadable.py::test_a_time_that_cannot_be_read",),
    ),
    Bug(
        "a message of TWS that cannot be read is lost without a word",
        "workers/adapters/ibkr/decoding.py",
        "                self._hears.unreadable(ABOUT_ORDERS[kind], received, error)\n",
        "",
        ("tests/unit/test_ibkr_decoding.py",),
    ),
    Bug(
        "a field that nobody needs costs the whole execution",
        "workers/adapters/ibkr/decoding.py",
        "    try:\n        return float(text or 0)\n    except ValueError:\n        return 0.0",
        "    return float(text)",
        ("tests/unit/test_ibkr_decoding.py",),
    ),
    Bug(
        "the hour that clocks go through twice is read as the earlier one",
        "workers/adapters/ibkr/times.py",
        "for fold in (1, 0)]",
        "for fold in (0,)]",
        ("tests/unit/test_ibkr_times.py",),
    ),
    Bug(
        "a time without a readable zone is told as if it had been read",
        "workers/adapters/ibkr/fills.py",
        "            unread_time=None if executed_at else str(execution.time),",
        "            unread_time=None,",
        ("tests/unit/test_ibkr_fills.py",),
    ),
    Bug(
        "an option of another class (SPXW for SPX) is what was asked for",
        "workers/adapters/ibkr/contracts.py",
        '        terms.append(("trading class", contract.tradingClass, instrument.trading_class))',
        "        pass",
        ("tests/unit/test_ibkr_contracts.py",),
    ),
    Bug(
        "a contract of another multiplier (a mini) is what was asked for",
        "workers/adapters/ibkr/contracts.py",
        '        ("multiplier", listed.multiplier, instrument.multiplier),\n',
        "",
        ("tests/unit/test_ibkr_contracts.py",),
    ),
    Bug(
        "a share of a class is asked for as we spell it (BRK.B)",
        "workers/adapters/ibkr/contracts.py",
        '    return symbol.replace(".", " ")',
        "    return symbol",
        ("tests/unit/test_ibkr_contracts.py",),
    ),
    Bug(
        "which symbol a contract has is forgotten when its worker restarts",
        "workers/adapters/ibkr/contracts.py",
        "        self._symbols |= await self._map.names(wanted)\n",
        "",
        ("tests/unit/test_ibkr_contracts.py",),
    ),
)
