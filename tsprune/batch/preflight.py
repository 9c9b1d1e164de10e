"""What only the data, the machine and the disk can say of checked parameters: told before anything runs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tsprune.batch.profiles import NotebookRun
from tsprune.data import Splits, Table, make_splits
from tsprune.engine.temporary import temporary_name
from tsprune.errors import UserError
from tsprune.places import resolve
from tsprune.study.base.config import StudyConfig
from tsprune.study.registry import STUDIES
from tsprune.training import resolve_device
from tsprune.typed import canonical_json

LARGEST_SEED = 2**63 - 1
"""Tables hold seeds as 64-bit integers."""


def check_runs(runs: Sequence[NotebookRun]) -> None:
    """Load every dataset as its study will (``tsprune data check`` says the same of it), cut its windows, look for the
    device, and try the folders that are written to.

    Raises :class:`UserError` with a line per problem, and the notebooks that it is one of where these are not all.
    """
    found: dict[str, list[str]] = defaultdict(list)
    tables: dict[str, Table | UserError] = {}
    for run in runs:
        for problem in _problems(STUDIES[run.name].config.parse(run.parameters), tables):
            found[problem].append(run.name)
    if found:
        raise UserError("\n".join(_line(problem, names, len(runs)) for problem, names in found.items()))
    folders = {run.folder: "--output" for run in runs}
    for run in runs:
        chosen_by = "--output" if run.origins["store"] == "--output" else "the parameter store"
        folders.setdefault(resolve(run.parameters["store"]), chosen_by)
    for folder, chosen_by in folders.items():
        _try(folder, chosen_by)


def _line(problem: str, names: Sequence[str], of: int) -> str:
    return problem if len(set(names)) == of else f"{problem} ({', '.join(dict.fromkeys(names))})"


def _problems(config: StudyConfig, tables: dict[str, Table | UserError]) -> Iterator[str]:
    for seed in config.seeds:
        if seed > LARGEST_SEED:
            yield f"seeds: {seed} is above {LARGEST_SEED}, the largest one"
    try:
        resolve_device(config.device)
    except UserError as error:
        yield str(error)
    for dataset in dict.fromkeys((config.dataset, *getattr(config, "why_datasets", ()))):
        yield from _of_data(config.model_copy(update={"dataset": dataset}), tables)


def _of_data(config: StudyConfig, tables: dict[str, Table | UserError]) -> Iterator[str]:
    """``tables`` remembers what was loaded, by all that it depends on."""
    how = canonical_json([config.dataset, config.reading()])
    if how not in tables:
        try:
            tables[how] = config.load_data()
        except UserError as error:
            tables[how] = error
    if isinstance(tables[how], UserError):
        yield from str(tables[how]).splitlines()
        return
    for pred_len in config.pred_lens:
        try:
            splits = make_splits(
                tables[how], seq_len=config.seq_len, label_len=config.label_len, pred_len=pred_len, freq=config.freq
            )
        except UserError as error:
            yield from str(error).splitlines()
        else:
            yield from _of_batches(config, tables[how], splits, pred_len)


def _of_batches(config: StudyConfig, table: Table, splits: Splits, pred_len: int) -> Iterator[str]:
    """Under ``as_published`` the last incomplete batch is dropped: one batch at least must be full."""
    if config.protocol != "as_published":
        return
    for name, windows in (("val", splits.val), ("test", splits.test)):
        if len(windows) < config.eval_batch_size:
            yield (
                f"eval_batch_size = {config.eval_batch_size}: {table.name} has {len(windows)} windows in the {name} "
                f"split at pred_len = {pred_len}, not one full batch, and protocol = 'as_published' drops the others"
            )


def _try(folder: Path, chosen_by: str) -> None:
    """Write a file there and take it away."""
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            raise UserError(f"{folder}: {part} is a file, not a folder; {chosen_by} names another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{temporary_name()}"
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written to ({error.strerror}); {chosen_by} names another folder"
        ) from None
