"""A folder to publish: the pages of profiles, made from existing rows, their tables, and what was run where."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

import tsprune
from tsprune.batch.notebooks import link_pages, reports_in, run_profile
from tsprune.batch.preflight import is_readable, need_folder, try_folder
from tsprune.batch.profiles import plan_profile
from tsprune.batch.results import list_results, sound
from tsprune.places import need_name
from tsprune.report.index import write_site
from tsprune.steps.archive import Archive, read
from tsprune.study.base.result import tidy
from tsprune.study.claims.cells import judged
from tsprune.study.claims.evidence import evidence
from tsprune.study.claims.words import verdict


def make_site(profiles: Sequence[str], folder: str, store: str) -> int:
    """Render the pages of ``profiles`` under ``folder``, computing nothing, write every row that ships with the project
    as CSV and parquet to ``tables``, and an index of it all. Returns how many notebooks failed.

    The folder can be served as it is, by GitHub Pages too. Rows that only ``store`` has are shown as well.
    """
    need_name(folder, "--output")
    need_name(store, "--store")
    target = Path(folder)
    runs = {name: plan_profile(name, output=folder, replaced=[f"store={store}"]) for name in profiles}
    if not is_readable(rows := Path(store).absolute()):
        need_folder(rows, "--store")
    try_folder(target.absolute(), "--output")
    shipped = sound()
    failed = sum(run_profile(own, 0.0, only_pages=True) for own in runs.values())
    for own in runs.values():  # to pages of profiles that came later, too
        link_pages(own[0].folder, reports_in(own[0].folder))
    claims, cases = judged(evidence(shipped.lines.values()))
    written = _tables(target / "tables", shipped, {"claims": claims, "claims-cases": cases})
    (target / ".nojekyll").touch()  # folders and files are to be served whatever they are called
    write_site(
        target,
        answer=verdict(claims).split("\n\n", maxsplit=1)[0],
        pages={own[0].folder.name: reports_in(own[0].folder) for own in runs.values()},
        tables={path.relative_to(target).as_posix(): rows for path, rows in written.items()},
        made=list_results(),
        version=tsprune.__version__,
    )
    return failed


def _tables(folder: Path, shipped: Archive, others: dict[str, pd.DataFrame]) -> dict[Path, int]:
    """Each file of the archive as a long table, what was timed in it as another, and the ``others`` by their names;
    rows by path, without its ending."""
    frames = dict(others)
    for path in shipped.files():
        name = f"{path.parent.name}-{path.name.split('.')[0]}"
        rows = read(path)
        frames[name] = tidy(rows)
        if times := list(_times(rows)):
            frames[f"{name}-times"] = pd.DataFrame(times)
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
        frame.to_parquet(folder / f"{name}.parquet")
    return {folder / name: len(frame) for name, frame in frames.items()}


def _times(rows: Iterable[dict]) -> Iterator[dict]:
    """A record per variant and batch size that was timed: of which model, and on which machine."""
    for row in rows:
        head = {name: row["protocol"].get(name) for name in ("dataset", "model", "pred_len")}
        head |= {name: row["made"][name] for name in ("processor", "accelerator")}
        for name in ("latency", "speeds"):
            yield from (head | record for record in row["detail"].get(name, ()))
