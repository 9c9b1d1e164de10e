"""The rows that claims are judged by: those that ship with the project, and those of the store."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tsprune.engine.step import RESULTS_VERSION
from tsprune.engine.store import Corrupt, Store
from tsprune.measure import Difference, paired_difference
from tsprune.steps.archive import Archive, unpack
from tsprune.steps.artifacts import load_scores
from tsprune.steps.compare import block_length
from tsprune.study.base.ended import sparsities_counted
from tsprune.study.base.words import PAPER_WIDTH
from tsprune.study.claims.result import PAPERS, SMALL
from tsprune.typed import digest

_MADE_UP = "synthetic"
"""Datasets that only tests use begin so; they bear no claim."""

CASE = ["dataset", "model", "pred_len", "recipe", "size"]
"""What the seeds of a case share; ``recipe`` is everything of the dense training that is not named here, but for the
device: on which kind of machine a seed ran makes no other case of it."""

_PROTOCOL = ["dataset", "model", "pred_len", "seed", "method", "structure", "scope", "density_asked", "data_fraction"]
_RESULT = ["mse", "mae", "parameters", "density", "density_all", "macs_executed", "macs_if_zeros_skipped"]
_RESULT += ["val_mse", "training_macs_if_zeros_skipped", "training_macs_dense"]
_COLUMNS = ["key", "step", "dense", "d_model", "device", "block", "tested", "identity", "sparsities", "floor"]
_COLUMNS += [*CASE, *_PROTOCOL[3:], *_RESULT]
_SPEEDS = [*CASE, "seed", "form", "share", "runtime", "macs_share", "place", "batch", "speedup", "low", "high"]
_TIMED = ("hyper", "lengths", "threads", "machine", "kernel", "runtime")
"""What a time depends on besides the model; the number of rounds does not make it another case."""

_TIMINGS = ["key", "baseline", "place", "batch", "speedup", "low", "high"]


@dataclass(frozen=True)
class Evidence:
    """Finished rows on real data."""

    rows: pd.DataFrame
    """A row per finished step that goes back to a dense training, and per naive forecast. ``dense``: key of that
    training, ``device``: where that ran; ``tested``: names the windows of its tests; ``identity``: all that the row's
    numbers depend on; ``sparsities``: after each update of PALS, as it is held against the cap; ``floor``: why
    structured pruning could not go as far as asked, if so."""
    timings: pd.DataFrame
    """A row per model that was timed and batch size: its ``speedup`` over ``baseline``, and the 95 % interval of that,
    however wide; ``place``: "cpu", of one thread, or "cuda". What was timed on a machine that others kept busy is not
    here."""
    speeds: pd.DataFrame
    """A row per model, form, runtime and batch size of study 06, whose models are not trained: as there, with the 95 %
    interval of its ``speedup`` over dense in eager PyTorch; likewise. ``recipe``: what else a time depends on."""
    window_mse: Callable[[str], np.ndarray | None]
    """Test MSE by window of the row with a key, (windows,); None where it was not kept."""

    def over_dense(self, rows: pd.DataFrame, column: str) -> pd.DataFrame:
        """``rows`` with ``value``: ``column`` over that of the dense training that each goes back to."""
        return self.over(rows, rows["dense"], column)

    def over(self, rows: pd.DataFrame, others: pd.Series, column: str = "mse") -> pd.DataFrame:
        """``rows`` with ``value``: ``column`` over that of the row whose key stands in ``others``; without such a row
        they are left out. Of the MSE the key is kept, as ``other``, so that their errors can be paired."""
        theirs = self._by_key(column).reindex(others).to_numpy()
        kept = {"other": others} if column == "mse" else {}
        return rows.assign(value=rows[column] / theirs, **kept).dropna(subset=["value"])

    def paired(self, keys: Sequence[str], others: Sequence[str], *before: Sequence[str]) -> Difference | None:
        """Test MSE of the rows ``keys`` relative to ``others``, pair by pair on the same windows, as studies compare:
        see :func:`tsprune.measure.paired_difference`. ``before``: none, or both sides of the ratio that it is held
        against. None where errors by window were not kept."""
        errors = [[self.window_mse(key) for key in side] for side in (keys, others, *before)]
        if any(one is None for side in errors for one in side):
            return None
        a, b, *earlier = (np.stack(side) for side in errors)
        return paired_difference(a, b, before=tuple(earlier) or None, block=int(self._by_key("block")[keys[0]]))

    def _by_key(self, column: str) -> pd.Series:
        return self._of_keys[column]

    @cached_property
    def _of_keys(self) -> pd.DataFrame:
        """Made once: to look through the keys of all rows for each comparison was a tenth of a page's work."""
        return self.rows.set_index("key")


def gather(store: Store, archive: Archive) -> Evidence:
    """Every row of this results version; of a key that both have, the one that ships."""
    lines = {line["key"]: line for line in (*_stored(store), *archive.lines.values())}
    return evidence(lines.values(), store)


def evidence(lines: Iterable[dict[str, Any]], store: Store | None = None) -> Evidence:
    """Of rows as the archive has them: with their identity as ``config``, and with their ``errors`` where these are not
    in ``store``."""
    by_key = {line["key"]: line for line in lines if _counts(line)}
    recipes = {key: _recipe(line) for key, line in by_key.items() if line["config"].get("step") == "train"}
    rows = [
        _row(line, dense, by_key[dense], recipes[dense]) for line in by_key.values() if (dense := _dense(line, by_key))
    ]
    rows += [_row(line, None, line, _recipe(line)) for line in by_key.values() if line["kind"] == "naive"]
    latencies = [line for line in by_key.values() if line["kind"] == "latency"]
    speeds = [record for line in by_key.values() if line["kind"] == "inference" for record in _speeds(line)]
    timed = [_timing(record) for line in latencies for record in line["detail"].get("latency", ()) if _is_told(record)]

    def window_mse(key: str) -> np.ndarray | None:
        if errors := by_key[key].get("errors"):
            return unpack(errors)["window_mse"].numpy()
        try:
            return load_scores(store, key)["window_mse"].numpy() if store else None
        except Corrupt:  # a row that was never scored by window, or whose file is damaged
            return None

    return Evidence(_table(rows, _COLUMNS), _table(timed, _TIMINGS), _table(speeds, _SPEEDS), window_mse)


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Texts as plain objects: taking a few rows after another, as claims do, is most of the work with pandas' own."""
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(table.select_dtypes("str"), object))


def _stored(store: Store) -> Iterator[dict[str, Any]]:
    for path in store.root.glob("??/*/row.json"):
        with suppress(OSError, ValueError):  # another run has just removed it, or it is damaged: not evidence then
            row = json.loads(path.read_bytes())
            yield row | {"config": json.loads(path.with_name("config.json").read_bytes())}


def _counts(line: dict) -> bool:
    """A result on real data; of widths that are kept to multiples, and of whole heads, no claim speaks."""
    told = line["protocol"]
    if line["status"] != "ok" or line["config"].get("version") != RESULTS_VERSION:
        return False
    return not (told.get("dataset") or "").startswith(_MADE_UP) and not {"multiple", "inside"} & told.keys()


def _dense(line: dict, by_key: dict[str, dict]) -> str | None:
    """Key of the dense training that a row goes back to; None where it goes back to none, or that row is not there."""
    config, key = line["config"], line["key"]
    while config.get("step") != "train":
        key = digest(config["dense"]) if "dense" in config else config.get("trained") or config.get("student")
        if key not in by_key:
            return None
        config = by_key[key]["config"]
    return key


def _is_told(record: dict) -> bool:
    """Of a GPU or of one CPU thread, which the claims on time name. A time that is not known to a tenth is an interval
    all the same; one from a busy machine (of which the trouble then tells the load) is none."""
    if record.get("speedup_low") is None or record["load"] in (record["trouble"] or ""):
        return False
    return record["device"] != "cpu" or record["threads"] == 1


def _speeds(line: dict) -> Iterator[dict[str, Any]]:
    recipe = {name: line["config"].get(name) for name in _TIMED}
    head = {name: line["protocol"][name] for name in ("dataset", "model", "pred_len", "seed")}
    head |= {"recipe": digest(recipe, 8), "size": _size(line["config"]["hyper"].get("d_model"))}
    for record in line["detail"]["speeds"]:
        if _is_told(record):
            named = {name: record[name] for name in ("form", "share", "runtime", "macs_share", "batch", "speedup")}
            yield head | named | _place_and_ends(record)


def _timing(record: dict) -> dict[str, Any]:
    return {name: record[name] for name in ("key", "baseline", "batch", "speedup")} | _place_and_ends(record)


def _place_and_ends(record: dict) -> dict[str, Any]:
    return {"place": record["device"], "low": record["speedup_low"], "high": record["speedup_high"]}


def _size(width: int | None) -> str | None:
    """Of a model of that d_model; None of one that is wider than the papers', and of one without."""
    return PAPERS if width == PAPER_WIDTH else SMALL if width is not None and width < PAPER_WIDTH else None


def _recipe(training: dict) -> str:
    """Names all that a training depends on but for its seed and device."""
    recipe = {name: value for name, value in training["config"].items() if name != "seed"}
    if "train" in recipe:
        recipe["train"] = {name: value for name, value in recipe["train"].items() if name != "device"}
    return digest(recipe, 8)


def _tested(training: dict) -> str:
    """Names the windows that a training, or a naive forecast, and all that goes back to it are tested on."""
    data, recipe = training["data"], training.get("train", training)
    names = [data["fingerprint"], data.get("eval_stride", 1), recipe["protocol"], recipe.get("eval_batch_size")]
    return digest(names, 8)


def _row(line: dict, dense: str | None, training: dict, recipe: str) -> dict[str, Any]:
    config = training["config"]
    width = config.get("hyper", {}).get("d_model")
    return {
        **{name: line["protocol"].get(name) for name in _PROTOCOL},
        **{name: line["result"].get(name) for name in _RESULT},
        "key": line["key"],
        "step": line["kind"],
        "dense": dense,
        "d_model": width,
        "device": config.get("train", {}).get("device"),
        "block": block_length(line["protocol"]),
        "tested": _tested(config),
        "identity": line["config"],
        "recipe": recipe,
        "size": _size(width),
        "floor": line["detail"].get("floor"),
        "sparsities": sparsities_counted(line["detail"]["updates"]) if line["protocol"].get("method") == "pals" else [],
    }
