--
-- PostgreSQL database dump
--


-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: guard_paper_and_live(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.guard_paper_and_live() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'attempt %: what it is, paper or live, and whose, does not change',
            NEW.attempt_id USING ERRCODE = 'check_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.order_id::text, 0));
    IF NEW.execution_mode = 'PAPER' AND EXISTS (
        SELECT FROM order_attempts
        WHERE order_id = NEW.order_id AND execution_mode = 'LIVE'
          AND attempt_id <> NEW.attempt_id
          AND NOT (state = 'REJECTED' AND filled_quantity = 0)
    ) THEN
        RAISE EXCEPTION 'order %: a paper attempt may follow a live one only when that one was '
            'definitely refused or never left', NEW.order_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.execution_mode = 'LIVE' AND EXISTS (
        SELECT FROM order_attempts
        WHERE order_id = NEW.order_id AND execution_mode = 'PAPER'
          AND attempt_id <> NEW.attempt_id
    ) THEN
        RAISE EXCEPTION 'order %: a live attempt may not follow a paper one', NEW.order_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: name_the_account_meant(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.name_the_account_meant() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE own text;
BEGIN
    SELECT account INTO own FROM broker_accounts
    WHERE broker = NEW.broker AND NEW.account IN ('main', alias);
    IF own IS NOT NULL THEN
        NEW.account := own;
    END IF;
    RETURN NEW;
END $$;


--
-- Name: name_the_real_account(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.name_the_real_account() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE own text;
BEGIN
    SELECT account INTO own FROM broker_accounts
    WHERE broker = NEW.broker AND alias IS NOT NULL AND NOT EXISTS (
        SELECT FROM broker_accounts WHERE broker = NEW.broker AND account = NEW.account);
    IF own IS NOT NULL THEN
        NEW.account := own;
    END IF;
    RETURN NEW;
END $$;


--
-- Name: risk_controls_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.risk_controls_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
    LOCK TABLE order_gate IN EXCLUSIVE MODE;
    UPDATE risk_controls SET version = version + 1;
    RETURN NULL;
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: account_balances; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.account_balances (
    broker text NOT NULL,
    account text NOT NULL,
    balances jsonb NOT NULL,
    heard_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: COLUMN account_balances.account; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.account_balances.account IS 'as the venue names it';


--
-- Name: COLUMN account_balances.balances; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.account_balances.balances IS 'amounts by currency, as text';


--
-- Name: account_snapshots; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.account_snapshots (
    broker text NOT NULL,
    account text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    as_of timestamp with time zone NOT NULL,
    balances jsonb NOT NULL
);


--
-- Name: COLUMN account_snapshots.account; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.account_snapshots.account IS 'as the venue names it';


--
-- Name: COLUMN account_snapshots.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.account_snapshots.as_of IS 'the venue''s time of the last change';


--
-- Name: COLUMN account_snapshots.balances; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.account_snapshots.balances IS 'amounts by currency, as text';


--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: alerts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alerts (
    alert_id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    order_id uuid,
    broker text,
    message text NOT NULL,
    resolved_at timestamp with time zone
);


--
-- Name: COLUMN alerts.key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.key IS 'one alert for each kind and key';


--
-- Name: alerts_alert_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.alerts ALTER COLUMN alert_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.alerts_alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: bookings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bookings (
    booking_id uuid NOT NULL,
    broker text NOT NULL,
    environment text NOT NULL,
    account text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    went jsonb NOT NULL,
    came jsonb NOT NULL,
    evidence text NOT NULL,
    booked_by text NOT NULL,
    booked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    reversed_at timestamp with time zone,
    reversed_by text,
    reversal_evidence text
);


--
-- Name: COLUMN bookings.went; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.bookings.went IS 'as it was said';


--
-- Name: COLUMN bookings.came; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.bookings.came IS 'as it was said';


--
-- Name: brackets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.brackets (
    parent_order_id uuid NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    due_at timestamp with time zone,
    resends integer DEFAULT 0 NOT NULL,
    lease_owner uuid,
    lease_until timestamp with time zone,
    taken numeric DEFAULT '0'::numeric NOT NULL,
    flatten numeric DEFAULT '0'::numeric NOT NULL,
    short_since timestamp with time zone,
    failures smallint DEFAULT '0'::smallint NOT NULL,
    retry_at timestamp with time zone,
    bare_since timestamp with time zone,
    bare numeric,
    over boolean DEFAULT false NOT NULL,
    symbol text NOT NULL,
    closed numeric DEFAULT '0'::numeric NOT NULL,
    CONSTRAINT brackets_closed_range_check CHECK (((closed >= (0)::numeric) AND (closed <= taken))),
    CONSTRAINT brackets_flatten_range_check CHECK ((flatten >= (0)::numeric)),
    CONSTRAINT brackets_taken_range_check CHECK ((taken >= (0)::numeric))
);


--
-- Name: COLUMN brackets.version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.version IS 'raised with every change of a member';


--
-- Name: COLUMN brackets.due_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.due_at IS 'when the family is to be looked at';


--
-- Name: COLUMN brackets.lease_owner; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.lease_owner IS 'who is fitting it';


--
-- Name: COLUMN brackets.taken; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.taken IS 'of its position, what other exits have taken or are about to';


--
-- Name: COLUMN brackets.flatten; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.flatten IS 'what is to be closed at the market';


--
-- Name: COLUMN brackets.short_since; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.short_since IS 'since when more is open than is covered';


--
-- Name: COLUMN brackets.failures; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.failures IS 'changes in a row that the venue refused or did not answer';


--
-- Name: COLUMN brackets.retry_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.retry_at IS 'no change goes to the venue before';


--
-- Name: COLUMN brackets.bare_since; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.bare_since IS 'since when some of it may have no working stop';


--
-- Name: COLUMN brackets.bare; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.bare IS 'what has none, once that was reported; entries are refused';


--
-- Name: COLUMN brackets.over; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.over IS 'its parent is final, nothing of it stands, and nothing more is to';


--
-- Name: COLUMN brackets.closed; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.brackets.closed IS 'as much of that as others have closed for good';


--
-- Name: breakers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.breakers (
    broker text NOT NULL,
    state text DEFAULT 'CLOSED'::text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    total_failures bigint DEFAULT '0'::bigint NOT NULL,
    reason text,
    opened_at timestamp with time zone,
    probe_owner uuid,
    probe_until timestamp with time zone,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: COLUMN breakers.failures; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.breakers.failures IS 'in a row';


--
-- Name: broker_accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.broker_accounts (
    broker text NOT NULL,
    account text NOT NULL,
    owned boolean NOT NULL,
    alias text,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    converted jsonb,
    converted_at timestamp with time zone
);


--
-- Name: COLUMN broker_accounts.account; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.broker_accounts.account IS 'as the venue names it';


--
-- Name: COLUMN broker_accounts.owned; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.broker_accounts.owned IS 'by the login that connected last';


--
-- Name: COLUMN broker_accounts.alias; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.broker_accounts.alias IS 'of the default account: what we call it, beside main';


--
-- Name: COLUMN broker_accounts.converted; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.broker_accounts.converted IS 'labels of the release before that became this account';


--
-- Name: broker_sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.broker_sessions (
    session_id uuid NOT NULL,
    broker text NOT NULL,
    worker text NOT NULL,
    account text,
    status text NOT NULL,
    detail text,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    force_paper boolean DEFAULT false NOT NULL
);


--
-- Name: COLUMN broker_sessions.worker; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.broker_sessions.worker IS 'host and process id';


--
-- Name: COLUMN broker_sessions.force_paper; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.broker_sessions.force_paper IS 'sends nothing new to a live broker';


--
-- Name: candles; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.candles (
    broker text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume numeric NOT NULL,
    fetched_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: dead_letters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.dead_letters (
    dead_letter_id bigint NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    queue text NOT NULL,
    task text NOT NULL,
    message_id text NOT NULL,
    reason text NOT NULL,
    headers text NOT NULL,
    body text NOT NULL,
    size bigint NOT NULL,
    unrecorded bigint DEFAULT '0'::bigint NOT NULL
);


--
-- Name: COLUMN dead_letters.unrecorded; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.unrecorded IS 'messages refused before this one that have no row';


--
-- Name: dead_letters_dead_letter_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.dead_letters ALTER COLUMN dead_letter_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letters_dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: environment_stamp; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.environment_stamp (
    single boolean DEFAULT true NOT NULL,
    environment text NOT NULL,
    accounts jsonb DEFAULT '{}'::jsonb NOT NULL,
    stamped_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT environment_stamp_single_row_check CHECK (single)
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    event_no bigint NOT NULL,
    event_id uuid NOT NULL,
    stream text NOT NULL,
    sequence bigint,
    type text NOT NULL,
    order_id uuid,
    payload json NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT events_payload_check CHECK (((json_typeof(payload) = 'object'::text) AND ((payload ->> 'event_id'::text) IS NOT NULL))),
    CONSTRAINT events_stream_check CHECK ((stream = ANY (ARRAY['orders'::text, 'fills'::text])))
);


--
-- Name: COLUMN events.sequence; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.events.sequence IS 'null until published; gap-free per stream';


--
-- Name: events_event_no_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.events ALTER COLUMN event_no ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.events_event_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: execution_reports; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.execution_reports (
    report_id bigint NOT NULL,
    broker text NOT NULL,
    environment text NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    execution_id text NOT NULL,
    kind text NOT NULL,
    execution_mode text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    commission numeric,
    commission_currency text,
    corrects text,
    executed_at timestamp with time zone NOT NULL,
    venue_order_id text,
    broker_order_id text,
    order_id uuid,
    attempt_id uuid,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_at timestamp with time zone,
    instrument_key text DEFAULT ''::text NOT NULL,
    revision smallint DEFAULT '0'::smallint NOT NULL,
    unread_time text,
    CONSTRAINT execution_reports_price_range_check CHECK (((price > '-1000000000000000'::numeric) AND (price < '1000000000000000'::numeric))),
    CONSTRAINT execution_reports_quantity_range_check CHECK (((quantity >= (0)::numeric) AND (quantity < '10000000000000000'::numeric)))
);


--
-- Name: COLUMN execution_reports.instrument_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.execution_reports.instrument_key IS 'the venue''s own instrument, where its execution ids are unique per instrument; else empty';


--
-- Name: COLUMN execution_reports.revision; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.execution_reports.revision IS 'of a commission or correction that came again with other values';


--
-- Name: COLUMN execution_reports.unread_time; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.execution_reports.unread_time IS 'what the venue wrote where no time can be read; executed_at is the receipt';


--
-- Name: execution_reports_report_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.execution_reports ALTER COLUMN report_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.execution_reports_report_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: fill_measures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fill_measures (
    at timestamp with time zone NOT NULL,
    fill_id bigint NOT NULL,
    broker text NOT NULL,
    execution_mode text NOT NULL,
    symbol text NOT NULL,
    quantity double precision NOT NULL,
    slippage double precision
);


--
-- Name: COLUMN fill_measures.at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fill_measures.at IS 'when it was executed';


--
-- Name: COLUMN fill_measures.slippage; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fill_measures.slippage IS 'basis points worse than the reference price; null: the order had none';


--
-- Name: fills; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fills (
    fill_id bigint NOT NULL,
    report_id bigint NOT NULL,
    order_id uuid,
    attempt_id uuid,
    broker text NOT NULL,
    environment text NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    execution_id text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    commission numeric,
    commission_currency text,
    currency text,
    multiplier numeric NOT NULL,
    execution_mode text NOT NULL,
    status text DEFAULT 'GOOD'::text NOT NULL,
    cumulative_quantity numeric,
    leaves_quantity numeric,
    average_price numeric,
    order_state text,
    executed_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    revised text,
    revisions smallint DEFAULT '0'::smallint NOT NULL,
    announced_at timestamp with time zone,
    positioned_at timestamp with time zone,
    base_asset text,
    position_quantity numeric,
    position_average_price numeric,
    position_realised_pnl numeric,
    position_commission numeric,
    instrument_key text DEFAULT ''::text NOT NULL,
    position_costs jsonb,
    CONSTRAINT fills_mode_check CHECK (((broker = 'PAPER'::text) = (execution_mode = 'PAPER'::text))),
    CONSTRAINT fills_status_check CHECK ((status = ANY (ARRAY['GOOD'::text, 'CORRECTED'::text, 'BUSTED'::text, 'BOOKED'::text])))
);


--
-- Name: COLUMN fills.revised; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.revised IS 'kind of the last report that changed it';


--
-- Name: COLUMN fills.announced_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.announced_at IS 'when its FILL message was written';


--
-- Name: COLUMN fills.base_asset; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.base_asset IS 'crypto: a commission in it reduces the position';


--
-- Name: COLUMN fills.position_quantity; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.position_quantity IS 'of its position after this fill';


--
-- Name: COLUMN fills.position_average_price; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.position_average_price IS 'of its position after this fill';


--
-- Name: COLUMN fills.position_realised_pnl; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.position_realised_pnl IS 'of its position after this fill';


--
-- Name: COLUMN fills.position_commission; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.position_commission IS 'of its position after this fill';


--
-- Name: COLUMN fills.instrument_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.instrument_key IS 'the venue''s own instrument, where its execution ids are unique per instrument; else empty';


--
-- Name: COLUMN fills.position_costs; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fills.position_costs IS 'of its position after this fill';


--
-- Name: fills_by_hour; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.fills_by_hour AS
 SELECT date_bin('01:00:00'::interval, at, '2000-01-03 00:00:00+00'::timestamp with time zone) AS hour,
    broker,
    execution_mode,
    count(*) AS fills
   FROM public.fill_measures
  GROUP BY (date_bin('01:00:00'::interval, at, '2000-01-03 00:00:00+00'::timestamp with time zone)), broker, execution_mode;


--
-- Name: fills_fill_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.fills ALTER COLUMN fill_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.fills_fill_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: ibkr_client_ids; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ibkr_client_ids (
    endpoint text NOT NULL,
    account text NOT NULL,
    client_id integer NOT NULL,
    session_id uuid,
    leased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: COLUMN ibkr_client_ids.endpoint; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ibkr_client_ids.endpoint IS 'host and port of TWS';


--
-- Name: COLUMN ibkr_client_ids.session_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ibkr_client_ids.session_id IS 'who has it, for as long as that session''s heart beats';


--
-- Name: ibkr_order_ids; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ibkr_order_ids (
    client_id integer NOT NULL,
    order_id integer NOT NULL,
    venue_order_id text,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: COLUMN ibkr_order_ids.venue_order_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ibkr_order_ids.venue_order_id IS 'the attempt that has it; none when TWS has given it to another order';


--
-- Name: measured; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.measured (
    what text NOT NULL,
    upto timestamp with time zone NOT NULL,
    upto_id bigint DEFAULT '0'::bigint NOT NULL
);


--
-- Name: COLUMN measured.upto; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.measured.upto IS 'what is not later is measured';


--
-- Name: measured_totals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.measured_totals (
    metric text NOT NULL,
    broker text NOT NULL,
    label text NOT NULL,
    le double precision NOT NULL,
    total bigint NOT NULL,
    seconds double precision NOT NULL
);


--
-- Name: COLUMN measured_totals.broker; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.measured_totals.broker IS 'empty: before routing';


--
-- Name: COLUMN measured_totals.le; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.measured_totals.le IS 'upper bound of a histogram''s bucket';


--
-- Name: nav_confirmations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nav_confirmations (
    trust_symbol text NOT NULL,
    spot_symbol text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    spread numeric NOT NULL,
    coins_per_share numeric NOT NULL,
    coins_as_of date NOT NULL,
    evidence text NOT NULL,
    confirmed_by text NOT NULL
);


--
-- Name: nav_group_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nav_group_events (
    group_id uuid NOT NULL,
    version integer NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    state text NOT NULL,
    reason text
);


--
-- Name: nav_group_legs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nav_group_legs (
    group_id uuid NOT NULL,
    number integer NOT NULL,
    client_order_id text NOT NULL,
    role text NOT NULL,
    purpose text NOT NULL,
    side text NOT NULL,
    quantity numeric NOT NULL,
    placed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT nav_group_legs_purpose_check CHECK ((purpose = ANY (ARRAY['OPENING'::text, 'REDUCING'::text]))),
    CONSTRAINT nav_group_legs_quantity_range_check CHECK (((quantity > (0)::numeric) AND (quantity < '1000000000000000'::numeric))),
    CONSTRAINT nav_group_legs_role_check CHECK ((role = ANY (ARRAY['TRUST'::text, 'SPOT'::text])))
);


--
-- Name: COLUMN nav_group_legs.role; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_group_legs.role IS 'TRUST or SPOT';


--
-- Name: COLUMN nav_group_legs.purpose; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_group_legs.purpose IS 'OPENING or REDUCING';


--
-- Name: nav_groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nav_groups (
    group_id uuid NOT NULL,
    trust_symbol text NOT NULL,
    spot_symbol text NOT NULL,
    "interval" text NOT NULL,
    interval_at timestamp with time zone NOT NULL,
    direction text NOT NULL,
    execution_mode text NOT NULL,
    state text DEFAULT 'OPENING'::text NOT NULL,
    phase text DEFAULT 'OPENING'::text NOT NULL,
    reason text,
    entered_at timestamp with time zone NOT NULL,
    trust_price numeric NOT NULL,
    spot_price numeric NOT NULL,
    conversion numeric,
    coins_per_share numeric NOT NULL,
    spread numeric NOT NULL,
    z numeric NOT NULL,
    unhedged_coins numeric NOT NULL,
    exit_reason text,
    pnl numeric,
    uncounted jsonb,
    version integer DEFAULT 1 NOT NULL,
    phase_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT nav_groups_mode_check CHECK ((execution_mode = ANY (ARRAY['LIVE'::text, 'PAPER'::text]))),
    CONSTRAINT nav_groups_phase_check CHECK (((phase = state) OR (state = 'WAITING'::text))),
    CONSTRAINT nav_groups_state_check CHECK ((state = ANY (ARRAY['OPENING'::text, 'OPEN'::text, 'CLOSING'::text, 'CLOSED'::text, 'UNWINDING'::text, 'UNWOUND'::text, 'WAITING'::text])))
);


--
-- Name: COLUMN nav_groups.group_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.group_id IS 'derived from pair and interval';


--
-- Name: COLUMN nav_groups.reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.reason IS 'of the state';


--
-- Name: COLUMN nav_groups.entered_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.entered_at IS 'when the pair was observed';


--
-- Name: COLUMN nav_groups.conversion; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.conversion IS 'dollars per unit of the spot''s currency, at entry';


--
-- Name: COLUMN nav_groups.unhedged_coins; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.unhedged_coins IS 'of the trust leg, less a step';


--
-- Name: COLUMN nav_groups.exit_reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.exit_reason IS 'why the detector wants it closed';


--
-- Name: COLUMN nav_groups.pnl; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.pnl IS 'in dollars, once it is over';


--
-- Name: COLUMN nav_groups.uncounted; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.uncounted IS 'commissions in currencies without a price';


--
-- Name: COLUMN nav_groups.ended_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_groups.ended_at IS 'when it was over for the first time';


--
-- Name: nav_looks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nav_looks (
    trust_symbol text NOT NULL,
    spot_symbol text NOT NULL,
    "interval" text NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    said text NOT NULL,
    unjudged text,
    doubted_spread numeric,
    doubted_coins numeric,
    doubted_coins_as_of date
);


--
-- Name: COLUMN nav_looks.said; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_looks.said IS 'what the last look came to';


--
-- Name: COLUMN nav_looks.unjudged; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_looks.unjudged IS 'why the last reading was no observation';


--
-- Name: COLUMN nav_looks.doubted_spread; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_looks.doubted_spread IS 'of a reading that is to be confirmed';


--
-- Name: COLUMN nav_looks.doubted_coins; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_looks.doubted_coins IS 'per share, on the day of that reading';


--
-- Name: nav_observations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.nav_observations (
    trust_symbol text NOT NULL,
    spot_symbol text NOT NULL,
    "interval" text NOT NULL,
    interval_at timestamp with time zone NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    trust_price numeric NOT NULL,
    spot_price numeric NOT NULL,
    spot_currency text NOT NULL,
    conversion numeric,
    coins_per_share numeric NOT NULL,
    coins_as_of date NOT NULL,
    nav_per_share numeric NOT NULL,
    spread numeric NOT NULL,
    z numeric,
    mean numeric,
    standard_deviation numeric,
    window_size integer,
    action text,
    direction text,
    reason text,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    declined text,
    CONSTRAINT nav_observations_coins_per_share_range_check CHECK (((coins_per_share > (0)::numeric) AND (coins_per_share < '1000000000000000'::numeric))),
    CONSTRAINT nav_observations_conversion_range_check CHECK (((conversion > (0)::numeric) AND (conversion < '1000000000000000'::numeric))),
    CONSTRAINT nav_observations_spot_price_range_check CHECK (((spot_price > (0)::numeric) AND (spot_price < '1000000000000000'::numeric))),
    CONSTRAINT nav_observations_trust_price_range_check CHECK (((trust_price > (0)::numeric) AND (trust_price < '1000000000000000'::numeric)))
);


--
-- Name: COLUMN nav_observations."interval"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations."interval" IS 'its length: 1d, 15m';


--
-- Name: COLUMN nav_observations.interval_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.interval_at IS 'a day''s close, or an interval''s beginning';


--
-- Name: COLUMN nav_observations.trust_price; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.trust_price IS 'dollars per share';


--
-- Name: COLUMN nav_observations.spot_price; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.spot_price IS 'per coin, in spot_currency';


--
-- Name: COLUMN nav_observations.conversion; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.conversion IS 'dollars per unit of spot_currency; null: taken for dollars';


--
-- Name: COLUMN nav_observations.coins_per_share; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.coins_per_share IS 'accrued to observed_at';


--
-- Name: COLUMN nav_observations.nav_per_share; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.nav_per_share IS 'dollars';


--
-- Name: COLUMN nav_observations.spread; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.spread IS 'trust_price / nav_per_share - 1';


--
-- Name: COLUMN nav_observations.z; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.z IS 'null while the window is not full, or flat';


--
-- Name: COLUMN nav_observations.mean; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.mean IS 'of the window before';


--
-- Name: COLUMN nav_observations.standard_deviation; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.standard_deviation IS 'of the window before, as of a sample';


--
-- Name: COLUMN nav_observations.window_size; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.window_size IS 'observations in the window before';


--
-- Name: COLUMN nav_observations.action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.action IS 'ENTER, EXIT, or null: no signal';


--
-- Name: COLUMN nav_observations.reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.reason IS 'why there is no signal, or why to exit';


--
-- Name: COLUMN nav_observations.declined; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.nav_observations.declined IS 'why a signal was not acted on';


--
-- Name: order_attempts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.order_attempts (
    attempt_id uuid NOT NULL,
    order_id uuid NOT NULL,
    attempt_no smallint NOT NULL,
    leg smallint DEFAULT '0'::smallint NOT NULL,
    broker text NOT NULL,
    environment text NOT NULL,
    account text NOT NULL,
    execution_mode text NOT NULL,
    venue_order_id text NOT NULL,
    broker_order_id text,
    quantity numeric NOT NULL,
    filled_quantity numeric DEFAULT '0'::numeric NOT NULL,
    state text NOT NULL,
    reason text,
    error_code text,
    intent_at timestamp with time zone,
    intents smallint DEFAULT '0'::smallint NOT NULL,
    send_by timestamp with time zone,
    lease_owner uuid,
    lease_until timestamp with time zone,
    watcher uuid,
    reported_state text,
    reported_quantity numeric,
    reported_reason text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    replacement jsonb,
    closes text,
    one_cancels_other uuid,
    reduced numeric DEFAULT '0'::numeric NOT NULL,
    cancel_asked_at timestamp with time zone,
    end_cause text,
    claimed numeric,
    claimed_at timestamp with time zone,
    outdated boolean DEFAULT false NOT NULL,
    CONSTRAINT order_attempts_mode_check CHECK (((broker = 'PAPER'::text) = (execution_mode = 'PAPER'::text))),
    CONSTRAINT order_attempts_quantity_range_check CHECK (((quantity > (0)::numeric) AND (quantity < '1000000000000000'::numeric)))
)
WITH (fillfactor='50');


--
-- Name: COLUMN order_attempts.intent_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.intent_at IS 'when the intent to send was committed; null: never';


--
-- Name: COLUMN order_attempts.send_by; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.send_by IS 'the venue refuses a send that comes later';


--
-- Name: COLUMN order_attempts.lease_owner; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.lease_owner IS 'the session that is sending it';


--
-- Name: COLUMN order_attempts.watcher; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.watcher IS 'the session that waits for its fills';


--
-- Name: COLUMN order_attempts.reported_state; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.reported_state IS 'what the venue last said';


--
-- Name: COLUMN order_attempts.reported_quantity; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.reported_quantity IS 'filled, as the venue last said';


--
-- Name: COLUMN order_attempts.replacement; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.replacement IS 'terms of the attempt that follows this one';


--
-- Name: COLUMN order_attempts.closes; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.closes IS 'the venue''s own position that it closes';


--
-- Name: COLUMN order_attempts.one_cancels_other; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.one_cancels_other IS 'its group at the venue: one ends the others';


--
-- Name: COLUMN order_attempts.reduced; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.reduced IS 'of its quantity, what the venue took off for fills of others of its group';


--
-- Name: COLUMN order_attempts.cancel_asked_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.cancel_asked_at IS 'of a bracket''s child: when we asked for its end';


--
-- Name: COLUMN order_attempts.end_cause; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.end_cause IS 'of a bracket''s child: why it ended';


--
-- Name: COLUMN order_attempts.claimed; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.claimed IS 'reduce-only: of the position, while it waits for room';


--
-- Name: COLUMN order_attempts.claimed_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.claimed_at IS 'since when it has waited for room';


--
-- Name: COLUMN order_attempts.outdated; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_attempts.outdated IS 'of a bracket''s child: its prices have changed, and another is to take its place';


--
-- Name: order_commands; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.order_commands (
    command_id uuid NOT NULL,
    kind text NOT NULL,
    client_order_id text,
    external_id text,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    outcome text NOT NULL,
    reason text,
    sent_at timestamp with time zone,
    settled_at timestamp with time zone,
    due_at timestamp with time zone,
    resends integer DEFAULT 0 NOT NULL,
    sends integer DEFAULT 0 NOT NULL,
    last_send_at timestamp with time zone,
    fitted jsonb,
    ours boolean DEFAULT false NOT NULL,
    CONSTRAINT order_commands_kind_check CHECK ((kind = ANY (ARRAY['CANCEL'::text, 'MODIFY'::text]))),
    CONSTRAINT order_commands_outcome_check CHECK ((outcome = ANY (ARRAY['PENDING'::text, 'DONE'::text, 'REFUSED'::text]))),
    CONSTRAINT order_commands_payload_check CHECK ((jsonb_typeof(payload) = 'object'::text)),
    CONSTRAINT order_commands_settled_check CHECK (((outcome <> 'DONE'::text) OR (settled_at IS NOT NULL)))
);


--
-- Name: COLUMN order_commands.external_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_commands.external_id IS 'the producer''s cancel_id or modify_id';


--
-- Name: COLUMN order_commands.sent_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_commands.sent_at IS 'a modify: its intent was committed; a cancel: first sent';


--
-- Name: COLUMN order_commands.last_send_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_commands.last_send_at IS 'when it last set out for its venue';


--
-- Name: COLUMN order_commands.fitted; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_commands.fitted IS 'a modify: its terms as the venue takes them';


--
-- Name: order_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.order_events (
    order_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    step text,
    state text,
    broker text,
    attempt_no smallint,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL
);


--
-- Name: order_gate; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.order_gate (
    single boolean NOT NULL
);


--
-- Name: TABLE order_gate; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.order_gate IS 'only locked, never filled: no order is sent while it is shut';


--
-- Name: order_requests; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.order_requests (
    request_id uuid NOT NULL,
    client_order_id text,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    outcome text NOT NULL,
    reason text,
    order_id uuid,
    step smallint DEFAULT '0'::smallint NOT NULL,
    spec jsonb,
    due_at timestamp with time zone,
    resends integer DEFAULT 0 NOT NULL,
    CONSTRAINT order_requests_accepted_check CHECK (((outcome <> 'ACCEPTED'::text) OR ((order_id IS NOT NULL) AND (client_order_id IS NOT NULL)))),
    CONSTRAINT order_requests_childs_ids_check CHECK (((step = 2) OR ((substr((request_id)::text, 15, 1) <> '5'::text) AND (COALESCE(substr((order_id)::text, 15, 1), ''::text) <> '5'::text) AND ((outcome = 'REFUSED'::text) OR (client_order_id !~ '^.{22}-(tp|sl|fl)$'::text))))),
    CONSTRAINT order_requests_outcome_check CHECK ((outcome = ANY (ARRAY['ACCEPTED'::text, 'REFUSED'::text]))),
    CONSTRAINT order_requests_payload_check CHECK ((jsonb_typeof(payload) = 'object'::text))
);


--
-- Name: COLUMN order_requests.spec; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_requests.spec IS 'the order as step 1 made it, for step 2 to insert';


--
-- Name: COLUMN order_requests.due_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_requests.due_at IS 'when recovery sends the request on again';


--
-- Name: orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.orders (
    order_id uuid NOT NULL,
    client_order_id text NOT NULL,
    symbol text NOT NULL,
    asset_class text NOT NULL,
    side text NOT NULL,
    order_type text NOT NULL,
    quantity numeric NOT NULL,
    requested_quantity numeric NOT NULL,
    limit_price numeric,
    stop_price numeric,
    trail_amount numeric,
    trail_percent numeric,
    take_profit_price numeric,
    stop_loss_price numeric,
    time_in_force text NOT NULL,
    expires_at timestamp with time zone,
    outside_rth boolean DEFAULT false NOT NULL,
    reduce_only boolean DEFAULT false NOT NULL,
    reference_price numeric,
    on_failure text NOT NULL,
    instrument jsonb NOT NULL,
    environment text NOT NULL,
    account text NOT NULL,
    requested_broker text NOT NULL,
    broker text NOT NULL,
    execution_mode text NOT NULL,
    state text NOT NULL,
    reason text,
    route_reason text,
    broker_order_id text,
    attempt_no smallint DEFAULT '1'::smallint NOT NULL,
    filled_quantity numeric DEFAULT '0'::numeric NOT NULL,
    average_price numeric,
    strategy text,
    parent_order_id uuid,
    role text,
    group_id uuid,
    version integer DEFAULT 1 NOT NULL,
    step smallint NOT NULL,
    due_at timestamp with time zone,
    resends integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    post_only boolean DEFAULT false NOT NULL,
    CONSTRAINT orders_filled_range_check CHECK (((filled_quantity >= (0)::numeric) AND (filled_quantity < '10000000000000000'::numeric))),
    CONSTRAINT orders_mode_check CHECK (((broker = 'PAPER'::text) = (execution_mode = 'PAPER'::text))),
    CONSTRAINT orders_quantity_range_check CHECK (((quantity > (0)::numeric) AND (quantity < '1000000000000000'::numeric))),
    CONSTRAINT orders_requested_quantity_range_check CHECK (((requested_quantity > (0)::numeric) AND (requested_quantity < '1000000000000000'::numeric)))
)
WITH (fillfactor='50');


--
-- Name: COLUMN orders.quantity; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.quantity IS 'what is being worked, fitted';


--
-- Name: COLUMN orders.reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.reason IS 'of the state';


--
-- Name: COLUMN orders.route_reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.route_reason IS 'why it is not at the broker asked for';


--
-- Name: COLUMN orders.role; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.role IS 'of a child: TAKE_PROFIT or STOP_LOSS';


--
-- Name: COLUMN orders.group_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.group_id IS 'orders that stand and fall together';


--
-- Name: COLUMN orders.step; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.step IS 'the last step completed';


--
-- Name: COLUMN orders.due_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.due_at IS 'when recovery sends the next step again';


--
-- Name: paper_executions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.paper_executions (
    execution_id text NOT NULL,
    venue_order_id text NOT NULL,
    account text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    executed_at timestamp with time zone NOT NULL
);


--
-- Name: paper_orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.paper_orders (
    venue_order_id text NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    quantity numeric NOT NULL,
    filled_quantity numeric DEFAULT '0'::numeric NOT NULL,
    state text NOT NULL,
    reason text,
    accepted_at timestamp with time zone NOT NULL,
    terms jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    executions integer DEFAULT 0 NOT NULL,
    ends_at timestamp with time zone,
    closes_at timestamp with time zone,
    triggered_at timestamp with time zone,
    taken_at timestamp with time zone,
    trail_extreme numeric,
    taken_quantity numeric DEFAULT '0'::numeric NOT NULL,
    one_cancels_other uuid
);


--
-- Name: COLUMN paper_orders.terms; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.terms IS 'type, prices, time in force';


--
-- Name: COLUMN paper_orders.version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.version IS 'grows with every change; a change is made only on the one that was read';


--
-- Name: COLUMN paper_orders.ends_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.ends_at IS 'when its time in force ends';


--
-- Name: COLUMN paper_orders.closes_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.closes_at IS 'the close that an on-close order waits for';


--
-- Name: COLUMN paper_orders.triggered_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.triggered_at IS 'when its stop was reached';


--
-- Name: COLUMN paper_orders.taken_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.taken_at IS 'time of the quote it last filled on';


--
-- Name: COLUMN paper_orders.trail_extreme; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.trail_extreme IS 'lowest ask (BUY) or highest bid (SELL) since a trailing stop was accepted';


--
-- Name: COLUMN paper_orders.taken_quantity; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.taken_quantity IS 'how much of that quote''s size it has taken';


--
-- Name: COLUMN paper_orders.one_cancels_other; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_orders.one_cancels_other IS 'what one of these fills, the others give up';


--
-- Name: paper_positions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.paper_positions (
    account text NOT NULL,
    broker text NOT NULL,
    symbol text NOT NULL,
    asset_class text,
    multiplier numeric NOT NULL,
    currency text,
    quantity numeric NOT NULL,
    average_price numeric NOT NULL,
    realised_pnl numeric NOT NULL,
    commission numeric NOT NULL,
    last_executed_at timestamp with time zone,
    last_fill_id bigint,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    costs jsonb DEFAULT '{}'::jsonb NOT NULL,
    net_pnl numeric GENERATED ALWAYS AS ((realised_pnl - commission)) STORED
)
WITH (fillfactor='50');


--
-- Name: COLUMN paper_positions.costs; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_positions.costs IS 'everything paid, by currency, amounts as text; `commission` is part of it';


--
-- Name: COLUMN paper_positions.net_pnl; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.paper_positions.net_pnl IS 'in the instrument''s currency; costs in others are beside it';


--
-- Name: positions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.positions (
    account text NOT NULL,
    broker text NOT NULL,
    symbol text NOT NULL,
    asset_class text,
    multiplier numeric NOT NULL,
    currency text,
    quantity numeric NOT NULL,
    average_price numeric NOT NULL,
    realised_pnl numeric NOT NULL,
    commission numeric NOT NULL,
    last_executed_at timestamp with time zone,
    last_fill_id bigint,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    costs jsonb DEFAULT '{}'::jsonb NOT NULL,
    net_pnl numeric GENERATED ALWAYS AS ((realised_pnl - commission)) STORED
)
WITH (fillfactor='50');


--
-- Name: COLUMN positions.costs; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.positions.costs IS 'everything paid, by currency, amounts as text; `commission` is part of it';


--
-- Name: COLUMN positions.net_pnl; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.positions.net_pnl IS 'in the instrument''s currency; costs in others are beside it';


--
-- Name: process_clocks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_clocks (
    process text NOT NULL,
    host text NOT NULL,
    ahead double precision NOT NULL,
    measured_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: COLUMN process_clocks.ahead; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.process_clocks.ahead IS 'seconds; negative: behind';


--
-- Name: quotes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.quotes (
    at timestamp with time zone NOT NULL,
    symbol text NOT NULL,
    bid numeric NOT NULL,
    ask numeric NOT NULL,
    source text NOT NULL
);


--
-- Name: reconciliations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.reconciliations (
    reconciliation_id uuid NOT NULL,
    broker text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    found jsonb,
    problem text
);


--
-- Name: COLUMN reconciliations.found; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.reconciliations.found IS 'open orders, whether positions stood still, breaks';


--
-- Name: COLUMN reconciliations.problem; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.reconciliations.problem IS 'why it could not be done';


--
-- Name: risk_changes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.risk_changes (
    change_id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    what jsonb NOT NULL,
    reason text
);


--
-- Name: COLUMN risk_changes.action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.risk_changes.action IS 'set, remove, halt, resume';


--
-- Name: risk_changes_change_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.risk_changes ALTER COLUMN change_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.risk_changes_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: risk_controls; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.risk_controls (
    single boolean DEFAULT true NOT NULL,
    version bigint DEFAULT '0'::bigint NOT NULL,
    CONSTRAINT risk_controls_single_row_check CHECK (single)
);


--
-- Name: risk_limits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.risk_limits (
    limit_id bigint NOT NULL,
    kind text NOT NULL,
    broker text,
    strategy text,
    symbol text,
    value numeric NOT NULL,
    reason text,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT risk_limits_kind_check CHECK ((kind = ANY (ARRAY['max_quantity'::text, 'max_notional'::text, 'max_position'::text, 'max_exposure'::text, 'max_open_orders'::text, 'max_orders_per_second'::text, 'price_collar'::text, 'repeat_window'::text]))),
    CONSTRAINT risk_limits_value_range_check CHECK (((value >= (0)::numeric) AND (value < '1000000000000000'::numeric)))
);


--
-- Name: COLUMN risk_limits.broker; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.risk_limits.broker IS 'null: every broker';


--
-- Name: COLUMN risk_limits.strategy; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.risk_limits.strategy IS 'null: every strategy, and none';


--
-- Name: COLUMN risk_limits.symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.risk_limits.symbol IS 'null: every symbol';


--
-- Name: risk_limits_limit_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.risk_limits ALTER COLUMN limit_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.risk_limits_limit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: risk_rates; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.risk_rates (
    limit_id bigint NOT NULL,
    sent_at timestamp with time zone[] NOT NULL
);


--
-- Name: COLUMN risk_rates.sent_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.risk_rates.sent_at IS 'intents of the second before the last';


--
-- Name: signing_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.signing_keys (
    key_id bigint NOT NULL,
    key text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: signing_keys_key_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.signing_keys ALTER COLUMN key_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.signing_keys_key_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: slippage_by_symbol; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.slippage_by_symbol AS
 SELECT date_bin('1 day'::interval, at, '2000-01-03 00:00:00+00'::timestamp with time zone) AS day,
    symbol,
    broker,
    execution_mode,
    count(*) AS fills,
    count(slippage) AS with_reference,
    (sum((slippage * quantity)) / NULLIF(sum(quantity) FILTER (WHERE (slippage IS NOT NULL)), (0)::double precision)) AS slippage,
    max(slippage) AS worst
   FROM public.fill_measures
  GROUP BY (date_bin('1 day'::interval, at, '2000-01-03 00:00:00+00'::timestamp with time zone)), symbol, broker, execution_mode;


--
-- Name: step_latencies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.step_latencies (
    at timestamp with time zone NOT NULL,
    step text NOT NULL,
    broker text NOT NULL,
    le double precision NOT NULL,
    steps bigint NOT NULL,
    seconds double precision NOT NULL
);


--
-- Name: COLUMN step_latencies.at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.step_latencies.at IS 'beginning of the minute';


--
-- Name: COLUMN step_latencies.broker; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.step_latencies.broker IS 'empty: before routing';


--
-- Name: COLUMN step_latencies.le; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.step_latencies.le IS 'upper bound of the bucket, seconds';


--
-- Name: COLUMN step_latencies.steps; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.step_latencies.steps IS 'in this bucket alone';


--
-- Name: COLUMN step_latencies.seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.step_latencies.seconds IS 'of those steps together';


--
-- Name: step_latency_by_hour; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.step_latency_by_hour AS
 SELECT date_bin('01:00:00'::interval, at, '2000-01-03 00:00:00+00'::timestamp with time zone) AS hour,
    step,
    broker,
    le,
    sum(steps) AS steps,
    sum(seconds) AS seconds
   FROM public.step_latencies
  GROUP BY (date_bin('01:00:00'::interval, at, '2000-01-03 00:00:00+00'::timestamp with time zone)), step, broker, le;


--
-- Name: streams; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.streams (
    stream text NOT NULL,
    last_sequence bigint DEFAULT '0'::bigint NOT NULL,
    published_sequence bigint DEFAULT '0'::bigint NOT NULL
);


--
-- Name: trading_rules; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.trading_rules (
    broker text NOT NULL,
    symbol text NOT NULL,
    rules jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: trading_states; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.trading_states (
    scope text NOT NULL,
    state text NOT NULL,
    reason text,
    changed_by text NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    halted_until timestamp with time zone,
    CONSTRAINT trading_states_state_check CHECK ((state = ANY (ARRAY['ACTIVE'::text, 'REDUCING'::text, 'HALTED'::text])))
);


--
-- Name: COLUMN trading_states.scope; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.trading_states.scope IS 'a broker, or * for all';


--
-- Name: COLUMN trading_states.halted_until; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.trading_states.halted_until IS 'end of the last halt: what was accepted before it is not sent';


--
-- Name: venue_contracts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.venue_contracts (
    broker text NOT NULL,
    contract_id text NOT NULL,
    symbol text NOT NULL,
    asset_class text,
    currency text NOT NULL,
    multiplier numeric NOT NULL,
    named_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: COLUMN venue_contracts.contract_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.venue_contracts.contract_id IS 'the venue''s own: IBKR''s conId';


--
-- Name: COLUMN venue_contracts.symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.venue_contracts.symbol IS 'ours';


--
-- Name: COLUMN venue_contracts.asset_class; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.venue_contracts.asset_class IS 'none for a kind that is not traded here';


--
-- Name: venue_pauses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.venue_pauses (
    broker text NOT NULL,
    endpoint text NOT NULL,
    until timestamp with time zone NOT NULL,
    reason text NOT NULL,
    heard_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: COLUMN venue_pauses.endpoint; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.venue_pauses.endpoint IS 'the venue''s address';


--
-- Data for Name: account_balances; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.account_balances (broker, account, balances, heard_at) FROM stdin;
BINANCE	main	{}	2026-11-30 16:36:12.026662+00
BINANCE	desk-1	{}	2026-11-30 16:36:12.026891+00
BINANCE	desk-2	{}	2026-11-30 16:36:12.027006+00
BINANCE	desk-3	{}	2026-11-30 16:36:12.027091+00
BINANCE	desk-4	{}	2026-11-30 16:36:12.027167+00
BINANCE	desk-5	{}	2026-11-30 16:36:12.027238+00
BINANCE	desk-6	{}	2026-11-30 16:36:12.027309+00
BINANCE	desk-7	{}	2026-11-30 16:36:12.027378+00
BINANCE	desk-8	{}	2026-11-30 16:36:12.027448+00
BINANCE	desk-9	{}	2026-11-30 16:36:12.027515+00
BINANCE	desk-10	{}	2026-11-30 16:36:12.027582+00
BINANCE	desk-11	{}	2026-11-30 16:36:12.027647+00
BINANCE	desk-12	{}	2026-11-30 16:36:12.027714+00
BINANCE	desk-13	{}	2026-11-30 16:36:12.02778+00
BINANCE	desk-14	{}	2026-11-30 16:36:12.027852+00
BINANCE	desk-15	{}	2026-11-30 16:36:12.02792+00
BINANCE	desk-16	{}	2026-11-30 16:36:12.027988+00
BINANCE	desk-17	{}	2026-11-30 16:36:12.028052+00
BINANCE	desk-18	{}	2026-11-30 16:36:12.028116+00
BINANCE	desk-19	{}	2026-11-30 16:36:12.028179+00
BINANCE	desk-20	{}	2026-11-30 16:36:12.028294+00
BINANCE	desk-21	{}	2026-11-30 16:36:12.028373+00
BINANCE	desk-22	{}	2026-11-30 16:36:12.028441+00
BINANCE	desk-23	{}	2026-11-30 16:36:12.028507+00
BINANCE	desk-24	{}	2026-11-30 16:36:12.028574+00
BINANCE	desk-25	{}	2026-11-30 16:36:12.02865+00
BINANCE	desk-26	{}	2026-11-30 16:36:12.028719+00
BINANCE	desk-27	{}	2026-11-30 16:36:12.028784+00
BINANCE	desk-28	{}	2026-11-30 16:36:12.02885+00
BINANCE	desk-29	{}	2026-11-30 16:36:12.028915+00
BINANCE	desk-30	{}	2026-11-30 16:36:12.028981+00
BINANCE	desk-31	{}	2026-11-30 16:36:12.029046+00
BINANCE	desk-32	{}	2026-11-30 16:36:12.02911+00
BINANCE	desk-33	{}	2026-11-30 16:36:12.029173+00
BINANCE	desk-34	{}	2026-11-30 16:36:12.029236+00
BINANCE	desk-35	{}	2026-11-30 16:36:12.0293+00
BINANCE	desk-36	{}	2026-11-30 16:36:12.029362+00
BINANCE	desk-37	{}	2026-11-30 16:36:12.030191+00
BINANCE	desk-38	{}	2026-11-30 16:36:12.030286+00
BINANCE	desk-39	{}	2026-11-30 16:36:12.032422+00
BINANCE	desk-40	{}	2026-11-30 16:36:12.032531+00
BINANCE	desk-41	{}	2026-11-30 16:36:12.032615+00
BINANCE	desk-42	{}	2026-11-30 16:36:12.032688+00
BINANCE	desk-43	{}	2026-11-30 16:36:12.032759+00
BINANCE	desk-44	{}	2026-11-30 16:36:12.032831+00
BINANCE	desk-45	{}	2026-11-30 16:36:12.032911+00
BINANCE	desk-46	{}	2026-11-30 16:36:12.032982+00
BINANCE	desk-47	{}	2026-11-30 16:36:12.033051+00
BINANCE	desk-48	{}	2026-11-30 16:36:12.033118+00
BINANCE	desk-49	{}	2026-11-30 16:36:12.033187+00
BINANCE	desk-50	{}	2026-11-30 16:36:12.033255+00
BINANCE	desk-51	{}	2026-11-30 16:36:12.033321+00
BINANCE	desk-52	{}	2026-11-30 16:36:12.033387+00
BINANCE	desk-53	{}	2026-11-30 16:36:12.033454+00
BINANCE	desk-54	{}	2026-11-30 16:36:12.03352+00
BINANCE	desk-55	{}	2026-11-30 16:36:12.033584+00
BINANCE	desk-56	{}	2026-11-30 16:36:12.033648+00
BINANCE	desk-57	{}	2026-11-30 16:36:12.033714+00
BINANCE	desk-58	{}	2026-11-30 16:36:12.033779+00
BINANCE	desk-59	{}	2026-11-30 16:36:12.033852+00
BINANCE	desk-60	{}	2026-11-30 16:36:12.033923+00
BINANCE	desk-61	{}	2026-11-30 16:36:12.033992+00
BINANCE	desk-62	{}	2026-11-30 16:36:12.034058+00
BINANCE	desk-63	{}	2026-11-30 16:36:12.034122+00
BINANCE	desk-64	{}	2026-11-30 16:36:12.034188+00
BINANCE	desk-65	{}	2026-11-30 16:36:12.034257+00
BINANCE	desk-66	{}	2026-11-30 16:36:12.034325+00
BINANCE	desk-67	{}	2026-11-30 16:36:12.034391+00
BINANCE	desk-68	{}	2026-11-30 16:36:12.034455+00
BINANCE	desk-69	{}	2026-11-30 16:36:12.03452+00
BINANCE	desk-70	{}	2026-11-30 16:36:12.034584+00
BINANCE	desk-71	{}	2026-11-30 16:36:12.03465+00
BINANCE	desk-72	{}	2026-11-30 16:36:12.034716+00
BINANCE	desk-73	{}	2026-11-30 16:36:12.034787+00
BINANCE	desk-74	{}	2026-11-30 16:36:12.034852+00
BINANCE	desk-75	{}	2026-11-30 16:36:12.034918+00
BINANCE	desk-76	{}	2026-11-30 16:36:12.034983+00
BINANCE	desk-77	{}	2026-11-30 16:36:12.035049+00
BINANCE	desk-78	{}	2026-11-30 16:36:12.035115+00
BINANCE	desk-79	{}	2026-11-30 16:36:12.03519+00
BINANCE	desk-80	{}	2026-11-30 16:36:12.035261+00
BINANCE	desk-81	{}	2026-11-30 16:36:12.035329+00
BINANCE	desk-82	{}	2026-11-30 16:36:12.035397+00
BINANCE	desk-83	{}	2026-11-30 16:36:12.035467+00
BINANCE	desk-84	{}	2026-11-30 16:36:12.035531+00
BINANCE	desk-85	{}	2026-11-30 16:36:12.035595+00
BINANCE	desk-86	{}	2026-11-30 16:36:12.035658+00
BINANCE	desk-87	{}	2026-11-30 16:36:12.035729+00
BINANCE	desk-88	{}	2026-11-30 16:36:12.035794+00
BINANCE	desk-89	{}	2026-11-30 16:36:12.04054+00
BINANCE	desk-90	{}	2026-11-30 16:36:12.040674+00
BINANCE	desk-91	{}	2026-11-30 16:36:12.040762+00
BINANCE	desk-92	{}	2026-11-30 16:36:12.040837+00
BINANCE	desk-93	{}	2026-11-30 16:36:12.04091+00
BINANCE	desk-94	{}	2026-11-30 16:36:12.040981+00
BINANCE	desk-95	{}	2026-11-30 16:36:12.041051+00
BINANCE	desk-96	{}	2026-11-30 16:36:12.041119+00
BINANCE	desk-97	{}	2026-11-30 16:36:12.041187+00
BINANCE	desk-98	{}	2026-11-30 16:36:12.041256+00
BINANCE	desk-99	{}	2026-11-30 16:36:12.041324+00
\.


--
-- Data for Name: account_snapshots; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.account_snapshots (broker, account, at, as_of, balances) FROM stdin;
\.


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.alembic_version (version_num) FROM stdin;
0039
\.


--
-- Data for Name: alerts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.alerts (alert_id, at, kind, key, order_id, broker, message, resolved_at) FROM stdin;
1	2026-11-30 16:36:13.557806+00	WAITING	01a22d50-662e-7259-b008-b329c9995f87	01a22d50-662e-7259-b008-b329c9995f87	IBKR	order waits waits for IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set	\N
2	2026-11-30 16:36:13.608664+00	UNKNOWN_OUTCOME	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	BINANCE	order unknown at BINANCE: the answer did not come: ServerDisconnectedError('Server disconnected')	\N
\.


--
-- Data for Name: bookings; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.bookings (booking_id, broker, environment, account, happened_at, went, came, evidence, booked_by, booked_at, reversed_at, reversed_by, reversal_evidence) FROM stdin;
\.


--
-- Data for Name: brackets; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.brackets (parent_order_id, version, due_at, resends, lease_owner, lease_until, taken, flatten, short_since, failures, retry_at, bare_since, bare, over, symbol, closed) FROM stdin;
01a22d50-64e2-72d8-942b-f809d3aeb81e	5	\N	0	\N	\N	0	0	\N	0	\N	\N	\N	f	SPY	0
\.


--
-- Data for Name: breakers; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.breakers (broker, state, failures, total_failures, reason, opened_at, probe_owner, probe_until, updated_at) FROM stdin;
IBKR	CLOSED	0	0	\N	\N	\N	\N	2026-11-30 16:36:07.931858+00
MT4	CLOSED	0	0	\N	\N	\N	\N	2026-11-30 16:36:07.931939+00
PAPER	CLOSED	0	0	\N	\N	\N	\N	2026-11-30 16:36:07.931946+00
BINANCE	CLOSED	1	1	the answer did not come: ServerDisconnectedError('Server disconnected')	\N	\N	\N	2026-11-30 16:36:13.606969+00
\.


--
-- Data for Name: broker_accounts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.broker_accounts (broker, account, owned, alias, since, converted, converted_at) FROM stdin;
BINANCE	desk-1	t	\N	2026-11-30 16:36:11.751258+00	\N	\N
BINANCE	desk-2	t	\N	2026-11-30 16:36:11.751282+00	\N	\N
BINANCE	desk-3	t	\N	2026-11-30 16:36:11.751285+00	\N	\N
BINANCE	desk-4	t	\N	2026-11-30 16:36:11.751287+00	\N	\N
BINANCE	desk-5	t	\N	2026-11-30 16:36:11.751289+00	\N	\N
BINANCE	desk-6	t	\N	2026-11-30 16:36:11.751299+00	\N	\N
BINANCE	desk-7	t	\N	2026-11-30 16:36:11.751308+00	\N	\N
BINANCE	desk-8	t	\N	2026-11-30 16:36:11.75131+00	\N	\N
BINANCE	desk-9	t	\N	2026-11-30 16:36:11.751316+00	\N	\N
BINANCE	desk-10	t	\N	2026-11-30 16:36:11.751318+00	\N	\N
BINANCE	desk-11	t	\N	2026-11-30 16:36:11.75132+00	\N	\N
BINANCE	desk-12	t	\N	2026-11-30 16:36:11.751322+00	\N	\N
BINANCE	desk-13	t	\N	2026-11-30 16:36:11.751324+00	\N	\N
BINANCE	desk-14	t	\N	2026-11-30 16:36:11.751326+00	\N	\N
BINANCE	desk-15	t	\N	2026-11-30 16:36:11.751328+00	\N	\N
BINANCE	desk-16	t	\N	2026-11-30 16:36:11.75133+00	\N	\N
BINANCE	desk-17	t	\N	2026-11-30 16:36:11.751332+00	\N	\N
BINANCE	desk-18	t	\N	2026-11-30 16:36:11.751334+00	\N	\N
BINANCE	desk-19	t	\N	2026-11-30 16:36:11.751343+00	\N	\N
BINANCE	desk-20	t	\N	2026-11-30 16:36:11.751345+00	\N	\N
BINANCE	desk-21	t	\N	2026-11-30 16:36:11.751347+00	\N	\N
BINANCE	desk-22	t	\N	2026-11-30 16:36:11.751349+00	\N	\N
BINANCE	desk-23	t	\N	2026-11-30 16:36:11.751351+00	\N	\N
BINANCE	desk-24	t	\N	2026-11-30 16:36:11.751353+00	\N	\N
BINANCE	desk-25	t	\N	2026-11-30 16:36:11.751355+00	\N	\N
BINANCE	desk-26	t	\N	2026-11-30 16:36:11.751357+00	\N	\N
BINANCE	desk-27	t	\N	2026-11-30 16:36:11.751359+00	\N	\N
BINANCE	desk-28	t	\N	2026-11-30 16:36:11.751361+00	\N	\N
BINANCE	desk-29	t	\N	2026-11-30 16:36:11.751363+00	\N	\N
BINANCE	desk-30	t	\N	2026-11-30 16:36:11.751365+00	\N	\N
BINANCE	desk-31	t	\N	2026-11-30 16:36:11.751367+00	\N	\N
BINANCE	desk-32	t	\N	2026-11-30 16:36:11.751369+00	\N	\N
BINANCE	desk-33	t	\N	2026-11-30 16:36:11.751371+00	\N	\N
BINANCE	desk-34	t	\N	2026-11-30 16:36:11.751373+00	\N	\N
BINANCE	desk-35	t	\N	2026-11-30 16:36:11.751375+00	\N	\N
BINANCE	desk-36	t	\N	2026-11-30 16:36:11.751377+00	\N	\N
BINANCE	desk-37	t	\N	2026-11-30 16:36:11.751379+00	\N	\N
BINANCE	desk-38	t	\N	2026-11-30 16:36:11.751381+00	\N	\N
BINANCE	desk-39	t	\N	2026-11-30 16:36:11.751383+00	\N	\N
BINANCE	desk-40	t	\N	2026-11-30 16:36:11.751388+00	\N	\N
BINANCE	desk-41	t	\N	2026-11-30 16:36:11.75139+00	\N	\N
BINANCE	desk-42	t	\N	2026-11-30 16:36:11.751392+00	\N	\N
BINANCE	desk-43	t	\N	2026-11-30 16:36:11.751394+00	\N	\N
BINANCE	desk-44	t	\N	2026-11-30 16:36:11.751395+00	\N	\N
BINANCE	desk-45	t	\N	2026-11-30 16:36:11.751397+00	\N	\N
BINANCE	desk-46	t	\N	2026-11-30 16:36:11.751399+00	\N	\N
BINANCE	desk-47	t	\N	2026-11-30 16:36:11.751401+00	\N	\N
BINANCE	desk-48	t	\N	2026-11-30 16:36:11.751403+00	\N	\N
BINANCE	desk-49	t	\N	2026-11-30 16:36:11.751405+00	\N	\N
BINANCE	desk-50	t	\N	2026-11-30 16:36:11.751407+00	\N	\N
BINANCE	desk-51	t	\N	2026-11-30 16:36:11.751409+00	\N	\N
BINANCE	desk-52	t	\N	2026-11-30 16:36:11.75141+00	\N	\N
BINANCE	desk-53	t	\N	2026-11-30 16:36:11.751413+00	\N	\N
BINANCE	desk-54	t	\N	2026-11-30 16:36:11.751414+00	\N	\N
BINANCE	desk-55	t	\N	2026-11-30 16:36:11.751416+00	\N	\N
BINANCE	desk-56	t	\N	2026-11-30 16:36:11.751418+00	\N	\N
BINANCE	desk-57	t	\N	2026-11-30 16:36:11.75142+00	\N	\N
BINANCE	desk-58	t	\N	2026-11-30 16:36:11.751422+00	\N	\N
BINANCE	desk-59	t	\N	2026-11-30 16:36:11.751424+00	\N	\N
BINANCE	desk-60	t	\N	2026-11-30 16:36:11.751426+00	\N	\N
BINANCE	desk-61	t	\N	2026-11-30 16:36:11.751428+00	\N	\N
BINANCE	desk-62	t	\N	2026-11-30 16:36:11.75143+00	\N	\N
BINANCE	desk-63	t	\N	2026-11-30 16:36:11.751432+00	\N	\N
BINANCE	desk-64	t	\N	2026-11-30 16:36:11.751434+00	\N	\N
BINANCE	desk-65	t	\N	2026-11-30 16:36:11.751436+00	\N	\N
BINANCE	desk-66	t	\N	2026-11-30 16:36:11.751437+00	\N	\N
BINANCE	desk-67	t	\N	2026-11-30 16:36:11.751442+00	\N	\N
BINANCE	desk-68	t	\N	2026-11-30 16:36:11.751444+00	\N	\N
BINANCE	desk-69	t	\N	2026-11-30 16:36:11.751446+00	\N	\N
BINANCE	desk-70	t	\N	2026-11-30 16:36:11.751447+00	\N	\N
BINANCE	desk-71	t	\N	2026-11-30 16:36:11.751449+00	\N	\N
BINANCE	desk-72	t	\N	2026-11-30 16:36:11.751451+00	\N	\N
BINANCE	desk-73	t	\N	2026-11-30 16:36:11.751453+00	\N	\N
BINANCE	desk-74	t	\N	2026-11-30 16:36:11.751455+00	\N	\N
BINANCE	desk-75	t	\N	2026-11-30 16:36:11.751457+00	\N	\N
BINANCE	desk-76	t	\N	2026-11-30 16:36:11.751459+00	\N	\N
BINANCE	desk-77	t	\N	2026-11-30 16:36:11.751461+00	\N	\N
BINANCE	desk-78	t	\N	2026-11-30 16:36:11.751463+00	\N	\N
BINANCE	desk-79	t	\N	2026-11-30 16:36:11.751464+00	\N	\N
BINANCE	desk-80	t	\N	2026-11-30 16:36:11.751466+00	\N	\N
BINANCE	desk-81	t	\N	2026-11-30 16:36:11.751468+00	\N	\N
BINANCE	desk-82	t	\N	2026-11-30 16:36:11.75147+00	\N	\N
BINANCE	desk-83	t	\N	2026-11-30 16:36:11.751472+00	\N	\N
BINANCE	desk-84	t	\N	2026-11-30 16:36:11.751474+00	\N	\N
BINANCE	desk-85	t	\N	2026-11-30 16:36:11.751476+00	\N	\N
BINANCE	desk-86	t	\N	2026-11-30 16:36:11.751479+00	\N	\N
BINANCE	desk-87	t	\N	2026-11-30 16:36:11.751481+00	\N	\N
BINANCE	desk-88	t	\N	2026-11-30 16:36:11.751483+00	\N	\N
BINANCE	desk-89	t	\N	2026-11-30 16:36:11.751485+00	\N	\N
BINANCE	desk-90	t	\N	2026-11-30 16:36:11.751487+00	\N	\N
BINANCE	desk-91	t	\N	2026-11-30 16:36:11.751488+00	\N	\N
BINANCE	desk-92	t	\N	2026-11-30 16:36:11.75149+00	\N	\N
BINANCE	desk-93	t	\N	2026-11-30 16:36:11.751492+00	\N	\N
BINANCE	desk-94	t	\N	2026-11-30 16:36:11.751494+00	\N	\N
BINANCE	desk-95	t	\N	2026-11-30 16:36:11.751496+00	\N	\N
BINANCE	desk-96	t	\N	2026-11-30 16:36:11.751498+00	\N	\N
BINANCE	desk-97	t	\N	2026-11-30 16:36:11.751499+00	\N	\N
BINANCE	desk-98	t	\N	2026-11-30 16:36:11.751501+00	\N	\N
BINANCE	desk-99	t	\N	2026-11-30 16:36:11.751503+00	\N	\N
BINANCE	main	t	main	2026-11-30 16:36:11.751146+00	{}	2026-11-30 16:36:11.76227+00
\.


--
-- Data for Name: broker_sessions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.broker_sessions (session_id, broker, worker, account, status, detail, since, started_at, heartbeat_at, ended_at, force_paper) FROM stdin;
01a22d50-5eee-7477-a070-4d1571e270d1	PAPER	host:25024	main	DOWN	stopped	2026-11-30 16:36:12.269674+00	2026-11-30 16:36:11.653294+00	2026-11-30 16:36:14.083383+00	2026-11-30 16:36:14.516428+00	f
01a22d50-5f9f-7883-a8d9-1a71e299f43c	IBKR	host:25027	main	DOWN	stopped	2026-11-30 16:36:11.812547+00	2026-11-30 16:36:11.811434+00	2026-11-30 16:36:14.232475+00	2026-11-30 16:36:14.583305+00	f
01a22d50-5f16-77bd-a0c3-00f9d0fef8d9	PAPER	host:25029	main	DOWN	stopped	2026-11-30 16:36:12.333803+00	2026-11-30 16:36:11.694502+00	2026-11-30 16:36:14.152628+00	2026-11-30 16:36:14.589747+00	f
01a22d50-5f59-7a53-8308-05505ca22061	BINANCE	host:25028	main	DOWN	stopped	2026-11-30 16:36:14.168914+00	2026-11-30 16:36:11.741285+00	2026-11-30 16:36:14.168914+00	2026-11-30 16:36:14.679156+00	f
\.


--
-- Data for Name: candles; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.candles (broker, symbol, "interval", opened_at, open, high, low, close, volume, fetched_at) FROM stdin;
\.


--
-- Data for Name: dead_letters; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.dead_letters (dead_letter_id, received_at, queue, task, message_id, reason, headers, body, size, unrecorded) FROM stdin;
\.


--
-- Data for Name: environment_stamp; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.environment_stamp (single, environment, accounts, stamped_at) FROM stdin;
t	practice	{}	2026-11-30 16:36:11.540044+00
\.


--
-- Data for Name: events; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.events (event_no, event_id, stream, sequence, type, order_id, payload, created_at) FROM stdin;
1	81522beb-19ed-56d4-b9b1-456602e226a4	orders	1	ACCEPTED	01a22d50-61e3-7720-962b-01362465e585	{"schema": 1, "event_id": "81522beb-19ed-56d4-b9b1-456602e226a4", "type": "ACCEPTED", "order_id": "01a22d50-61e3-7720-962b-01362465e585", "client_order_id": "live-filled", "symbol": "BTC-USDT", "broker": null, "execution_mode": null, "state": null, "reason": null, "step": "place_order", "at": "2026-11-30T16:36:12.388439Z"}	2026-11-30 16:36:12.444405+00
2	98ed15f9-2fe2-5b2e-8e07-035cb6879041	orders	2	PENDING	01a22d50-61e3-7720-962b-01362465e585	{"schema": 1, "event_id": "98ed15f9-2fe2-5b2e-8e07-035cb6879041", "type": "PENDING", "order_id": "01a22d50-61e3-7720-962b-01362465e585", "client_order_id": "live-filled", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "PENDING", "reason": null, "step": "persist_order", "at": "2026-11-30T16:36:12.446636Z"}	2026-11-30 16:36:12.45275+00
3	24c6ccbd-745c-56d5-9f32-c1864699cc85	orders	3	SUBMITTING	01a22d50-61e3-7720-962b-01362465e585	{"schema": 1, "event_id": "24c6ccbd-745c-56d5-9f32-c1864699cc85", "type": "SUBMITTING", "order_id": "01a22d50-61e3-7720-962b-01362465e585", "client_order_id": "live-filled", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.476095Z"}	2026-11-30 16:36:12.483002+00
4	304592e4-dd9d-5dce-8f4a-05e6cc8c71d4	orders	4	SUBMITTED	01a22d50-61e3-7720-962b-01362465e585	{"schema": 1, "event_id": "304592e4-dd9d-5dce-8f4a-05e6cc8c71d4", "type": "SUBMITTED", "order_id": "01a22d50-61e3-7720-962b-01362465e585", "client_order_id": "live-filled", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTED", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.482797Z"}	2026-11-30 16:36:12.502123+00
6	88e4e48d-3721-5bd5-b619-d4e90aca05fb	fills	1	FILL	01a22d50-61e3-7720-962b-01362465e585	{"schema": 1, "event_id": "88e4e48d-3721-5bd5-b619-d4e90aca05fb", "type": "FILL", "order_id": "01a22d50-61e3-7720-962b-01362465e585", "client_order_id": "live-filled", "symbol": "BTC-USDT", "asset_class": "CRYPTO", "side": "BUY", "broker": "BINANCE", "requested_broker": "BINANCE", "environment": "practice", "account": "main", "execution_mode": "LIVE", "execution_id": "X1", "last_quantity": "3", "last_price": "64001", "cumulative_quantity": "3", "leaves_quantity": "0", "average_price": "64001", "currency": "USDT", "multiplier": "1", "commission": "19.2003", "commission_currency": "USDT", "order_state": "FILLED", "executed_at": "2026-11-30T16:36:12.494761Z", "strategy": null}	2026-11-30 16:36:12.538378+00
5	076c5aea-787d-5a2f-8cef-3d2b11f4f066	orders	5	FILLED	01a22d50-61e3-7720-962b-01362465e585	{"schema": 1, "event_id": "076c5aea-787d-5a2f-8cef-3d2b11f4f066", "type": "FILLED", "order_id": "01a22d50-61e3-7720-962b-01362465e585", "client_order_id": "live-filled", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "FILLED", "reason": null, "step": "persist_fill", "at": "2026-11-30T16:36:12.515668Z"}	2026-11-30 16:36:12.524898+00
7	7d015db0-0592-52b2-b2c1-ceb90a3363e1	orders	6	ACCEPTED	01a22d50-629a-7370-b74d-ebcb5adcea65	{"schema": 1, "event_id": "7d015db0-0592-52b2-b2c1-ceb90a3363e1", "type": "ACCEPTED", "order_id": "01a22d50-629a-7370-b74d-ebcb5adcea65", "client_order_id": "live-part", "symbol": "BTC-USDT", "broker": null, "execution_mode": null, "state": null, "reason": null, "step": "place_order", "at": "2026-11-30T16:36:12.570727Z"}	2026-11-30 16:36:12.615755+00
8	184e5201-155c-5137-a691-6566bb06eab2	orders	7	PENDING	01a22d50-629a-7370-b74d-ebcb5adcea65	{"schema": 1, "event_id": "184e5201-155c-5137-a691-6566bb06eab2", "type": "PENDING", "order_id": "01a22d50-629a-7370-b74d-ebcb5adcea65", "client_order_id": "live-part", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "PENDING", "reason": null, "step": "persist_order", "at": "2026-11-30T16:36:12.621043Z"}	2026-11-30 16:36:12.625295+00
9	494a06cc-84dc-5d52-a0cd-3dfb47b298c2	orders	8	SUBMITTING	01a22d50-629a-7370-b74d-ebcb5adcea65	{"schema": 1, "event_id": "494a06cc-84dc-5d52-a0cd-3dfb47b298c2", "type": "SUBMITTING", "order_id": "01a22d50-629a-7370-b74d-ebcb5adcea65", "client_order_id": "live-part", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.650154Z"}	2026-11-30 16:36:12.652074+00
10	ac960c21-7c3c-566b-a742-4d31adf016c9	orders	9	SUBMITTED	01a22d50-629a-7370-b74d-ebcb5adcea65	{"schema": 1, "event_id": "ac960c21-7c3c-566b-a742-4d31adf016c9", "type": "SUBMITTED", "order_id": "01a22d50-629a-7370-b74d-ebcb5adcea65", "client_order_id": "live-part", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTED", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.651984Z"}	2026-11-30 16:36:12.65871+00
12	533c8378-7843-52ad-9d15-0f7ea4a6d92d	fills	2	FILL	01a22d50-629a-7370-b74d-ebcb5adcea65	{"schema": 1, "event_id": "533c8378-7843-52ad-9d15-0f7ea4a6d92d", "type": "FILL", "order_id": "01a22d50-629a-7370-b74d-ebcb5adcea65", "client_order_id": "live-part", "symbol": "BTC-USDT", "asset_class": "CRYPTO", "side": "BUY", "broker": "BINANCE", "requested_broker": "BINANCE", "environment": "practice", "account": "main", "execution_mode": "LIVE", "execution_id": "X2", "last_quantity": "1", "last_price": "59995", "cumulative_quantity": "1", "leaves_quantity": "2", "average_price": "59995", "currency": "USDT", "multiplier": "1", "commission": "5.9995", "commission_currency": "USDT", "order_state": "PARTIALLY_FILLED", "executed_at": "2026-11-30T16:36:12.684542Z", "strategy": null}	2026-11-30 16:36:12.847362+00
13	d8d06f7a-e707-5488-a070-25e5133f670e	orders	11	ACCEPTED	01a22d50-63d5-7e9c-9422-8cdb29539507	{"schema": 1, "event_id": "d8d06f7a-e707-5488-a070-25e5133f670e", "type": "ACCEPTED", "order_id": "01a22d50-63d5-7e9c-9422-8cdb29539507", "client_order_id": "live-rests", "symbol": "BTC-USDT", "broker": null, "execution_mode": null, "state": null, "reason": null, "step": "place_order", "at": "2026-11-30T16:36:12.885337Z"}	2026-11-30 16:36:12.898987+00
14	8da36422-4291-5604-886c-892f85223474	orders	12	PENDING	01a22d50-63d5-7e9c-9422-8cdb29539507	{"schema": 1, "event_id": "8da36422-4291-5604-886c-892f85223474", "type": "PENDING", "order_id": "01a22d50-63d5-7e9c-9422-8cdb29539507", "client_order_id": "live-rests", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "PENDING", "reason": null, "step": "persist_order", "at": "2026-11-30T16:36:12.905696Z"}	2026-11-30 16:36:12.906197+00
40	e25a71ce-eb73-52d7-a30f-d7c562ea20bd	orders	37	UNKNOWN	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	{"schema": 1, "event_id": "e25a71ce-eb73-52d7-a30f-d7c562ea20bd", "type": "UNKNOWN", "order_id": "01a22d50-668a-785a-91c3-cc7fb4fbb7cf", "client_order_id": "unknown", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "UNKNOWN", "reason": "the answer did not come: ServerDisconnectedError('Server disconnected')", "step": "submit_order", "at": "2026-11-30T16:36:13.605474Z"}	2026-11-30 16:36:13.607821+00
11	54d01d0c-a376-55ab-9955-1527a776c6cc	orders	10	PARTIALLY_FILLED	01a22d50-629a-7370-b74d-ebcb5adcea65	{"schema": 1, "event_id": "54d01d0c-a376-55ab-9955-1527a776c6cc", "type": "PARTIALLY_FILLED", "order_id": "01a22d50-629a-7370-b74d-ebcb5adcea65", "client_order_id": "live-part", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "PARTIALLY_FILLED", "reason": null, "step": "persist_fill", "at": "2026-11-30T16:36:12.834371Z"}	2026-11-30 16:36:12.837227+00
15	83c4c269-7795-59dd-a01c-f54aef42384f	orders	13	SUBMITTING	01a22d50-63d5-7e9c-9422-8cdb29539507	{"schema": 1, "event_id": "83c4c269-7795-59dd-a01c-f54aef42384f", "type": "SUBMITTING", "order_id": "01a22d50-63d5-7e9c-9422-8cdb29539507", "client_order_id": "live-rests", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.913676Z"}	2026-11-30 16:36:12.917284+00
16	819cb808-44cc-5224-886f-90af287e325a	orders	14	SUBMITTED	01a22d50-63d5-7e9c-9422-8cdb29539507	{"schema": 1, "event_id": "819cb808-44cc-5224-886f-90af287e325a", "type": "SUBMITTED", "order_id": "01a22d50-63d5-7e9c-9422-8cdb29539507", "client_order_id": "live-rests", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTED", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.917195Z"}	2026-11-30 16:36:12.923348+00
39	107835cf-beb7-5ffb-bde1-5bdfe4a6c6fb	orders	36	SUBMITTING	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	{"schema": 1, "event_id": "107835cf-beb7-5ffb-bde1-5bdfe4a6c6fb", "type": "SUBMITTING", "order_id": "01a22d50-668a-785a-91c3-cc7fb4fbb7cf", "client_order_id": "unknown", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:13.599801Z"}	2026-11-30 16:36:13.601463+00
20	f1f47e64-fc5a-5cf5-87aa-3ed9b71e771f	orders	18	SUBMITTED	01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	{"schema": 1, "event_id": "f1f47e64-fc5a-5cf5-87aa-3ed9b71e771f", "type": "SUBMITTED", "order_id": "01a22d50-6415-7ce0-9a9e-1cd854d3d0ce", "client_order_id": "paper-rests", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTED", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.990479Z"}	2026-11-30 16:36:13.111254+00
31	258133cb-e78d-5fba-bc30-3043ccf03633	orders	28	SUBMITTING	6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	{"schema": 1, "event_id": "258133cb-e78d-5fba-bc30-3043ccf03633", "type": "SUBMITTING", "order_id": "6cb2f0ca-3b45-5a9e-941c-bda04dde40a7", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-tp", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:13.354690Z"}	2026-11-30 16:36:13.382915+00
34	ee8ab0dc-b924-52d7-a126-1dcf7dd426f0	orders	31	SUBMITTED	6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	{"schema": 1, "event_id": "ee8ab0dc-b924-52d7-a126-1dcf7dd426f0", "type": "SUBMITTED", "order_id": "6cb2f0ca-3b45-5a9e-941c-bda04dde40a7", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-tp", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTED", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:13.358765Z"}	2026-11-30 16:36:13.410035+00
37	85beadfb-1c7f-5203-a1e4-49f0b1d54470	orders	34	ACCEPTED	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	{"schema": 1, "event_id": "85beadfb-1c7f-5203-a1e4-49f0b1d54470", "type": "ACCEPTED", "order_id": "01a22d50-668a-785a-91c3-cc7fb4fbb7cf", "client_order_id": "unknown", "symbol": "BTC-USDT", "broker": null, "execution_mode": null, "state": null, "reason": null, "step": "place_order", "at": "2026-11-30T16:36:13.579224Z"}	2026-11-30 16:36:13.589913+00
38	2dc32f20-9603-52d7-ac05-ff908a1c224d	orders	35	PENDING	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	{"schema": 1, "event_id": "2dc32f20-9603-52d7-ac05-ff908a1c224d", "type": "PENDING", "order_id": "01a22d50-668a-785a-91c3-cc7fb4fbb7cf", "client_order_id": "unknown", "symbol": "BTC-USDT", "broker": "BINANCE", "execution_mode": "LIVE", "state": "PENDING", "reason": null, "step": "persist_order", "at": "2026-11-30T16:36:13.593068Z"}	2026-11-30 16:36:13.592539+00
17	29919bc3-2a78-5507-9dae-9e93c5ee8600	orders	15	ACCEPTED	01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	{"schema": 1, "event_id": "29919bc3-2a78-5507-9dae-9e93c5ee8600", "type": "ACCEPTED", "order_id": "01a22d50-6415-7ce0-9a9e-1cd854d3d0ce", "client_order_id": "paper-rests", "symbol": "SPY", "broker": null, "execution_mode": null, "state": null, "reason": null, "step": "place_order", "at": "2026-11-30T16:36:12.950141Z"}	2026-11-30 16:36:12.977832+00
18	f167ea99-6b5b-5f99-8e29-d978e34bb09b	orders	16	PENDING	01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	{"schema": 1, "event_id": "f167ea99-6b5b-5f99-8e29-d978e34bb09b", "type": "PENDING", "order_id": "01a22d50-6415-7ce0-9a9e-1cd854d3d0ce", "client_order_id": "paper-rests", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "PENDING", "reason": null, "step": "persist_order", "at": "2026-11-30T16:36:12.980330Z"}	2026-11-30 16:36:12.984696+00
19	fccab6bf-d9a9-5e5d-9563-540b6dba5902	orders	17	SUBMITTING	01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	{"schema": 1, "event_id": "fccab6bf-d9a9-5e5d-9563-540b6dba5902", "type": "SUBMITTING", "order_id": "01a22d50-6415-7ce0-9a9e-1cd854d3d0ce", "client_order_id": "paper-rests", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:12.986669Z"}	2026-11-30 16:36:12.990568+00
26	b4c04ab9-093b-5cff-8086-e357ddca0a02	fills	3	FILL	01a22d50-64e2-72d8-942b-f809d3aeb81e	{"schema": 1, "event_id": "b4c04ab9-093b-5cff-8086-e357ddca0a02", "type": "FILL", "order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e", "client_order_id": "bracket", "symbol": "SPY", "asset_class": "EQUITY", "side": "BUY", "broker": "PAPER", "requested_broker": "IBKR", "environment": "practice", "account": "main", "execution_mode": "PAPER", "execution_id": "JVV5pDk0cEUOK16KLEyW9A-1", "last_quantity": "4", "last_price": "600.61001", "cumulative_quantity": "4", "leaves_quantity": "0", "average_price": "600.61001", "currency": "USD", "multiplier": "1", "commission": null, "commission_currency": null, "order_state": "FILLED", "executed_at": "2026-11-30T16:36:13.183535Z", "strategy": null}	2026-11-30 16:36:13.319495+00
21	e0bdc0dd-b6c3-5fba-a804-6b92ce588ec6	orders	19	ACCEPTED	01a22d50-64e2-72d8-942b-f809d3aeb81e	{"schema": 1, "event_id": "e0bdc0dd-b6c3-5fba-a804-6b92ce588ec6", "type": "ACCEPTED", "order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e", "client_order_id": "bracket", "symbol": "SPY", "broker": null, "execution_mode": null, "state": null, "reason": null, "step": "place_order", "at": "2026-11-30T16:36:13.154587Z"}	2026-11-30 16:36:13.169682+00
22	a08f1268-7d0e-5215-8c19-6efe174ea171	orders	20	PENDING	01a22d50-64e2-72d8-942b-f809d3aeb81e	{"schema": 1, "event_id": "a08f1268-7d0e-5215-8c19-6efe174ea171", "type": "PENDING", "order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e", "client_order_id": "bracket", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "PENDING", "reason": null, "step": "persist_order", "at": "2026-11-30T16:36:13.172744Z"}	2026-11-30 16:36:13.173184+00
23	9925409a-78e2-5b7c-bc39-b43d28198a27	orders	21	SUBMITTING	01a22d50-64e2-72d8-942b-f809d3aeb81e	{"schema": 1, "event_id": "9925409a-78e2-5b7c-bc39-b43d28198a27", "type": "SUBMITTING", "order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e", "client_order_id": "bracket", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:13.176708Z"}	2026-11-30 16:36:13.182206+00
24	41e6d6fa-c452-5d26-a570-5191b7101e17	orders	22	SUBMITTED	01a22d50-64e2-72d8-942b-f809d3aeb81e	{"schema": 1, "event_id": "41e6d6fa-c452-5d26-a570-5191b7101e17", "type": "SUBMITTED", "order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e", "client_order_id": "bracket", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTED", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:13.182099Z"}	2026-11-30 16:36:13.28373+00
25	c9846738-3f2d-5889-90e7-f12a16939844	orders	23	FILLED	01a22d50-64e2-72d8-942b-f809d3aeb81e	{"schema": 1, "event_id": "c9846738-3f2d-5889-90e7-f12a16939844", "type": "FILLED", "order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e", "client_order_id": "bracket", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "FILLED", "reason": null, "step": "persist_fill", "at": "2026-11-30T16:36:13.293490Z"}	2026-11-30 16:36:13.301465+00
27	5b46912a-1473-5c5b-a2f0-286dd283d33f	orders	24	ACCEPTED	b38c7483-324b-5d42-90f2-37f51c100235	{"schema": 1, "event_id": "5b46912a-1473-5c5b-a2f0-286dd283d33f", "type": "ACCEPTED", "order_id": "b38c7483-324b-5d42-90f2-37f51c100235", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-sl", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "PENDING", "reason": null, "step": "bracket", "at": "2026-11-30T16:36:13.331473Z"}	2026-11-30 16:36:13.33473+00
28	d643b44b-da34-56f1-aba1-f3e3f7732256	orders	25	PENDING	b38c7483-324b-5d42-90f2-37f51c100235	{"schema": 1, "event_id": "d643b44b-da34-56f1-aba1-f3e3f7732256", "type": "PENDING", "order_id": "b38c7483-324b-5d42-90f2-37f51c100235", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-sl", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "PENDING", "reason": null, "step": "bracket", "at": "2026-11-30T16:36:13.331532Z"}	2026-11-30 16:36:13.334858+00
32	ed026a57-4ec0-5108-9085-e990eff114dc	orders	29	SUBMITTING	b38c7483-324b-5d42-90f2-37f51c100235	{"schema": 1, "event_id": "ed026a57-4ec0-5108-9085-e990eff114dc", "type": "SUBMITTING", "order_id": "b38c7483-324b-5d42-90f2-37f51c100235", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-sl", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTING", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:13.369865Z"}	2026-11-30 16:36:13.387167+00
29	25daa00c-075d-513d-a26c-d27533fa2650	orders	26	ACCEPTED	6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	{"schema": 1, "event_id": "25daa00c-075d-513d-a26c-d27533fa2650", "type": "ACCEPTED", "order_id": "6cb2f0ca-3b45-5a9e-941c-bda04dde40a7", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-tp", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "PENDING", "reason": null, "step": "bracket", "at": "2026-11-30T16:36:13.340348Z"}	2026-11-30 16:36:13.341112+00
30	9698fb6f-5430-5546-8f8f-15089004da09	orders	27	PENDING	6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	{"schema": 1, "event_id": "9698fb6f-5430-5546-8f8f-15089004da09", "type": "PENDING", "order_id": "6cb2f0ca-3b45-5a9e-941c-bda04dde40a7", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-tp", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "PENDING", "reason": null, "step": "bracket", "at": "2026-11-30T16:36:13.340413Z"}	2026-11-30 16:36:13.341192+00
33	4dddb73b-5ca5-53e3-8686-ed38ce461975	orders	30	SUBMITTED	b38c7483-324b-5d42-90f2-37f51c100235	{"schema": 1, "event_id": "4dddb73b-5ca5-53e3-8686-ed38ce461975", "type": "SUBMITTED", "order_id": "b38c7483-324b-5d42-90f2-37f51c100235", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-sl", "symbol": "SPY", "broker": "PAPER", "execution_mode": "PAPER", "state": "SUBMITTED", "reason": null, "step": "submit_order", "at": "2026-11-30T16:36:13.384398Z"}	2026-11-30 16:36:13.404814+00
35	b950de72-040e-5bf2-8ae5-ee3e3bf37ed5	orders	32	ACCEPTED	01a22d50-662e-7259-b008-b329c9995f87	{"schema": 1, "event_id": "b950de72-040e-5bf2-8ae5-ee3e3bf37ed5", "type": "ACCEPTED", "order_id": "01a22d50-662e-7259-b008-b329c9995f87", "client_order_id": "waits", "symbol": "SPY", "broker": null, "execution_mode": null, "state": null, "reason": null, "step": "place_order", "at": "2026-11-30T16:36:13.486542Z"}	2026-11-30 16:36:13.511376+00
36	769e327e-d998-5563-bc8f-9d6368101961	orders	33	PENDING	01a22d50-662e-7259-b008-b329c9995f87	{"schema": 1, "event_id": "769e327e-d998-5563-bc8f-9d6368101961", "type": "PENDING", "order_id": "01a22d50-662e-7259-b008-b329c9995f87", "client_order_id": "waits", "symbol": "SPY", "broker": "IBKR", "execution_mode": "LIVE", "state": "PENDING", "reason": null, "step": "persist_order", "at": "2026-11-30T16:36:13.515041Z"}	2026-11-30 16:36:13.518432+00
\.


--
-- Data for Name: execution_reports; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.execution_reports (report_id, broker, environment, account, symbol, side, execution_id, kind, execution_mode, quantity, price, commission, commission_currency, corrects, executed_at, venue_order_id, broker_order_id, order_id, attempt_id, received_at, applied_at, instrument_key, revision, unread_time) FROM stdin;
1	BINANCE	practice	main	BTC-USDT	BUY	X1	TRADE	LIVE	3	64001	19.2003	USDT	\N	2026-11-30 16:36:12.494761+00	Y17KBm95EfD9MOs5lcqnWw	L1	01a22d50-61e3-7720-962b-01362465e585	01a22d50-6219-7be9-b53b-5e3f5f139965	2026-11-30 16:36:12.501656+00	2026-11-30 16:36:12.52205+00	BTCUSDT	0	\N
2	BINANCE	practice	main	BTC-USDT	BUY	X2	TRADE	LIVE	1	59995	5.9995	USDT	\N	2026-11-30 16:36:12.684542+00	3j4i8dPLjpn8id-K3VLCuQ	L2	01a22d50-629a-7370-b74d-ebcb5adcea65	01a22d50-62c1-7f2a-b9a2-00ac4e2d3399	2026-11-30 16:36:12.825537+00	2026-11-30 16:36:12.836251+00	BTCUSDT	0	\N
3	PAPER	practice	main	SPY	BUY	JVV5pDk0cEUOK16KLEyW9A-1	TRADE	PAPER	4	600.61001	\N	\N	\N	2026-11-30 16:36:13.183535+00	JVV5pDk0cEUOK16KLEyW9A	JVV5pDk0cEUOK16KLEyW9A	01a22d50-64e2-72d8-942b-f809d3aeb81e	01a22d50-64f0-7028-9b63-87ce4ef1b8bf	2026-11-30 16:36:13.28364+00	2026-11-30 16:36:13.296476+00		0	\N
\.


--
-- Data for Name: fill_measures; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.fill_measures (at, fill_id, broker, execution_mode, symbol, quantity, slippage) FROM stdin;
\.


--
-- Data for Name: fills; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.fills (fill_id, report_id, order_id, attempt_id, broker, environment, account, symbol, side, execution_id, quantity, price, commission, commission_currency, currency, multiplier, execution_mode, status, cumulative_quantity, leaves_quantity, average_price, order_state, executed_at, recorded_at, revised, revisions, announced_at, positioned_at, base_asset, position_quantity, position_average_price, position_realised_pnl, position_commission, instrument_key, position_costs) FROM stdin;
1	1	01a22d50-61e3-7720-962b-01362465e585	01a22d50-6219-7be9-b53b-5e3f5f139965	BINANCE	practice	main	BTC-USDT	BUY	X1	3	64001	19.2003	USDT	USDT	1	LIVE	GOOD	3	0	64001	FILLED	2026-11-30 16:36:12.494761+00	2026-11-30 16:36:12.519354+00	\N	0	2026-11-30 16:36:12.537432+00	2026-11-30 16:36:12.537432+00	BTC	3	64001	0	19.2003	BTCUSDT	{"USDT": "19.2003"}
2	2	01a22d50-629a-7370-b74d-ebcb5adcea65	01a22d50-62c1-7f2a-b9a2-00ac4e2d3399	BINANCE	practice	main	BTC-USDT	BUY	X2	1	59995	5.9995	USDT	USDT	1	LIVE	GOOD	1	2	59995	PARTIALLY_FILLED	2026-11-30 16:36:12.684542+00	2026-11-30 16:36:12.835556+00	\N	0	2026-11-30 16:36:12.846665+00	2026-11-30 16:36:12.846665+00	BTC	4	62999.5	0	25.1998	BTCUSDT	{"USDT": "25.1998"}
3	3	01a22d50-64e2-72d8-942b-f809d3aeb81e	01a22d50-64f0-7028-9b63-87ce4ef1b8bf	PAPER	practice	main	SPY	BUY	JVV5pDk0cEUOK16KLEyW9A-1	4	600.61001	\N	\N	USD	1	PAPER	GOOD	4	0	600.61001	FILLED	2026-11-30 16:36:13.183535+00	2026-11-30 16:36:13.295507+00	\N	0	2026-11-30 16:36:13.317005+00	2026-11-30 16:36:13.317005+00	\N	4	600.61001	0	0		{}
\.


--
-- Data for Name: ibkr_client_ids; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.ibkr_client_ids (endpoint, account, client_id, session_id, leased_at) FROM stdin;
\.


--
-- Data for Name: ibkr_order_ids; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.ibkr_order_ids (client_id, order_id, venue_order_id, taken_at) FROM stdin;
\.


--
-- Data for Name: measured; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.measured (what, upto, upto_id) FROM stdin;
events	2026-11-30 16:36:08.057771+00	0
fills	2026-11-30 16:36:08.057883+00	0
requests	2026-11-30 16:36:08.057886+00	0
\.


--
-- Data for Name: measured_totals; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.measured_totals (metric, broker, label, le, total, seconds) FROM stdin;
\.


--
-- Data for Name: nav_confirmations; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.nav_confirmations (trust_symbol, spot_symbol, at, spread, coins_per_share, coins_as_of, evidence, confirmed_by) FROM stdin;
\.


--
-- Data for Name: nav_group_events; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.nav_group_events (group_id, version, at, state, reason) FROM stdin;
\.


--
-- Data for Name: nav_group_legs; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.nav_group_legs (group_id, number, client_order_id, role, purpose, side, quantity, placed_at) FROM stdin;
\.


--
-- Data for Name: nav_groups; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.nav_groups (group_id, trust_symbol, spot_symbol, "interval", interval_at, direction, execution_mode, state, phase, reason, entered_at, trust_price, spot_price, conversion, coins_per_share, spread, z, unhedged_coins, exit_reason, pnl, uncounted, version, phase_since, created_at, updated_at, ended_at) FROM stdin;
\.


--
-- Data for Name: nav_looks; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.nav_looks (trust_symbol, spot_symbol, "interval", looked_at, said, unjudged, doubted_spread, doubted_coins, doubted_coins_as_of) FROM stdin;
\.


--
-- Data for Name: nav_observations; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.nav_observations (trust_symbol, spot_symbol, "interval", interval_at, observed_at, trust_price, spot_price, spot_currency, conversion, coins_per_share, coins_as_of, nav_per_share, spread, z, mean, standard_deviation, window_size, action, direction, reason, recorded_at, declined) FROM stdin;
\.


--
-- Data for Name: order_attempts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.order_attempts (attempt_id, order_id, attempt_no, leg, broker, environment, account, execution_mode, venue_order_id, broker_order_id, quantity, filled_quantity, state, reason, error_code, intent_at, intents, send_by, lease_owner, lease_until, watcher, reported_state, reported_quantity, reported_reason, created_at, updated_at, replacement, closes, one_cancels_other, reduced, cancel_asked_at, end_cause, claimed, claimed_at, outdated) FROM stdin;
01a22d50-6219-7be9-b53b-5e3f5f139965	01a22d50-61e3-7720-962b-01362465e585	1	0	BINANCE	practice	main	LIVE	Y17KBm95EfD9MOs5lcqnWw	L1	3	3	FILLED	\N	\N	2026-11-30 16:36:12.482797+00	1	2026-11-30 16:36:14.482797+00	01a22d50-5f59-7a53-8308-05505ca22061	2026-11-30 16:36:17.482797+00	01a22d50-5f59-7a53-8308-05505ca22061	FILLED	3	\N	2026-11-30 16:36:12.449876+00	2026-11-30 16:36:12.525837+00	\N	\N	\N	0	\N	\N	\N	\N	f
01a22d50-62c1-7f2a-b9a2-00ac4e2d3399	01a22d50-629a-7370-b74d-ebcb5adcea65	1	0	BINANCE	practice	main	LIVE	3j4i8dPLjpn8id-K3VLCuQ	L2	3	1	PARTIALLY_FILLED	\N	\N	2026-11-30 16:36:12.651984+00	1	2026-11-30 16:36:14.651984+00	01a22d50-5f59-7a53-8308-05505ca22061	2026-11-30 16:36:17.651984+00	01a22d50-5f59-7a53-8308-05505ca22061	PARTIALLY_FILLED	1	\N	2026-11-30 16:36:12.624132+00	2026-11-30 16:36:12.837693+00	\N	\N	\N	0	\N	\N	\N	\N	f
01a22d50-64f0-7028-9b63-87ce4ef1b8bf	01a22d50-64e2-72d8-942b-f809d3aeb81e	1	0	PAPER	practice	main	PAPER	JVV5pDk0cEUOK16KLEyW9A	JVV5pDk0cEUOK16KLEyW9A	4	4	FILLED	\N	\N	2026-11-30 16:36:13.182099+00	1	2026-11-30 16:36:15.182099+00	01a22d50-5eee-7477-a070-4d1571e270d1	2026-11-30 16:36:18.182099+00	01a22d50-5eee-7477-a070-4d1571e270d1	FILLED	4	\N	2026-11-30 16:36:13.173076+00	2026-11-30 16:36:13.302499+00	\N	\N	\N	0	\N	\N	\N	\N	f
01a22d50-63e2-77c0-8ba4-018508de3dec	01a22d50-63d5-7e9c-9422-8cdb29539507	1	0	BINANCE	practice	main	LIVE	Rk8ubBkes3Nx-gfRXNXxow	L3	3	0	SUBMITTED	\N	\N	2026-11-30 16:36:12.917195+00	1	2026-11-30 16:36:14.917195+00	01a22d50-5f59-7a53-8308-05505ca22061	2026-11-30 16:36:17.917195+00	01a22d50-5f59-7a53-8308-05505ca22061	SUBMITTED	0	\N	2026-11-30 16:36:12.905977+00	2026-11-30 16:36:12.928801+00	\N	\N	\N	0	\N	\N	\N	\N	f
01a22d50-642e-719c-b8a4-d26c8d56b7a2	01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	1	0	PAPER	practice	main	PAPER	qlF-efVl2b2XdyT1Fpc3UA	qlF-efVl2b2XdyT1Fpc3UA	4	0	SUBMITTED	\N	\N	2026-11-30 16:36:12.990479+00	1	2026-11-30 16:36:14.990479+00	01a22d50-5f16-77bd-a0c3-00f9d0fef8d9	2026-11-30 16:36:17.990479+00	01a22d50-5f16-77bd-a0c3-00f9d0fef8d9	SUBMITTED	0	\N	2026-11-30 16:36:12.984084+00	2026-11-30 16:36:13.138313+00	\N	\N	\N	0	\N	\N	\N	\N	f
6357f258-969f-5100-b91a-f3ce7a8ddb7f	b38c7483-324b-5d42-90f2-37f51c100235	1	0	PAPER	practice	main	PAPER	863O7aBF-p5JI3Pgl0w97g	863O7aBF-p5JI3Pgl0w97g	4	0	SUBMITTED	\N	\N	2026-11-30 16:36:13.384398+00	1	2026-11-30 16:36:15.384398+00	01a22d50-5eee-7477-a070-4d1571e270d1	2026-11-30 16:36:18.384398+00	01a22d50-5eee-7477-a070-4d1571e270d1	SUBMITTED	0	\N	2026-11-30 16:36:13.334931+00	2026-11-30 16:36:13.426533+00	\N	\N	01a22d50-64e2-72d8-942b-f809d3aeb81e	0	\N	\N	\N	\N	f
c8452b7f-f7f1-5788-959d-633529713553	6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	1	0	PAPER	practice	main	PAPER	CwcHWICjzwjBEtmotvH01A	CwcHWICjzwjBEtmotvH01A	4	0	SUBMITTED	\N	\N	2026-11-30 16:36:13.358765+00	1	2026-11-30 16:36:15.358765+00	01a22d50-5f16-77bd-a0c3-00f9d0fef8d9	2026-11-30 16:36:18.358765+00	01a22d50-5f16-77bd-a0c3-00f9d0fef8d9	SUBMITTED	0	\N	2026-11-30 16:36:13.341218+00	2026-11-30 16:36:13.449228+00	\N	\N	01a22d50-64e2-72d8-942b-f809d3aeb81e	0	\N	\N	\N	\N	f
01a22d50-6642-7fc7-8e5e-a89cc2b6b7df	01a22d50-662e-7259-b008-b329c9995f87	1	0	IBKR	practice	main	LIVE	-UbHlUxjsqterAsjVImB8Q	\N	4	0	PENDING	\N	\N	\N	0	\N	\N	\N	\N	\N	\N	\N	2026-11-30 16:36:13.517353+00	2026-11-30 16:36:13.517353+00	\N	\N	\N	0	\N	\N	\N	\N	f
01a22d50-6695-7642-a9e5-76374b159d57	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	1	0	BINANCE	practice	main	LIVE	76MkVxvoWRWJh-_udHuRLg	\N	3	0	UNKNOWN	the answer did not come: ServerDisconnectedError('Server disconnected')	\N	2026-11-30 16:36:13.601361+00	1	2026-11-30 16:36:15.601361+00	01a22d50-5f59-7a53-8308-05505ca22061	\N	\N	\N	\N	\N	2026-11-30 16:36:13.592369+00	2026-11-30 16:36:13.607738+00	\N	\N	\N	0	\N	\N	\N	\N	f
\.


--
-- Data for Name: order_commands; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.order_commands (command_id, kind, client_order_id, external_id, received_at, payload, payload_hash, outcome, reason, sent_at, settled_at, due_at, resends, sends, last_send_at, fitted, ours) FROM stdin;
01a22d50-6b88-73c7-9c4e-eecb503d8f55	CANCEL	waits	cancel-waits	2026-11-30 16:36:14.856837+00	{"cancel_id": "cancel-waits", "client_order_id": "waits"}	1607c1054345793f3d2fb2fdcdd904da78c636355a196fcf1687db64ec4fead3	PENDING	\N	\N	\N	2026-11-30 16:36:19.856837+00	0	0	\N	\N	f
\.


--
-- Data for Name: order_events; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.order_events (order_id, at, step, state, broker, attempt_no, detail) FROM stdin;
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.444593+00	create_order	PENDING	\N	\N	{}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.45278+00	persist_order	PENDING	BINANCE	1	{}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.476095+00	connect_gateway	PENDING	BINANCE	1	{}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.482797+00	submit_order	SUBMITTING	BINANCE	1	{"intent": true}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.501333+00	submit_order	SUBMITTED	BINANCE	1	{"broker_order_id": "L1"}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.509268+00	await_fill	SUBMITTED	BINANCE	1	{}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.524747+00	persist_fill	FILLED	BINANCE	1	{"executions": ["X1"]}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.539169+00	update_positions	FILLED	BINANCE	1	{}
01a22d50-61e3-7720-962b-01362465e585	2026-11-30 16:36:12.550477+00	publish_fill_event	FILLED	BINANCE	1	{}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.615824+00	create_order	PENDING	\N	\N	{}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.625325+00	persist_order	PENDING	BINANCE	1	{}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.650154+00	connect_gateway	PENDING	BINANCE	1	{}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.651984+00	submit_order	SUBMITTING	BINANCE	1	{"intent": true}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.658627+00	submit_order	SUBMITTED	BINANCE	1	{"broker_order_id": "L2"}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.664435+00	waiting	SUBMITTED	BINANCE	1	{}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.829785+00	await_fill	SUBMITTED	BINANCE	1	{}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.837149+00	persist_fill	PARTIALLY_FILLED	BINANCE	1	{"executions": ["X2"]}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.8476+00	update_positions	PARTIALLY_FILLED	BINANCE	1	{}
01a22d50-629a-7370-b74d-ebcb5adcea65	2026-11-30 16:36:12.851336+00	publish_fill_event	PARTIALLY_FILLED	BINANCE	1	{}
01a22d50-63d5-7e9c-9422-8cdb29539507	2026-11-30 16:36:12.899026+00	create_order	PENDING	\N	\N	{}
01a22d50-63d5-7e9c-9422-8cdb29539507	2026-11-30 16:36:12.906225+00	persist_order	PENDING	BINANCE	1	{}
01a22d50-63d5-7e9c-9422-8cdb29539507	2026-11-30 16:36:12.913676+00	connect_gateway	PENDING	BINANCE	1	{}
01a22d50-63d5-7e9c-9422-8cdb29539507	2026-11-30 16:36:12.917195+00	submit_order	SUBMITTING	BINANCE	1	{"intent": true}
01a22d50-63d5-7e9c-9422-8cdb29539507	2026-11-30 16:36:12.923248+00	submit_order	SUBMITTED	BINANCE	1	{"broker_order_id": "L3"}
01a22d50-63d5-7e9c-9422-8cdb29539507	2026-11-30 16:36:12.928801+00	waiting	SUBMITTED	BINANCE	1	{}
01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	2026-11-30 16:36:12.977868+00	create_order	PENDING	\N	\N	{}
01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	2026-11-30 16:36:12.984726+00	persist_order	PENDING	PAPER	1	{"reason": "IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set"}
01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	2026-11-30 16:36:12.986669+00	connect_gateway	PENDING	PAPER	1	{}
01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	2026-11-30 16:36:12.990479+00	submit_order	SUBMITTING	PAPER	1	{"intent": true}
01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	2026-11-30 16:36:13.111151+00	submit_order	SUBMITTED	PAPER	1	{"broker_order_id": "qlF-efVl2b2XdyT1Fpc3UA"}
01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	2026-11-30 16:36:13.138313+00	waiting	SUBMITTED	PAPER	1	{}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.16974+00	create_order	PENDING	\N	\N	{}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.173213+00	persist_order	PENDING	PAPER	1	{"reason": "IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set"}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.176708+00	connect_gateway	PENDING	PAPER	1	{}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.182099+00	submit_order	SUBMITTING	PAPER	1	{"intent": true}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.283406+00	submit_order	SUBMITTED	PAPER	1	{"broker_order_id": "JVV5pDk0cEUOK16KLEyW9A"}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.289907+00	await_fill	SUBMITTED	PAPER	1	{}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.30128+00	persist_fill	FILLED	PAPER	1	{"executions": ["JVV5pDk0cEUOK16KLEyW9A-1"]}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.319999+00	update_positions	FILLED	PAPER	1	{}
b38c7483-324b-5d42-90f2-37f51c100235	2026-11-30 16:36:13.334872+00	create_order	PENDING	PAPER	1	{"role": "STOP_LOSS", "parent_order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e"}
b38c7483-324b-5d42-90f2-37f51c100235	2026-11-30 16:36:13.334926+00	persist_order	PENDING	PAPER	1	{"role": "STOP_LOSS", "parent_order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e"}
6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	2026-11-30 16:36:13.341201+00	create_order	PENDING	PAPER	1	{"role": "TAKE_PROFIT", "parent_order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e"}
6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	2026-11-30 16:36:13.341214+00	persist_order	PENDING	PAPER	1	{"role": "TAKE_PROFIT", "parent_order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e"}
01a22d50-64e2-72d8-942b-f809d3aeb81e	2026-11-30 16:36:13.34434+00	publish_fill_event	FILLED	PAPER	1	{}
6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	2026-11-30 16:36:13.35469+00	connect_gateway	PENDING	PAPER	1	{}
b38c7483-324b-5d42-90f2-37f51c100235	2026-11-30 16:36:13.369865+00	connect_gateway	PENDING	PAPER	1	{}
6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	2026-11-30 16:36:13.358765+00	submit_order	SUBMITTING	PAPER	1	{"intent": true}
b38c7483-324b-5d42-90f2-37f51c100235	2026-11-30 16:36:13.384398+00	submit_order	SUBMITTING	PAPER	1	{"intent": true}
b38c7483-324b-5d42-90f2-37f51c100235	2026-11-30 16:36:13.402168+00	submit_order	SUBMITTED	PAPER	1	{"broker_order_id": "863O7aBF-p5JI3Pgl0w97g"}
6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	2026-11-30 16:36:13.398187+00	submit_order	SUBMITTED	PAPER	1	{"broker_order_id": "CwcHWICjzwjBEtmotvH01A"}
b38c7483-324b-5d42-90f2-37f51c100235	2026-11-30 16:36:13.426533+00	waiting	SUBMITTED	PAPER	1	{}
6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	2026-11-30 16:36:13.449228+00	waiting	SUBMITTED	PAPER	1	{}
01a22d50-662e-7259-b008-b329c9995f87	2026-11-30 16:36:13.511422+00	create_order	PENDING	\N	\N	{}
01a22d50-662e-7259-b008-b329c9995f87	2026-11-30 16:36:13.518465+00	persist_order	PENDING	IBKR	1	{"reason": "IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set"}
01a22d50-662e-7259-b008-b329c9995f87	2026-11-30 16:36:13.555389+00	connect_gateway	PENDING	IBKR	1	{"reason": "IBKR_HOST and IBKR_ACCOUNT are not both set"}
01a22d50-668a-785a-91c3-cc7fb4fbb7cf	2026-11-30 16:36:13.589952+00	create_order	PENDING	\N	\N	{}
01a22d50-668a-785a-91c3-cc7fb4fbb7cf	2026-11-30 16:36:13.592574+00	persist_order	PENDING	BINANCE	1	{}
01a22d50-668a-785a-91c3-cc7fb4fbb7cf	2026-11-30 16:36:13.599801+00	connect_gateway	PENDING	BINANCE	1	{}
01a22d50-668a-785a-91c3-cc7fb4fbb7cf	2026-11-30 16:36:13.601361+00	submit_order	SUBMITTING	BINANCE	1	{"intent": true}
01a22d50-668a-785a-91c3-cc7fb4fbb7cf	2026-11-30 16:36:13.607738+00	submit_order	UNKNOWN	BINANCE	1	{"reason": "the answer did not come: ServerDisconnectedError('Server disconnected')"}
\.


--
-- Data for Name: order_gate; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.order_gate (single) FROM stdin;
\.


--
-- Data for Name: order_requests; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.order_requests (request_id, client_order_id, received_at, payload, payload_hash, outcome, reason, order_id, step, spec, due_at, resends) FROM stdin;
01a22d50-61e3-7af8-95e1-72be71ac6c45	live-filled	2026-11-30 16:36:12.388439+00	{"side": "BUY", "symbol": "BTC-USDT", "quantity": "3", "client_order_id": "live-filled"}	f8d7f7875e102b5edd058ce20482a5fbcaa2b45edbacb0186b81dd1c2525b375	ACCEPTED	\N	01a22d50-61e3-7720-962b-01362465e585	2	{"order": {"side": "BUY", "state": "PENDING", "broker": "BINANCE", "reason": null, "symbol": "BTC-USDT", "account": "main", "order_id": "01a22d50-61e3-7720-962b-01362465e585", "quantity": "3", "strategy": null, "post_only": false, "created_at": "2026-11-30T16:36:12.438276+00:00", "expires_at": null, "instrument": {"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}, "on_failure": "paper", "order_type": "MARKET", "stop_price": null, "asset_class": "CRYPTO", "environment": "practice", "limit_price": null, "outside_rth": false, "reduce_only": false, "route_reason": null, "trail_amount": null, "time_in_force": "GTC", "trail_percent": null, "execution_mode": "LIVE", "client_order_id": "live-filled", "reference_price": null, "stop_loss_price": null, "requested_broker": "BINANCE", "take_profit_price": null, "requested_quantity": "3"}, "attempt": {"attempt_id": "01a22d50-6219-7be9-b53b-5e3f5f139965", "venue_order_id": "Y17KBm95EfD9MOs5lcqnWw"}}	\N	0
01a22d50-629a-7552-b735-2e5ba6ede18f	live-part	2026-11-30 16:36:12.570727+00	{"side": "BUY", "symbol": "BTC-USDT", "quantity": "3", "order_type": "LIMIT", "limit_price": "60000", "client_order_id": "live-part"}	df85e5d0d8036f9eeb327aee1acc3d6549fef29f2c198520a4ca7c03f0009cf5	ACCEPTED	\N	01a22d50-629a-7370-b74d-ebcb5adcea65	2	{"order": {"side": "BUY", "state": "PENDING", "broker": "BINANCE", "reason": null, "symbol": "BTC-USDT", "account": "main", "order_id": "01a22d50-629a-7370-b74d-ebcb5adcea65", "quantity": "3", "strategy": null, "post_only": false, "created_at": "2026-11-30T16:36:12.606961+00:00", "expires_at": null, "instrument": {"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}, "on_failure": "paper", "order_type": "LIMIT", "stop_price": null, "asset_class": "CRYPTO", "environment": "practice", "limit_price": "60000", "outside_rth": false, "reduce_only": false, "route_reason": null, "trail_amount": null, "time_in_force": "GTC", "trail_percent": null, "execution_mode": "LIVE", "client_order_id": "live-part", "reference_price": null, "stop_loss_price": null, "requested_broker": "BINANCE", "take_profit_price": null, "requested_quantity": "3"}, "attempt": {"attempt_id": "01a22d50-62c1-7f2a-b9a2-00ac4e2d3399", "venue_order_id": "3j4i8dPLjpn8id-K3VLCuQ"}}	\N	0
01a22d50-63d5-75ae-9d11-0393bdfc409d	live-rests	2026-11-30 16:36:12.885337+00	{"side": "BUY", "symbol": "BTC-USDT", "quantity": "3", "order_type": "LIMIT", "limit_price": "61000", "client_order_id": "live-rests"}	bfb2d042070b0d57917e14e15e63e38065296a5c0cf758bf36c173957dac1666	ACCEPTED	\N	01a22d50-63d5-7e9c-9422-8cdb29539507	2	{"order": {"side": "BUY", "state": "PENDING", "broker": "BINANCE", "reason": null, "symbol": "BTC-USDT", "account": "main", "order_id": "01a22d50-63d5-7e9c-9422-8cdb29539507", "quantity": "3", "strategy": null, "post_only": false, "created_at": "2026-11-30T16:36:12.893782+00:00", "expires_at": null, "instrument": {"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}, "on_failure": "paper", "order_type": "LIMIT", "stop_price": null, "asset_class": "CRYPTO", "environment": "practice", "limit_price": "61000", "outside_rth": false, "reduce_only": false, "route_reason": null, "trail_amount": null, "time_in_force": "GTC", "trail_percent": null, "execution_mode": "LIVE", "client_order_id": "live-rests", "reference_price": null, "stop_loss_price": null, "requested_broker": "BINANCE", "take_profit_price": null, "requested_quantity": "3"}, "attempt": {"attempt_id": "01a22d50-63e2-77c0-8ba4-018508de3dec", "venue_order_id": "Rk8ubBkes3Nx-gfRXNXxow"}}	\N	0
01a22d50-64e2-7162-a50d-d93dba7c5da8	bracket	2026-11-30 16:36:13.154587+00	{"side": "BUY", "symbol": "SPY", "quantity": "4", "client_order_id": "bracket", "stop_loss_price": "550", "take_profit_price": "650"}	bb5e64353a05f440bac45453bb2caab96564f471bd2cfec9f657f1c5efd73cbb	ACCEPTED	\N	01a22d50-64e2-72d8-942b-f809d3aeb81e	2	{"order": {"side": "BUY", "state": "PENDING", "broker": "PAPER", "reason": null, "symbol": "SPY", "account": "main", "order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e", "quantity": "4", "strategy": null, "post_only": false, "created_at": "2026-11-30T16:36:13.164648+00:00", "expires_at": null, "instrument": {"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}, "on_failure": "paper", "order_type": "MARKET", "stop_price": null, "asset_class": "EQUITY", "environment": "practice", "limit_price": null, "outside_rth": false, "reduce_only": false, "route_reason": "IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set", "trail_amount": null, "time_in_force": "DAY", "trail_percent": null, "execution_mode": "PAPER", "client_order_id": "bracket", "reference_price": null, "stop_loss_price": "550", "requested_broker": "IBKR", "take_profit_price": "650", "requested_quantity": "4"}, "attempt": {"attempt_id": "01a22d50-64f0-7028-9b63-87ce4ef1b8bf", "venue_order_id": "JVV5pDk0cEUOK16KLEyW9A"}}	\N	0
01a22d50-6415-777c-8d2b-5b09305a7f9f	paper-rests	2026-11-30 16:36:12.950141+00	{"side": "BUY", "symbol": "SPY", "quantity": "4", "order_type": "LIMIT", "limit_price": "500", "client_order_id": "paper-rests"}	47af627a459d69e7f2ce96b18dcc8de8cd161a8cd515a082854fba25e5c181dd	ACCEPTED	\N	01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	2	{"order": {"side": "BUY", "state": "PENDING", "broker": "PAPER", "reason": null, "symbol": "SPY", "account": "main", "order_id": "01a22d50-6415-7ce0-9a9e-1cd854d3d0ce", "quantity": "4", "strategy": null, "post_only": false, "created_at": "2026-11-30T16:36:12.974155+00:00", "expires_at": null, "instrument": {"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}, "on_failure": "paper", "order_type": "LIMIT", "stop_price": null, "asset_class": "EQUITY", "environment": "practice", "limit_price": "500", "outside_rth": false, "reduce_only": false, "route_reason": "IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set", "trail_amount": null, "time_in_force": "DAY", "trail_percent": null, "execution_mode": "PAPER", "client_order_id": "paper-rests", "reference_price": null, "stop_loss_price": null, "requested_broker": "IBKR", "take_profit_price": null, "requested_quantity": "4"}, "attempt": {"attempt_id": "01a22d50-642e-719c-b8a4-d26c8d56b7a2", "venue_order_id": "qlF-efVl2b2XdyT1Fpc3UA"}}	\N	0
f794aa2e-9ee7-5b70-ba95-5fc6ff97759d	PUFnAmorSHMVY5LYOCOcnA-sl	2026-11-30 16:36:13.334183+00	{"role": "STOP_LOSS", "side": "SELL", "symbol": "SPY", "quantity": "4", "order_type": "STOP", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-sl", "parent_order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e"}	1ccb110548e5c3678616a167a829f222e7670b029ba8dbaff81b64ea2417937d	ACCEPTED	\N	b38c7483-324b-5d42-90f2-37f51c100235	2	\N	\N	0
32ce15ff-fa6d-5648-8e7e-d016f063743d	PUFnAmorSHMVY5LYOCOcnA-tp	2026-11-30 16:36:13.340956+00	{"role": "TAKE_PROFIT", "side": "SELL", "symbol": "SPY", "quantity": "4", "order_type": "LIMIT", "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-tp", "parent_order_id": "01a22d50-64e2-72d8-942b-f809d3aeb81e"}	17c1678e487fe4e52979a7ae468cfa49394b1f449bc772891b73e97ee1deb0ea	ACCEPTED	\N	6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	2	\N	\N	0
01a22d50-662e-7b40-9d5c-a3e9ff2f6773	waits	2026-11-30 16:36:13.486542+00	{"side": "BUY", "symbol": "SPY", "quantity": "4", "on_failure": "wait", "client_order_id": "waits"}	33262100e0615216ee4b1720192a05dd7c0b69027d37572aa30748833df7cc84	ACCEPTED	\N	01a22d50-662e-7259-b008-b329c9995f87	2	{"order": {"side": "BUY", "state": "PENDING", "broker": "IBKR", "reason": null, "symbol": "SPY", "account": "main", "order_id": "01a22d50-662e-7259-b008-b329c9995f87", "quantity": "4", "strategy": null, "post_only": false, "created_at": "2026-11-30T16:36:13.502997+00:00", "expires_at": null, "instrument": {"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}, "on_failure": "wait", "order_type": "MARKET", "stop_price": null, "asset_class": "EQUITY", "environment": "practice", "limit_price": null, "outside_rth": false, "reduce_only": false, "route_reason": "IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set", "trail_amount": null, "time_in_force": "DAY", "trail_percent": null, "execution_mode": "LIVE", "client_order_id": "waits", "reference_price": null, "stop_loss_price": null, "requested_broker": "IBKR", "take_profit_price": null, "requested_quantity": "4"}, "attempt": {"attempt_id": "01a22d50-6642-7fc7-8e5e-a89cc2b6b7df", "venue_order_id": "-UbHlUxjsqterAsjVImB8Q"}}	\N	0
01a22d50-668a-79e8-99ca-71364fb383c3	unknown	2026-11-30 16:36:13.579224+00	{"side": "BUY", "symbol": "BTC-USDT", "quantity": "3", "order_type": "LIMIT", "limit_price": "50000", "client_order_id": "unknown"}	dbec0313fa97ace6e626187db40bb037587b61a12744424159217a92eb5c6776	ACCEPTED	\N	01a22d50-668a-785a-91c3-cc7fb4fbb7cf	2	{"order": {"side": "BUY", "state": "PENDING", "broker": "BINANCE", "reason": null, "symbol": "BTC-USDT", "account": "main", "order_id": "01a22d50-668a-785a-91c3-cc7fb4fbb7cf", "quantity": "3", "strategy": null, "post_only": false, "created_at": "2026-11-30T16:36:13.588420+00:00", "expires_at": null, "instrument": {"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}, "on_failure": "paper", "order_type": "LIMIT", "stop_price": null, "asset_class": "CRYPTO", "environment": "practice", "limit_price": "50000", "outside_rth": false, "reduce_only": false, "route_reason": null, "trail_amount": null, "time_in_force": "GTC", "trail_percent": null, "execution_mode": "LIVE", "client_order_id": "unknown", "reference_price": null, "stop_loss_price": null, "requested_broker": "BINANCE", "take_profit_price": null, "requested_quantity": "3"}, "attempt": {"attempt_id": "01a22d50-6695-7642-a9e5-76374b159d57", "venue_order_id": "76MkVxvoWRWJh-_udHuRLg"}}	\N	0
01a22d50-6b75-7414-b818-cd759cd71b44	recorded	2026-11-30 16:36:14.837665+00	{"side": "BUY", "symbol": "SPY", "quantity": "4", "client_order_id": "recorded"}	f8e242571fdf106ba2fdb0e889b1ff8fd13647f9f79c6a030333c57be657c95f	ACCEPTED	\N	01a22d50-6b75-78e5-ac03-507675ab011c	0	\N	2026-11-30 16:36:19.837665+00	0
\.


--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.orders (order_id, client_order_id, symbol, asset_class, side, order_type, quantity, requested_quantity, limit_price, stop_price, trail_amount, trail_percent, take_profit_price, stop_loss_price, time_in_force, expires_at, outside_rth, reduce_only, reference_price, on_failure, instrument, environment, account, requested_broker, broker, execution_mode, state, reason, route_reason, broker_order_id, attempt_no, filled_quantity, average_price, strategy, parent_order_id, role, group_id, version, step, due_at, resends, created_at, updated_at, post_only) FROM stdin;
01a22d50-61e3-7720-962b-01362465e585	live-filled	BTC-USDT	CRYPTO	BUY	MARKET	3	3	\N	\N	\N	\N	\N	\N	GTC	\N	f	f	\N	paper	{"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}	practice	main	BINANCE	BINANCE	LIVE	FILLED	\N	\N	L1	1	3	64001	\N	\N	\N	\N	8	8	\N	0	2026-11-30 16:36:12.438276+00	2026-11-30 16:36:12.550477+00	f
01a22d50-629a-7370-b74d-ebcb5adcea65	live-part	BTC-USDT	CRYPTO	BUY	LIMIT	3	3	60000	\N	\N	\N	\N	\N	GTC	\N	f	f	\N	paper	{"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}	practice	main	BINANCE	BINANCE	LIVE	PARTIALLY_FILLED	\N	\N	L2	1	1	59995	\N	\N	\N	\N	10	4	\N	0	2026-11-30 16:36:12.606961+00	2026-11-30 16:36:12.851336+00	f
01a22d50-63d5-7e9c-9422-8cdb29539507	live-rests	BTC-USDT	CRYPTO	BUY	LIMIT	3	3	61000	\N	\N	\N	\N	\N	GTC	\N	f	f	\N	paper	{"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}	practice	main	BINANCE	BINANCE	LIVE	SUBMITTED	\N	\N	L3	1	0	\N	\N	\N	\N	\N	5	4	\N	0	2026-11-30 16:36:12.893782+00	2026-11-30 16:36:12.928801+00	f
01a22d50-6415-7ce0-9a9e-1cd854d3d0ce	paper-rests	SPY	EQUITY	BUY	LIMIT	4	4	500	\N	\N	\N	\N	\N	DAY	\N	f	f	\N	paper	{"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}	practice	main	IBKR	PAPER	PAPER	SUBMITTED	\N	IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set	qlF-efVl2b2XdyT1Fpc3UA	1	0	\N	\N	\N	\N	\N	5	4	\N	0	2026-11-30 16:36:12.974155+00	2026-11-30 16:36:13.138313+00	f
01a22d50-668a-785a-91c3-cc7fb4fbb7cf	unknown	BTC-USDT	CRYPTO	BUY	LIMIT	3	3	50000	\N	\N	\N	\N	\N	GTC	\N	f	f	\N	paper	{"symbol": "BTC-USDT", "currency": "USDT", "multiplier": "1", "asset_class": "CRYPTO", "base_currency": "BTC"}	practice	main	BINANCE	BINANCE	LIVE	UNKNOWN	the answer did not come: ServerDisconnectedError('Server disconnected')	\N	\N	1	0	\N	\N	\N	\N	\N	4	3	2026-11-30 16:36:14.607738+00	0	2026-11-30 16:36:13.58842+00	2026-11-30 16:36:13.607738+00	f
01a22d50-64e2-72d8-942b-f809d3aeb81e	bracket	SPY	EQUITY	BUY	MARKET	4	4	\N	\N	\N	\N	650	550	DAY	\N	f	f	\N	paper	{"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}	practice	main	IBKR	PAPER	PAPER	FILLED	\N	IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set	JVV5pDk0cEUOK16KLEyW9A	1	4	600.61001	\N	\N	\N	\N	8	8	\N	0	2026-11-30 16:36:13.164648+00	2026-11-30 16:36:13.34434+00	f
b38c7483-324b-5d42-90f2-37f51c100235	PUFnAmorSHMVY5LYOCOcnA-sl	SPY	EQUITY	SELL	STOP	4	4	\N	550	\N	\N	\N	\N	GTC	\N	f	t	\N	wait	{"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}	practice	main	PAPER	PAPER	PAPER	SUBMITTED	\N	\N	863O7aBF-p5JI3Pgl0w97g	1	0	\N	\N	01a22d50-64e2-72d8-942b-f809d3aeb81e	STOP_LOSS	\N	5	4	\N	0	2026-11-30 16:36:13.334452+00	2026-11-30 16:36:13.426533+00	f
6cb2f0ca-3b45-5a9e-941c-bda04dde40a7	PUFnAmorSHMVY5LYOCOcnA-tp	SPY	EQUITY	SELL	LIMIT	4	4	650	\N	\N	\N	\N	\N	GTC	\N	f	t	\N	wait	{"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}	practice	main	PAPER	PAPER	PAPER	SUBMITTED	\N	\N	CwcHWICjzwjBEtmotvH01A	1	0	\N	\N	01a22d50-64e2-72d8-942b-f809d3aeb81e	TAKE_PROFIT	\N	5	4	\N	0	2026-11-30 16:36:13.341038+00	2026-11-30 16:36:13.449228+00	f
01a22d50-662e-7259-b008-b329c9995f87	waits	SPY	EQUITY	BUY	MARKET	4	4	\N	\N	\N	\N	\N	\N	DAY	\N	f	f	\N	wait	{"symbol": "SPY", "currency": "USD", "multiplier": "1", "asset_class": "EQUITY"}	practice	main	IBKR	IBKR	LIVE	PENDING	IBKR_HOST and IBKR_ACCOUNT are not both set	IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set	\N	1	0	\N	\N	\N	\N	\N	2	2	2026-11-30 16:36:18.555389+00	0	2026-11-30 16:36:13.502997+00	2026-11-30 16:36:13.555389+00	f
\.


--
-- Data for Name: paper_executions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.paper_executions (execution_id, venue_order_id, account, quantity, price, executed_at) FROM stdin;
JVV5pDk0cEUOK16KLEyW9A-1	JVV5pDk0cEUOK16KLEyW9A	main	4	600.61001	2026-11-30 16:36:13.183535+00
\.


--
-- Data for Name: paper_orders; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.paper_orders (venue_order_id, account, symbol, side, quantity, filled_quantity, state, reason, accepted_at, terms, version, executions, ends_at, closes_at, triggered_at, taken_at, trail_extreme, taken_quantity, one_cancels_other) FROM stdin;
qlF-efVl2b2XdyT1Fpc3UA	main	SPY	BUY	4	0	SUBMITTED	\N	2026-11-30 16:36:12.993705+00	{"rerouted": true, "order_type": "LIMIT", "stop_price": null, "limit_price": "500", "trail_amount": null, "time_in_force": "DAY", "trail_percent": null, "client_order_id": "paper-rests", "reference_price": null}	1	0	2026-11-30 21:00:00+00	\N	\N	\N	\N	0	\N
JVV5pDk0cEUOK16KLEyW9A	main	SPY	BUY	4	4	FILLED	\N	2026-11-30 16:36:13.183535+00	{"rerouted": true, "order_type": "MARKET", "stop_price": null, "limit_price": null, "trail_amount": null, "time_in_force": "DAY", "trail_percent": null, "client_order_id": "bracket", "reference_price": null}	1	1	2026-11-30 21:00:00+00	\N	\N	2026-11-30 16:36:08+00	\N	4	\N
CwcHWICjzwjBEtmotvH01A	main	SPY	SELL	4	0	SUBMITTED	\N	2026-11-30 16:36:13.385547+00	{"rerouted": false, "order_type": "LIMIT", "stop_price": null, "limit_price": "650", "trail_amount": null, "time_in_force": "GTC", "trail_percent": null, "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-tp", "reference_price": null}	1	0	\N	\N	\N	\N	\N	0	01a22d50-64e2-72d8-942b-f809d3aeb81e
863O7aBF-p5JI3Pgl0w97g	main	SPY	SELL	4	0	SUBMITTED	\N	2026-11-30 16:36:13.390325+00	{"rerouted": false, "order_type": "STOP", "stop_price": "550", "limit_price": null, "trail_amount": null, "time_in_force": "GTC", "trail_percent": null, "client_order_id": "PUFnAmorSHMVY5LYOCOcnA-sl", "reference_price": null}	1	0	\N	\N	\N	\N	\N	0	01a22d50-64e2-72d8-942b-f809d3aeb81e
\.


--
-- Data for Name: paper_positions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.paper_positions (account, broker, symbol, asset_class, multiplier, currency, quantity, average_price, realised_pnl, commission, last_executed_at, last_fill_id, updated_at, costs) FROM stdin;
main	PAPER	SPY	EQUITY	1	USD	4	600.61001	0	0	2026-11-30 16:36:13.183535+00	3	2026-11-30 16:36:13.317419+00	{}
\.


--
-- Data for Name: positions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.positions (account, broker, symbol, asset_class, multiplier, currency, quantity, average_price, realised_pnl, commission, last_executed_at, last_fill_id, updated_at, costs) FROM stdin;
main	BINANCE	BTC-USDT	CRYPTO	1	USDT	4	62999.5	0	25.1998	2026-11-30 16:36:12.684542+00	2	2026-11-30 16:36:12.847006+00	{"USDT": "25.1998"}
\.


--
-- Data for Name: process_clocks; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.process_clocks (process, host, ahead, measured_at) FROM stdin;
worker host:25028	host	-5.4e-05	2026-11-30 16:36:11.548112+00
worker host:25024	host	-4.4e-05	2026-11-30 16:36:11.602223+00
beat host:25026	host	-5.9e-05	2026-11-30 16:36:11.607008+00
worker host:25029	host	-7e-05	2026-11-30 16:36:11.663065+00
worker host:25027	host	-0.000151	2026-11-30 16:36:11.802882+00
\.


--
-- Data for Name: quotes; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.quotes (at, symbol, bid, ask, source) FROM stdin;
\.


--
-- Data for Name: reconciliations; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.reconciliations (reconciliation_id, broker, asked_by, asked_at, finished_at, found, problem) FROM stdin;
\.


--
-- Data for Name: risk_changes; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.risk_changes (change_id, at, who, action, what, reason) FROM stdin;
\.


--
-- Data for Name: risk_controls; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.risk_controls (single, version) FROM stdin;
t	0
\.


--
-- Data for Name: risk_limits; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.risk_limits (limit_id, kind, broker, strategy, symbol, value, reason, set_by, set_at) FROM stdin;
\.


--
-- Data for Name: risk_rates; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.risk_rates (limit_id, sent_at) FROM stdin;
\.


--
-- Data for Name: signing_keys; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.signing_keys (key_id, key, created_at) FROM stdin;
1	a key of a test that signs nothing anywhere else	2026-11-30 16:36:08.132212+00
\.


--
-- Data for Name: step_latencies; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.step_latencies (at, step, broker, le, steps, seconds) FROM stdin;
\.


--
-- Data for Name: streams; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.streams (stream, last_sequence, published_sequence) FROM stdin;
fills	3	3
orders	37	37
\.


--
-- Data for Name: trading_rules; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.trading_rules (broker, symbol, rules, updated_at) FROM stdin;
\.


--
-- Data for Name: trading_states; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.trading_states (scope, state, reason, changed_by, changed_at, halted_until) FROM stdin;
\.


--
-- Data for Name: venue_contracts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.venue_contracts (broker, contract_id, symbol, asset_class, currency, multiplier, named_at) FROM stdin;
\.


--
-- Data for Name: venue_pauses; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.venue_pauses (broker, endpoint, until, reason, heard_at) FROM stdin;
\.


--
-- Name: alerts_alert_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.alerts_alert_id_seq', 2, true);


--
-- Name: dead_letters_dead_letter_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.dead_letters_dead_letter_id_seq', 1, false);


--
-- Name: events_event_no_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.events_event_no_seq', 40, true);


--
-- Name: execution_reports_report_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.execution_reports_report_id_seq', 3, true);


--
-- Name: fills_fill_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.fills_fill_id_seq', 3, true);


--
-- Name: risk_changes_change_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.risk_changes_change_id_seq', 1, false);


--
-- Name: risk_limits_limit_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.risk_limits_limit_id_seq', 1, false);


--
-- Name: signing_keys_key_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.signing_keys_key_id_seq', 1, true);


--
-- Name: account_balances account_balances_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_balances
    ADD CONSTRAINT account_balances_pkey PRIMARY KEY (broker, account);


--
-- Name: account_snapshots account_snapshots_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_snapshots
    ADD CONSTRAINT account_snapshots_pkey PRIMARY KEY (broker, account, at);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: alerts alerts_kind_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_kind_key_key UNIQUE (kind, key);


--
-- Name: alerts alerts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (alert_id);


--
-- Name: bookings bookings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT bookings_pkey PRIMARY KEY (booking_id);


--
-- Name: brackets brackets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brackets
    ADD CONSTRAINT brackets_pkey PRIMARY KEY (parent_order_id);


--
-- Name: breakers breakers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.breakers
    ADD CONSTRAINT breakers_pkey PRIMARY KEY (broker);


--
-- Name: broker_accounts broker_accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.broker_accounts
    ADD CONSTRAINT broker_accounts_pkey PRIMARY KEY (broker, account);


--
-- Name: broker_sessions broker_sessions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.broker_sessions
    ADD CONSTRAINT broker_sessions_pkey PRIMARY KEY (session_id);


--
-- Name: candles candles_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.candles
    ADD CONSTRAINT candles_pkey PRIMARY KEY (broker, symbol, "interval", opened_at);


--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (dead_letter_id);


--
-- Name: environment_stamp environment_stamp_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.environment_stamp
    ADD CONSTRAINT environment_stamp_pkey PRIMARY KEY (single);


--
-- Name: events events_event_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_event_id_key UNIQUE (event_id);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (event_no);


--
-- Name: events events_stream_sequence_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_stream_sequence_key UNIQUE (stream, sequence);


--
-- Name: execution_reports execution_reports_identity_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.execution_reports
    ADD CONSTRAINT execution_reports_identity_key UNIQUE (broker, environment, account, instrument_key, side, execution_id, kind, revision);


--
-- Name: execution_reports execution_reports_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.execution_reports
    ADD CONSTRAINT execution_reports_pkey PRIMARY KEY (report_id);


--
-- Name: fills fills_identity_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_identity_key UNIQUE (broker, environment, account, instrument_key, side, execution_id);


--
-- Name: fills fills_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_pkey PRIMARY KEY (fill_id);


--
-- Name: fills fills_report_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_report_id_key UNIQUE (report_id);


--
-- Name: ibkr_client_ids ibkr_client_ids_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ibkr_client_ids
    ADD CONSTRAINT ibkr_client_ids_pkey PRIMARY KEY (endpoint, account, client_id);


--
-- Name: ibkr_order_ids ibkr_order_ids_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ibkr_order_ids
    ADD CONSTRAINT ibkr_order_ids_pkey PRIMARY KEY (client_id, order_id);


--
-- Name: ibkr_order_ids ibkr_order_ids_venue_order_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ibkr_order_ids
    ADD CONSTRAINT ibkr_order_ids_venue_order_id_key UNIQUE (venue_order_id);


--
-- Name: measured measured_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measured
    ADD CONSTRAINT measured_pkey PRIMARY KEY (what);


--
-- Name: measured_totals measured_totals_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.measured_totals
    ADD CONSTRAINT measured_totals_pkey PRIMARY KEY (metric, broker, label, le);


--
-- Name: nav_confirmations nav_confirmations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_confirmations
    ADD CONSTRAINT nav_confirmations_pkey PRIMARY KEY (trust_symbol, spot_symbol, at);


--
-- Name: nav_group_events nav_group_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_group_events
    ADD CONSTRAINT nav_group_events_pkey PRIMARY KEY (group_id, version);


--
-- Name: nav_group_legs nav_group_legs_client_order_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_group_legs
    ADD CONSTRAINT nav_group_legs_client_order_id_key UNIQUE (client_order_id);


--
-- Name: nav_group_legs nav_group_legs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_group_legs
    ADD CONSTRAINT nav_group_legs_pkey PRIMARY KEY (group_id, number);


--
-- Name: nav_groups nav_groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_groups
    ADD CONSTRAINT nav_groups_pkey PRIMARY KEY (group_id);


--
-- Name: nav_groups nav_groups_trust_symbol_spot_symbol_interval_interval_at_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_groups
    ADD CONSTRAINT nav_groups_trust_symbol_spot_symbol_interval_interval_at_key UNIQUE (trust_symbol, spot_symbol, "interval", interval_at);


--
-- Name: nav_looks nav_looks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_looks
    ADD CONSTRAINT nav_looks_pkey PRIMARY KEY (trust_symbol, spot_symbol, "interval");


--
-- Name: nav_observations nav_observations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_observations
    ADD CONSTRAINT nav_observations_pkey PRIMARY KEY (trust_symbol, spot_symbol, "interval", interval_at);


--
-- Name: order_attempts order_attempts_order_id_attempt_no_leg_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_attempts
    ADD CONSTRAINT order_attempts_order_id_attempt_no_leg_key UNIQUE (order_id, attempt_no, leg);


--
-- Name: order_attempts order_attempts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_attempts
    ADD CONSTRAINT order_attempts_pkey PRIMARY KEY (attempt_id);


--
-- Name: order_attempts order_attempts_venue_order_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_attempts
    ADD CONSTRAINT order_attempts_venue_order_id_key UNIQUE (venue_order_id);


--
-- Name: order_commands order_commands_identity_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_commands
    ADD CONSTRAINT order_commands_identity_key UNIQUE NULLS NOT DISTINCT (kind, client_order_id, external_id, payload_hash);


--
-- Name: order_commands order_commands_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_commands
    ADD CONSTRAINT order_commands_pkey PRIMARY KEY (command_id);


--
-- Name: order_gate order_gate_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_gate
    ADD CONSTRAINT order_gate_pkey PRIMARY KEY (single);


--
-- Name: order_requests order_requests_client_order_id_payload_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_requests
    ADD CONSTRAINT order_requests_client_order_id_payload_hash_key UNIQUE NULLS NOT DISTINCT (client_order_id, payload_hash);


--
-- Name: order_requests order_requests_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_requests
    ADD CONSTRAINT order_requests_pkey PRIMARY KEY (request_id);


--
-- Name: orders orders_client_order_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_client_order_id_key UNIQUE (client_order_id);


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id);


--
-- Name: paper_executions paper_executions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.paper_executions
    ADD CONSTRAINT paper_executions_pkey PRIMARY KEY (execution_id);


--
-- Name: paper_orders paper_orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.paper_orders
    ADD CONSTRAINT paper_orders_pkey PRIMARY KEY (venue_order_id);


--
-- Name: paper_positions paper_positions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.paper_positions
    ADD CONSTRAINT paper_positions_pkey PRIMARY KEY (account, broker, symbol);


--
-- Name: positions positions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (account, broker, symbol);


--
-- Name: process_clocks process_clocks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_clocks
    ADD CONSTRAINT process_clocks_pkey PRIMARY KEY (process);


--
-- Name: reconciliations reconciliations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.reconciliations
    ADD CONSTRAINT reconciliations_pkey PRIMARY KEY (reconciliation_id);


--
-- Name: risk_changes risk_changes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.risk_changes
    ADD CONSTRAINT risk_changes_pkey PRIMARY KEY (change_id);


--
-- Name: risk_controls risk_controls_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.risk_controls
    ADD CONSTRAINT risk_controls_pkey PRIMARY KEY (single);


--
-- Name: risk_limits risk_limits_kind_broker_strategy_symbol_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.risk_limits
    ADD CONSTRAINT risk_limits_kind_broker_strategy_symbol_key UNIQUE NULLS NOT DISTINCT (kind, broker, strategy, symbol);


--
-- Name: risk_limits risk_limits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.risk_limits
    ADD CONSTRAINT risk_limits_pkey PRIMARY KEY (limit_id);


--
-- Name: risk_rates risk_rates_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.risk_rates
    ADD CONSTRAINT risk_rates_pkey PRIMARY KEY (limit_id);


--
-- Name: signing_keys signing_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (key_id);


--
-- Name: step_latencies step_latencies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.step_latencies
    ADD CONSTRAINT step_latencies_pkey PRIMARY KEY (at, step, broker, le);


--
-- Name: streams streams_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (stream);


--
-- Name: trading_rules trading_rules_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.trading_rules
    ADD CONSTRAINT trading_rules_pkey PRIMARY KEY (broker, symbol);


--
-- Name: trading_states trading_states_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.trading_states
    ADD CONSTRAINT trading_states_pkey PRIMARY KEY (scope);


--
-- Name: venue_contracts venue_contracts_broker_symbol_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.venue_contracts
    ADD CONSTRAINT venue_contracts_broker_symbol_key UNIQUE (broker, symbol);


--
-- Name: venue_contracts venue_contracts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.venue_contracts
    ADD CONSTRAINT venue_contracts_pkey PRIMARY KEY (broker, contract_id);


--
-- Name: venue_pauses venue_pauses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.venue_pauses
    ADD CONSTRAINT venue_pauses_pkey PRIMARY KEY (broker, endpoint);


--
-- Name: alerts_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_open ON public.alerts USING btree (kind) WHERE (resolved_at IS NULL);


--
-- Name: bookings_booked_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX bookings_booked_at ON public.bookings USING btree (booked_at);


--
-- Name: brackets_bare; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brackets_bare ON public.brackets USING btree (parent_order_id) WHERE (bare IS NOT NULL);


--
-- Name: brackets_bare_since; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brackets_bare_since ON public.brackets USING btree (bare_since) WHERE (bare_since IS NOT NULL);


--
-- Name: brackets_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brackets_due ON public.brackets USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: brackets_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brackets_open ON public.brackets USING btree (symbol) WHERE (NOT over);


--
-- Name: broker_accounts_default; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX broker_accounts_default ON public.broker_accounts USING btree (broker) WHERE (alias IS NOT NULL);


--
-- Name: broker_sessions_broker; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX broker_sessions_broker ON public.broker_sessions USING btree (broker, heartbeat_at);


--
-- Name: events_unsequenced; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_unsequenced ON public.events USING btree (event_no) WHERE (sequence IS NULL);


--
-- Name: execution_reports_corrects; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX execution_reports_corrects ON public.execution_reports USING btree (corrects) WHERE (corrects IS NOT NULL);


--
-- Name: execution_reports_order_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX execution_reports_order_id ON public.execution_reports USING btree (order_id);


--
-- Name: execution_reports_unapplied; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX execution_reports_unapplied ON public.execution_reports USING btree (order_id, received_at) WHERE (applied_at IS NULL);


--
-- Name: fill_measures_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fill_measures_at ON public.fill_measures USING btree (at);


--
-- Name: fill_measures_symbol_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fill_measures_symbol_at ON public.fill_measures USING btree (symbol, at);


--
-- Name: fills_order_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fills_order_id ON public.fills USING btree (order_id);


--
-- Name: fills_position; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fills_position ON public.fills USING btree (account, broker, symbol, executed_at);


--
-- Name: fills_unpositioned; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fills_unpositioned ON public.fills USING btree (order_id, recorded_at) WHERE (positioned_at IS NULL);


--
-- Name: nav_groups_one; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX nav_groups_one ON public.nav_groups USING btree (trust_symbol, spot_symbol) WHERE (ended_at IS NULL);


--
-- Name: nav_groups_updated_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX nav_groups_updated_at ON public.nav_groups USING btree (updated_at);


--
-- Name: order_attempts_group; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX order_attempts_group ON public.order_attempts USING btree (one_cancels_other) WHERE (one_cancels_other IS NOT NULL);


--
-- Name: order_attempts_waiting; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX order_attempts_waiting ON public.order_attempts USING btree (broker, watcher) WHERE (state = ANY (ARRAY['SUBMITTED'::text, 'PARTIALLY_FILLED'::text]));


--
-- Name: order_commands_pending; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX order_commands_pending ON public.order_commands USING btree (client_order_id) WHERE (outcome = 'PENDING'::text);


--
-- Name: order_commands_taken; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX order_commands_taken ON public.order_commands USING btree (kind, client_order_id, external_id) WHERE (outcome <> 'REFUSED'::text);


--
-- Name: order_events_at_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX order_events_at_idx ON public.order_events USING btree (at DESC);


--
-- Name: order_events_order_id_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX order_events_order_id_at ON public.order_events USING btree (order_id, at);


--
-- Name: order_requests_client_order_id_accepted; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX order_requests_client_order_id_accepted ON public.order_requests USING btree (client_order_id) WHERE (outcome = 'ACCEPTED'::text);


--
-- Name: order_requests_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX order_requests_due ON public.order_requests USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: order_requests_order_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX order_requests_order_id ON public.order_requests USING btree (order_id) WHERE (outcome = 'ACCEPTED'::text);


--
-- Name: order_requests_received_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX order_requests_received_at ON public.order_requests USING btree (received_at);


--
-- Name: orders_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_created_at ON public.orders USING btree (created_at);


--
-- Name: orders_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_due ON public.orders USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: orders_filled_by_strategy; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_filled_by_strategy ON public.orders USING btree (strategy, symbol) WHERE ((strategy IS NOT NULL) AND (filled_quantity > (0)::numeric));


--
-- Name: orders_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_open ON public.orders USING btree (symbol, account) WHERE (state = ANY (ARRAY['SUBMITTING'::text, 'SUBMITTED'::text, 'PARTIALLY_FILLED'::text, 'UNKNOWN'::text]));


--
-- Name: orders_parent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_parent ON public.orders USING btree (parent_order_id) WHERE (parent_order_id IS NOT NULL);


--
-- Name: orders_reducing; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_reducing ON public.orders USING btree (symbol, broker) WHERE (reduce_only AND (state <> ALL (ARRAY['FILLED'::text, 'CANCELLED'::text, 'REJECTED'::text, 'EXPIRED'::text])));


--
-- Name: paper_executions_executed_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX paper_executions_executed_at ON public.paper_executions USING btree (executed_at);


--
-- Name: paper_executions_venue_order_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX paper_executions_venue_order_id ON public.paper_executions USING btree (venue_order_id);


--
-- Name: paper_orders_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX paper_orders_open ON public.paper_orders USING btree (account) WHERE (state = ANY (ARRAY['SUBMITTED'::text, 'PARTIALLY_FILLED'::text]));


--
-- Name: quotes_at_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX quotes_at_idx ON public.quotes USING btree (at DESC);


--
-- Name: quotes_symbol_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX quotes_symbol_at ON public.quotes USING btree (symbol, at);


--
-- Name: brackets brackets_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brackets_change AFTER UPDATE OF bare ON public.brackets FOR EACH ROW WHEN ((old.bare IS DISTINCT FROM new.bare)) EXECUTE FUNCTION public.risk_controls_change();


--
-- Name: execution_reports execution_reports_account; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER execution_reports_account BEFORE INSERT ON public.execution_reports FOR EACH ROW WHEN ((new.broker <> 'PAPER'::text)) EXECUTE FUNCTION public.name_the_real_account();


--
-- Name: fills fills_account; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fills_account BEFORE INSERT ON public.fills FOR EACH ROW WHEN ((new.broker <> 'PAPER'::text)) EXECUTE FUNCTION public.name_the_real_account();


--
-- Name: order_attempts order_attempts_account; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER order_attempts_account BEFORE INSERT ON public.order_attempts FOR EACH ROW WHEN ((new.broker <> 'PAPER'::text)) EXECUTE FUNCTION public.name_the_account_meant();


--
-- Name: order_attempts order_attempts_account_sent; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER order_attempts_account_sent BEFORE UPDATE OF intent_at ON public.order_attempts FOR EACH ROW WHEN (((new.broker <> 'PAPER'::text) AND (old.intent_at IS NULL) AND (new.intent_at IS NOT NULL))) EXECUTE FUNCTION public.name_the_real_account();


--
-- Name: order_attempts order_attempts_paper_and_live; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER order_attempts_paper_and_live BEFORE INSERT ON public.order_attempts FOR EACH ROW EXECUTE FUNCTION public.guard_paper_and_live();


--
-- Name: order_attempts order_attempts_paper_or_live; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER order_attempts_paper_or_live BEFORE UPDATE ON public.order_attempts FOR EACH ROW WHEN ((((new.order_id IS DISTINCT FROM old.order_id) OR (new.broker IS DISTINCT FROM old.broker)) OR (new.execution_mode IS DISTINCT FROM old.execution_mode))) EXECUTE FUNCTION public.guard_paper_and_live();


--
-- Name: positions positions_account; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER positions_account BEFORE INSERT ON public.positions FOR EACH ROW WHEN ((new.broker <> 'PAPER'::text)) EXECUTE FUNCTION public.name_the_real_account();


--
-- Name: risk_limits risk_limits_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER risk_limits_change BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.risk_limits FOR EACH STATEMENT EXECUTE FUNCTION public.risk_controls_change();


--
-- Name: trading_states trading_states_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER trading_states_change BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.trading_states FOR EACH STATEMENT EXECUTE FUNCTION public.risk_controls_change();


--
-- Name: brackets brackets_parent_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brackets
    ADD CONSTRAINT brackets_parent_order_id_fkey FOREIGN KEY (parent_order_id) REFERENCES public.orders(order_id);


--
-- Name: execution_reports execution_reports_attempt_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.execution_reports
    ADD CONSTRAINT execution_reports_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.order_attempts(attempt_id);


--
-- Name: execution_reports execution_reports_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.execution_reports
    ADD CONSTRAINT execution_reports_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id);


--
-- Name: fills fills_attempt_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.order_attempts(attempt_id);


--
-- Name: fills fills_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id);


--
-- Name: fills fills_report_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_report_id_fkey FOREIGN KEY (report_id) REFERENCES public.execution_reports(report_id);


--
-- Name: nav_group_events nav_group_events_group_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_group_events
    ADD CONSTRAINT nav_group_events_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.nav_groups(group_id);


--
-- Name: nav_group_legs nav_group_legs_group_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.nav_group_legs
    ADD CONSTRAINT nav_group_legs_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.nav_groups(group_id);


--
-- Name: order_attempts order_attempts_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_attempts
    ADD CONSTRAINT order_attempts_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(order_id);


--
-- Name: orders orders_parent_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_parent_order_id_fkey FOREIGN KEY (parent_order_id) REFERENCES public.orders(order_id);


--
-- Name: paper_executions paper_executions_venue_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.paper_executions
    ADD CONSTRAINT paper_executions_venue_order_id_fkey FOREIGN KEY (venue_order_id) REFERENCES public.paper_orders(venue_order_id);


--
-- Name: risk_rates risk_rates_limit_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.risk_rates
    ADD CONSTRAINT risk_rates_limit_id_fkey FOREIGN KEY (limit_id) REFERENCES public.risk_limits(limit_id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


