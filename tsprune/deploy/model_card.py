"""The page that goes with an exported model: what it reads, how well it is known to forecast, how to run it."""

import shlex
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from tsprune.deploy.card import Card
from tsprune.shown import listed

CARD_TITLE = "# Model card: "

_REAL = """```python
from tsprune.deploy import Forecaster

Forecaster.load("{file}").predict(frame)  # a frame with a row per time step, dates as its index
```

On the command line: `tsprune forecast {file} data.csv`.
"""
_SCALED = """The file holds the bare network: scale values by `(value - mean) / std` (both in the file's properties),
calendar features to [-0.5, 0.5], and the forecast back by `value * std + mean`. An export with `--units real` does all
of this itself.
"""
_AGAIN = """In a store that has its entry: `{command}`. A study, or `tsprune compress`, that is run with the same
parameters, data and versions puts it there under the same key.
"""

_BESIDE = {"dataset", "seq_len", "label_len", "pred_len", "freq", "model", "seed", "method", "device", "threads"}
"""What a protocol says that has a line of its own, or changes little."""


def card_text(card: Card, file: str, size: int, origin: Mapping[str, JsonValue]) -> str:
    """The page in Markdown. ``file``: the ONNX file's name, ``size``: its bytes, ``origin``: the ``protocol`` of what
    the model was about."""
    rows = "\n".join(f"| {what} | {value} |" for what, value in (*_facts(card, size, _before(origin)), *_made(origin)))
    how = _REAL.format(file=file) if card.units == "real" else _SCALED
    inputs = "\n".join(f"- `{name}`: {meaning}" for name, meaning in _inputs(card))
    again = _again(card, file, origin)
    head = f"{CARD_TITLE}{file}\n\n| | |\n|---|---|\n{rows}"
    return f"{head}\n\n## Inputs and output\n\n{inputs}\n\n## Use\n\n{how}{again}"


def _made(origin: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """How the model was made, and with what."""
    kept = {"structure", "scope"} if origin.get("density_asked") == 1 else set()  # of a model that loses no weight
    told = {name: value for name, value in origin.items() if name not in {*_BESIDE, *kept, "key", "training"}}
    versions = {name.removeprefix("version_"): told.pop(name) for name in [*told] if name.startswith("version_")}
    method = f": {_listed(told)}" if told else ""
    yield "made by", f"{origin['method']}{method}" if "method" in origin else "unknown"
    yield "seed", _known(None if origin.get("seed") is None else str(origin["seed"]))
    for number, recipe in enumerate(origin.get("training", ()), start=1):
        yield f"training {number}", _listed(recipe)
    if versions:
        yield "made with", f"{_listed(versions)}, on {origin.get('device', 'an unknown device')}"


def _listed(values: Mapping[str, JsonValue]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items() if value is not None)


def _again(card: Card, file: str, origin: Mapping[str, JsonValue]) -> str:
    if "key" not in origin:
        return ""
    options = [*(["--units", "scaled"] if card.units == "scaled" else []), *(["--int8"] if card.unquantised else [])]
    command = shlex.join(["tsprune", "export", str(origin["key"]), file, *options])
    return f"\n## To make it again\n\n{_AGAIN.format(command=command)}"


def _before(origin: Mapping[str, JsonValue]) -> str:
    """What the errors ``before`` were before: a dense model that was trained on was not pruned."""
    trainings = origin.get("training", ())
    return f"training {len(trainings)}" if trainings and origin.get("density_asked") == 1 else "pruning"


def _facts(card: Card, size: int, before: str) -> Iterator[tuple[str, str]]:
    yield "model", card.model
    yield "dataset", _known(card.dataset)
    yield "columns", listed(list(card.columns)) if card.columns else "unknown"
    yield "unit", _known(card.unit)
    yield "time step", _known(card.time_step)
    yield "season", f"{card.season} time steps" if card.season else "unknown"
    yield "look-back, horizon", f"{card.seq_len}, {card.pred_len} time steps"
    for name in sorted({*card.before, *card.after}):
        was = f" ({_number(card.before[name])} before {before})" if name in card.before else ""
        yield f"test {name.upper()}, scaled units", f"{_number(card.after.get(name))}{was}"
    if card.intervals:
        for level in card.intervals.levels:
            yield f"within the {level:.0%} intervals", f"{card.intervals.covered(level):.1%} of the test split's values"
    yield "weights", card.weights
    if card.unquantised:
        yield from _quantised(card, size)
    yield "density of the prunable weights", f"{card.density:.4g}"
    yield "parameters", f"{card.parameters:,}"
    yield "multiply-adds per window, dense", "unknown" if card.macs is None else f"{card.macs:,}"
    yield "file", f"{size:,} bytes, ONNX opset {card.opset}"
    beside = "the float32 file" if card.unquantised else "PyTorch"
    yield f"largest difference from {beside}", f"{card.difference:.1e} standard deviations"
    yield "data fingerprint", _known(card.fingerprint)
    yield "tsprune", card.version


def _quantised(card: Card, size: int) -> Iterator[tuple[str, str]]:
    """What int8 changed."""
    before = card.unquantised
    for name in sorted(before.errors):
        now = (
            f", int8 {_number(card.after[name])}" if name in card.after else "; int8 was not tested: no data was given"
        )
        yield f"test {name.upper()} in float32", f"{_number(before.errors[name])}{now}"
    for batch, (middle, low, high) in before.speedup.items():
        spread = f"{middle:.2f} times as fast ({low:.2f} to {high:.2f}: 5th and 95th percentile)"
        yield f"speed beside float32, batch {batch}", f"{spread}, one thread, {before.processor}"
    for batch, why in before.untimed.items():
        yield f"speed beside float32, batch {batch}", why
    yield "float32 file", f"{before.bytes:,} bytes, {before.bytes / size:.2f} times as large"


def _inputs(card: Card) -> Iterator[tuple[str, str]]:
    if card.units == "real":
        yield "values", f"float64 (batch, {card.seq_len}, {len(card.columns)}), in the data's own units"
        if card.calendar:
            length = card.seq_len + card.pred_len
            fields = f"int64 (batch, {length}, {len(card.calendar)}): {', '.join(card.calendar)}"
            yield (
                "calendar",
                f"{fields}; of the look-back and the horizon; weekdays count from 0 (Monday), other fields from 1 or 0",
            )
        yield "forecast", f"float64 (batch, {card.pred_len}, {len(card.columns)}), in the data's own units"
    else:
        yield "x_enc, x_mark_enc, x_dec, x_mark_dec", "those that the model uses, in scaled units"
        yield "forecast", f"(batch, {card.pred_len}, columns), in scaled units"


def _known(value: str | None) -> str:
    return value or "unknown"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
