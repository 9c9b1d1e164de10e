"""What a store keeps of models: a list to choose from, and a checkpoint to take away."""

import json
import sys
from pathlib import Path

import pandas as pd

from tsprune.engine.execute import RECIPE_FILE, execute
from tsprune.engine.store import Corrupt, Store, damage_told
from tsprune.errors import UserError
from tsprune.measure import prediction_intervals
from tsprune.models import About, Forecaster, save_checkpoint
from tsprune.pruners.masks import Masks
from tsprune.shown import listed, more, plain
from tsprune.steps.artifacts import MASKS_FILE, MODEL_FILE
from tsprune.steps.model import ModelStep
from tsprune.steps.recipes import kinds, rebuild

COLUMNS = ("key", "dataset", "horizon", "model", "size", "seed", "made", "density", "left", "MSE", "kept", "KiB")

_KEPT = {MODEL_FILE: "model", MASKS_FILE: "masks"}

_SHOWN = 3
"""Chosen columns that are shown by name."""

_TOLD = 3
"""Entries of which a key is the beginning, named one by one."""


def kept_models(store: Store) -> tuple[pd.DataFrame, list[str]]:
    """A row per model that the store has or can make again, and a line per entry that is damaged.

    ``dataset``: with the share of the training rows and of the test windows, where that is not all, and the columns
    that were chosen of a user's file. ``size``: d_model x encoder layers before pruning, where it has them. ``made``:
    how, with structure, scope and rounded widths where it was pruned. ``density``: share of the prunable weights that
    is kept, as on pages and model cards; ``left``: of all parameters. ``kept``: what the store has of it, ``KiB``
    large: the model, its masks alone (of weights that are another entry's), or nothing but numbers.
    """
    records, damaged = [], []
    for key in store.entries():
        try:
            row = store.row(key)
            step = kinds().get(row["kind"])
            if step is None or step.keepsake is None or row["status"] != "ok":
                continue
            there, columns = store.has(key, step.keepsake), _columns(store, key)
        except Corrupt as damage:
            damaged.append(str(damage))
            continue
        told, result = row["protocol"], row["result"]
        kib = None
        if there:
            try:
                kib = (store.folder(key) / step.keepsake).stat().st_size / 2**10
            except FileNotFoundError:  # somebody needed the space
                damaged.append(
                    f"{store.folder(key) / step.keepsake} is missing; the model is made again when asked for"
                )
        size = f"{told['d_model']}x{told['e_layers']}" if told.get("d_model") else ""
        which = key, _data(told, columns), told["pred_len"], told["model"], size, told["seed"], _made(told)
        kept = "numbers" if kib is None else _KEPT[step.keepsake]
        records.append((*which, result["density"], result["density_all"], result["mse"], kept, kib))
    table = pd.DataFrame(records, columns=COLUMNS)
    return table.sort_values(list(COLUMNS[1:8]), kind="stable", ignore_index=True), damaged


def _data(told: dict, columns: list[str]) -> str:
    """The dataset of a protocol, and in brackets what of it was used, where that is not all."""
    share, stride = told.get("data_fraction", 1.0), told.get("eval_stride", 1)
    parts = [f"{share:.0%}"] if share < 1 else []
    parts += [f"test 1 in {stride}"] if stride > 1 else []
    parts += [f"columns {listed(columns, most=_SHOWN)}"] if columns else []
    return told["dataset"] + (f" ({', '.join(parts)})" if parts else "")


def _columns(store: Store, key: str) -> list[str]:
    """The columns that were chosen of a user's file, which a model's recipe says; none where nobody chose."""
    return _chosen(json.loads(store.artifact(key, RECIPE_FILE).read_text())) if store.has(key, RECIPE_FILE) else []


def _chosen(recipe: dict) -> list[str]:
    """Those of the data of a step, or of the step within that it goes back to."""
    if "data" in recipe:
        columns = recipe["data"].get("columns")
        return columns if isinstance(columns, list) else []  # recipes of old call the width so
    return next((found for part in recipe.values() if isinstance(part, dict) and (found := _chosen(part))), [])


def _made(told: dict) -> str:
    """How a model of this protocol was made, in words."""
    if told["method"] == "dense longer":  # its step prunes to all weights: structure and scope say nothing of it
        return "dense, trained longer"
    heads = "whole heads" if "inside" in told else None
    rounded = f"multiples of {told['multiple']}" if "multiple" in told else None
    said = (told["method"], told.get("structure"), told.get("scope"), heads, rounded)
    return ", ".join(filter(None, dict.fromkeys(said)))


def save_model(store: Store, key: str, path: Path) -> ModelStep:
    """Write the model of an entry as a checkpoint, with its masks, its description and its prediction intervals;
    returns its step.

    ``key`` may be cut short as long as it is unique. A model of which only the numbers were kept, or whose file is
    damaged, is computed again. Raises :class:`UserError` for a key that is unknown, ambiguous, or of a step without a
    model, for rows that are damaged, and for a file that cannot be written.
    """
    with damage_told():
        step = _step(store, _full(store, key))
        try:
            _mend(step, store)
            model, masks, about = leaving(store, step)
        except OSError as error:
            why = error.strerror or error
            raise UserError(
                f"the model of entry {step.key} cannot be read or made again in {store.root}: {why}"
            ) from None
    try:
        save_checkpoint(path, model, masks, about=about)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    return step


def leaving(store: Store, step: ModelStep) -> tuple[Forecaster, Masks, About]:
    """The model of a finished step on its way out of the store: with its masks, and with what it is about, prediction
    intervals among it."""
    model, masks = step.load_masked(store)
    row, trained = store.row(step.key), getattr(step, "trained", None)
    dense = store.row(trained.key) if trained else None  # gone where somebody removed it: this model does without
    data, device = step.place
    splits = data.every_window().splits(device)
    about = step.about(row["result"], dense and dense["result"], row["protocol"])
    return model, masks, about.model_copy(update={"intervals": prediction_intervals(model, splits)})


def _mend(step: ModelStep, store: Store) -> None:
    """Compute a damaged model again, and say so: a study checks only the models that its own steps read."""
    for read in {each.key: each for each in (*step.reads, step)}.values():
        try:
            if store.has(read.key, read.keepsake):
                store.verify(read.key)
        except Corrupt as damage:
            print(f"{damage}: {read.label} is computed again", file=sys.stderr)
            store.discard(read.key)
            execute(read, str(store.root))


def _full(store: Store, key: str) -> str:
    found = [other for other in store.entries() if other.startswith(key)] if key else []
    if len(found) == 1:
        return found[0]
    if found:
        told = f"{', '.join(found[:_TOLD])}{more(max(0, len(found) - _TOLD))}"
        raise UserError(f"key '{plain(key)}' fits {len(found)} entries: {told}; give more of its characters")
    raise UserError(f"no entry with key '{plain(key)}' in {store.root}; `tsprune models` lists them")


def _step(store: Store, key: str) -> ModelStep:
    row = store.row(key)
    if store.has(key, RECIPE_FILE):
        step = rebuild(store.artifact(key, RECIPE_FILE))
        if step.key != key:  # as of earlier versions, which forgot what checkpoint a model was made from
            raise UserError(
                f"entry {key}: its recipe makes another model; delete {store.folder(key)} and run again what made it"
            )
        return step
    step = kinds().get(row["kind"])
    if step is None or step.keepsake is None:
        raise UserError(f"entry {key} is a {row['kind']} step: it ends with numbers, not with a model")
    if row["status"] != "ok":
        raise UserError(f"entry {key} has no model: {row['status']}, {row['reason']}")
    raise UserError(
        f"entry {key} was stored without its recipe; run its study once more, which adds the recipe and computes "
        "nothing"
    )
