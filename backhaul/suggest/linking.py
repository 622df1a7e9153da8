"""Two systems' records compared by Splink: which open ones may be one identity, how probably, and why."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
from splink import DuckDBAPI, Linker, SettingsCreator

from backhaul.suggest.comparisons import (
    COMPARISONS,
    LEAST_PROBABILITY,
    PARTNERED,
    RANDOM_PAIRS,
    SEED,
    WORTH_OF_FREQUENCY,
    WORTH_OF_M,
    WORTH_OF_U,
    Comparison,
    Level,
)
from backhaul.suggest.records import register, spell

# What of two records stands in the evidence of a comparison.
_SHOWN = {
    "name": "shown_name",
    "company": "company",
    "phone": "shown_phones",
    "address": "shown_address",
    "email": "shown_emails",
}
# Pairs below this weight (bits) have no part in sharing out a record's probability.
_LEAST_WEIGHT = -10


def link(
    kind: str, systems: tuple[str, str], tables: Mapping[str, pa.Table]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Compare the records of one kind of two systems. Returns the suggestions, and the settings with what was learnt.

    `tables` are `compared` (the records of the kind), `open_ids` (those without a partner in the other system), and
    two of pairs (left_id, right_id): `known`, which the rules have found, and `forbidden`. Nothing is written.
    """
    with duckdb.connect() as connection:
        register(connection)
        for name, table in tables.items():
            connection.register(name, table)
        for system, side in zip(systems, ("left", "right"), strict=True):
            spell(connection, kind, system, side)
        pairs = _block(connection)
        if not pairs:
            return [], {}
        trained = _train(connection, kind)
        return _predict(connection, kind, trained), trained


def _block(connection: duckdb.DuckDBPyConnection) -> int:
    """Make the table `blocked`: each pair of open records that share a key, once. Gives how many there are."""
    connection.execute(
        """
        create table blocked as
        select distinct
            '0' as match_key,
            'left-__-' || left_keys.unique_id as join_key_l,
            'right-__-' || right_keys.unique_id as join_key_r
        from left_keys
        inner join right_keys on left_keys.key = right_keys.key
        anti join forbidden on left_keys.unique_id = forbidden.left_id and right_keys.unique_id = forbidden.right_id
        """
    )
    return _count(connection, "blocked")


def _train(connection: duckdb.DuckDBPyConnection, kind: str) -> dict[str, Any]:
    """Learn m from known pairs and u from pairs at random, and weigh both with what is declared."""
    left, right, known = (_count(connection, table) for table in ("left_records", "right_records", "known"))
    open_left, open_right = (
        _count(connection, f"(select distinct unique_id from {side}_keys)") for side in ("left", "right")
    )
    comparisons = COMPARISONS[kind]
    api = DuckDBAPI(connection)
    linker = _linker(api, _settings([_declared(one) for one in comparisons], 1 / (max(open_left, open_right) + 1)))
    linker.training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=SEED, min_count_per_level=None)
    if known:
        connection.execute(
            """
            create table labels as
            select
                'left' as source_dataset_l,
                left_id as unique_id_l,
                'right' as source_dataset_r,
                right_id as unique_id_r
            from known
            """
        )
        linker.training.estimate_m_from_pairwise_labels(api.register("labels", table_name="labels_known"))
    seen = min(left * right, RANDOM_PAIRS)
    learnt = [
        _weighed(comparison, found, known, seen)
        for comparison, found in zip(comparisons, linker.misc.save_model_to_json()["comparisons"], strict=True)
    ]
    api.delete_tables_created_by_splink_from_db()
    return _settings(learnt, PARTNERED / (max(open_left, open_right) + WORTH_OF_FREQUENCY))


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    ((count,),) = connection.execute(f"select count(*) from {table}").fetchall()
    return int(count)


def _predict(connection: duckdb.DuckDBPyConnection, kind: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Score the blocked pairs, and share out the probability of each record among those that it may be."""
    comparisons = COMPARISONS[kind]
    api = DuckDBAPI(connection)
    linker = _linker(api, settings)
    for column in dict.fromkeys(level.common for one in comparisons for level in one.levels if level.common):
        connection.execute(_FREQUENCY.format(column=column))
        linker.table_management.register_term_frequency_lookup(
            api.register(f"frequency_of_{column}", table_name=f"how_common_{column}"), column
        )
    linker.table_management.register_blocked_pairs_for_predict(api.register("blocked", table_name="pairs"))
    scored = linker.inference.predict(threshold_match_weight=_LEAST_WEIGHT, warning_mode="never").physical_name
    evidence = ", ".join(_evidence(one) for one in comparisons)
    before = math.log2(
        settings["probability_two_random_records_match"] / (1 - settings["probability_two_random_records_match"])
    )
    query = _SUGGESTED.format(scored=scored, evidence=evidence, least=LEAST_PROBABILITY, before=before)
    rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
    return rows


# A value that nobody else has is as rare as it would be among this many more records.
_FREQUENCY = f"""
    create table frequency_of_{{column}} as
    select
        {{column}},
        count(*) / (
            (select count(*) from left_records) + (select count(*) from right_records) + {WORTH_OF_FREQUENCY}
        ) as tf_{{column}}
    from (select {{column}} from left_records union all select {{column}} from right_records)
    where {{column}} is not null
    group by all
"""
# A record is at most one of those that it resembles: each has its share of their odds, and so has being none of them.
_SUGGESTED = """
    with

    scored as (

        select *, pow(2, match_weight) as odds
        from {scored}

    ),

    shared as (

        select
            *,
            odds / (
                1 + greatest(sum(odds) over (partition by unique_id_l), sum(odds) over (partition by unique_id_r))
            ) as probability
        from scored

    ),

    likely as (

        select
            *,
            count(*) over (partition by unique_id_l) as left_candidates,
            count(*) over (partition by unique_id_r) as right_candidates
        from shared
        where match_probability >= {least}

    )

    select
        left_records.object as left_object,
        left_records.record_id as left_id,
        left_records.shown_name as left_name,
        right_records.object as right_object,
        right_records.record_id as right_id,
        right_records.shown_name as right_name,
        likely.probability,
        likely.match_probability as probability_alone,
        likely.match_weight as weight,
        cast({before} as double) as weight_before,
        likely.left_candidates,
        likely.right_candidates,
        [{evidence}] as evidence
    from likely
    inner join left_records on likely.unique_id_l = left_records.unique_id
    inner join right_records on likely.unique_id_r = right_records.unique_id
    order by likely.probability desc, left_object, left_id, right_object, right_id
"""


def _evidence(comparison: Comparison) -> str:
    """Write, as SQL, what one comparison says of a pair: both values, the level reached, and its bits."""
    levels = _levels(comparison)
    # Splink numbers the levels from the last one, and says -1 where a value is missing.
    names = " ".join(f"when {number} then '{level.name}'" for number, level in enumerate(reversed(levels)))
    common = any(level.common for level in levels)
    weight = f"mw_{comparison.name}" + (f" + mw_tf_adj_{comparison.name}" if common else "")
    shown = _SHOWN[comparison.name]
    return f"""{{
        'comparison': '{comparison.name}',
        'left_value': left_records.{shown},
        'right_value': right_records.{shown},
        'level': case gamma_{comparison.name} {names} else 'missing' end,
        'weight': {weight}
    }}"""


def _linker(api: DuckDBAPI, settings: dict[str, Any]) -> Linker:
    sides = [api.register(f"{side}_records", dataset_display_name=side) for side in ("left", "right")]
    return Linker(
        sides, SettingsCreator.from_path_or_dict(copy.deepcopy(settings)), log_level=None, validate_settings=False
    )


def _settings(comparisons: Sequence[Mapping[str, Any]], prior: float) -> dict[str, Any]:
    """What Splink is told. Pairs are brought together by `_block`, and Splink's own rule is never used."""
    return {
        "link_type": "link_only",
        "probability_two_random_records_match": prior,
        "comparisons": list(comparisons),
        "blocking_rules_to_generate_predictions": [{"blocking_rule": "l.unique_id = r.unique_id"}],
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
        "linker_uid": "backhaul",
    }


def _declared(comparison: Comparison) -> dict[str, Any]:
    """Write a comparison in Splink's terms, with what is taken for granted."""
    missing = {"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True}
    return {
        "output_column_name": comparison.name,
        "comparison_levels": [missing, *(_level(level, level.m, level.u) for level in _levels(comparison))],
    }


def _levels(comparison: Comparison) -> tuple[Level, ...]:
    return (*comparison.levels, comparison.otherwise)


def _level(level: Level, m: float, u: float) -> dict[str, Any]:
    common = {"tf_adjustment_column": level.common, "disable_tf_exact_match_detection": True} if level.common else {}
    return {
        "sql_condition": "ELSE" if level.condition == "else" else level.condition,
        "label_for_charts": level.name,
        "m_probability": m,
        "u_probability": u,
        "fix_m_probability": level.fixed,
        "fix_u_probability": level.fixed,
        **common,
    }


def _weighed(comparison: Comparison, found: Mapping[str, Any], known: int, seen: int) -> dict[str, Any]:
    """Weigh what was found in `known` pairs (m) and in `seen` pairs at random (u) with what is declared."""
    declared = _declared(comparison)
    for level, written, trained in zip(
        _levels(comparison), declared["comparison_levels"][1:], found["comparison_levels"][1:], strict=True
    ):
        if not level.fixed:
            m, u = trained.get("m_probability", 0.0), trained.get("u_probability", 0.0)
            written["m_probability"] = _mean(m, known, level.m, WORTH_OF_M)
            written["u_probability"] = _mean(u, seen, level.u, WORTH_OF_U)
    return declared


def _mean(found: object, count: int, declared: float, worth: int) -> float:
    # Splink says in words that it has not seen a level.
    observed = found if isinstance(found, float) else 0.0
    return (observed * count + declared * worth) / (count + worth)
