"""What is wrong with a row of the archive: in itself, and beside the training that it goes back to."""

import math
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np

from tsprune.engine.step import FINAL, RESULTS_VERSION
from tsprune.shown import plain
from tsprune.steps.packed import COLUMNS, ratios
from tsprune.typed import digest

_TABLES = {"protocol", "result", "detail", "cost", "made", "config"}

_FIELDS = {"key", "kind", "status", "reason", "errors", *_TABLES}

_MADE = {"date", "commit", "processor", "cores", "accelerator", "matmul"}

_OTHER_KEY = "the key is not that of its config"
_UNREADABLE = "its errors by part cannot be read"

_ROUNDING = 1e-9
"""Two sums of the same errors differ by less, relative."""

_LENGTHS = ("seq_len", "label_len", "pred_len")


def misshapen(line: dict[str, Any]) -> str | None:
    """Why a line is no row at all, whatever its numbers; None where it is one."""
    if line.keys() != _FIELDS:
        return f"columns are not those of a row: {', '.join(map(plain, sorted(line.keys() ^ _FIELDS)))}"
    odd = [name for name in sorted(_TABLES) if not isinstance(line[name], dict)]
    return f"no names with values: {', '.join(odd)}" if odd else None


def unusable(line: dict[str, Any]) -> str | None:
    """Why a row cannot be put into a store; None where it can."""
    if _digest(line["config"]) != line["key"]:
        return _OTHER_KEY
    return None if not line["errors"] or _can_be_read(line["errors"]) else _UNREADABLE


def problems(line: dict[str, Any], by_key: Mapping[str, dict]) -> Iterator[str]:
    """A few words per problem of a row; ``by_key``: all rows, of which it may go back to one."""
    if wrong := misshapen(line):
        yield wrong
    else:
        trained = _trained(line["config"], by_key)
        yield from _of_identity(line, trained)
        yield from _of_result(line)
        if line["errors"]:
            yield from _of_errors(line, trained)
        yield from _of_provenance(line["made"])


def _trained(config: dict, by_key: Mapping[str, dict]) -> dict:
    """The config of the training that a row goes back to; where a row on the way there is missing, the last config
    before it."""
    seen = set()
    while True:
        key = config.get("trained") or config.get("student") or config.get("of")  # a list in steps that time
        before = config.get("dense")
        if not isinstance(before, dict) and isinstance(key, str) and key not in seen:
            seen.add(key)
            before = by_key.get(key, {}).get("config")
        if not isinstance(before, dict):
            return config
        config = before


def _of_identity(line: dict, trained: dict) -> Iterator[str]:
    config = line["config"]
    if _digest(config) != line["key"]:
        yield _OTHER_KEY
    if config.get("version") != RESULTS_VERSION:
        yield f"of results version {plain(config.get('version'))}, not {RESULTS_VERSION}: compute it again"
    if config.get("step") != line["kind"]:
        yield f"kind {plain(line['kind'])} is not that of its config, {plain(config.get('step'))}"
    if line["status"] not in FINAL:
        yield f"status {plain(line['status'])} is not a result"
    for name, value in _said(trained).items():
        if (told := line["protocol"].get(name)) != value:
            yield f"{name} {plain(told)} is not that of its config, {plain(value)}"


def _digest(config: dict) -> str | None:
    try:
        return digest(config)
    except ValueError:  # NaN has none
        return None


def _said(trained: dict) -> dict[str, Any]:
    """What the config of a training says that its protocol says too."""
    data = trained["data"] if isinstance(trained.get("data"), dict) else {}
    said = {"dataset": data.get("label"), "model": trained.get("model"), "seed": trained.get("seed")}
    said |= {name: data.get(name) for name in _LENGTHS}
    return {name: value for name, value in said.items() if value is not None}


def _of_result(line: dict) -> Iterator[str]:
    """Of a training that diverged a number may be none, or no finite one."""
    result, sound = line["result"], line["status"] == "ok"
    if sound and None in (result.get("mse", 0), result.get("mae", 0)):
        yield "a result without its test error"
    for name, value in (result | {"density_asked": line["protocol"].get("density_asked")}).items():
        if value is None or (not sound and isinstance(value, float) and not math.isfinite(value)):
            continue
        if not _finite(value):
            yield f"{plain(name)} {plain(value)} is not a number"
        elif value < 0:
            yield f"{plain(name)} {value} is negative"
        elif name.startswith("density") and value > 1:
            yield f"{name} {value} is above 1"


def _finite(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(value)
    except (TypeError, OverflowError):
        return False


def _of_errors(line: dict, trained: dict) -> Iterator[str]:
    if not _can_be_read(line["errors"]):
        yield _UNREADABLE
        return
    mse, mae = (len(line["errors"][name]) for name in COLUMNS)
    hyper = trained.get("hyper")
    expected = line["protocol"].get("series") or (hyper.get("c_out") if isinstance(hyper, dict) else None)
    if mse != mae:
        yield f"column_mse has {mse} values, column_mae {mae}"
    elif expected is not None and mse != expected:
        yield f"column_mse and column_mae have {mse} values, the data {plain(expected)} columns"
    told, mean = line["result"].get("mse"), line["errors"]["mean"]
    if _finite(told) and not math.isclose(told, mean, rel_tol=_ROUNDING):
        yield f"mse {told} is not the mean of its errors by window, {mean}"


def _can_be_read(errors: Any) -> bool:
    """Whether errors by part are finite numbers, none of them negative, and as many as they say."""
    try:
        windows, every = errors["windows"], errors["every"]
        parts = [*(np.array(errors[name], np.float64) for name in COLUMNS), ratios(errors), np.array([errors["mean"]])]
        whole = all(part.ndim == 1 and np.isfinite(part).all() and (part >= 0).all() for part in parts)
        return whole and type(windows) is type(every) is int and len(parts[2]) == -(-windows // every) > 0
    except (TypeError, LookupError, ValueError, ArithmeticError):
        return False


def _of_provenance(made: dict) -> Iterator[str]:
    if lacking := _MADE - made.keys():
        yield f"provenance lacks {', '.join(sorted(lacking))}"
    try:
        date.fromisoformat(made.get("date", "2000-01-01"))
    except (TypeError, ValueError):
        yield f"{plain(made['date'])} is not a date"
