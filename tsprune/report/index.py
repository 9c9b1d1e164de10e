"""The page that lists the reports of a run: the answers first, a click to each report."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tsprune.errors import UserError
from tsprune.report.glossary import glossary
from tsprune.report.info import ReportInfo
from tsprune.report.page import TEMPLATES
from tsprune.report.tables import styled
from tsprune.report.text import describe_parameters
from tsprune.whole import aside


def write_index(folder: str | Path, infos: Sequence[ReportInfo], at: str | Path | None = None) -> Path:
    """Write ``folder``/index.html with every report in ``infos`` in the order given, and return its path.

    ``at`` is the folder that it will be moved to, if it is to be moved. A report that was kept beside
    (``NAME.previous.html``) is linked too. Links are relative, so that the folder can be moved or sent as it is. Raises
    UserError when there is nothing to list.
    """
    if not infos:
        raise UserError(f"no report to list in '{folder}'")
    folder, at = Path(folder).absolute(), Path(at or folder).absolute()
    entries = [
        {
            "info": info,
            "link": _link(info.html, at),
            "previous": _previous(info.html, at),
            "summary": describe_parameters(info.parameters),
        }
        for info in infos
    ]
    failed = sum(info.status == "failed" for info in infos)
    words = glossary(" ".join(f"{info.title} {info.headline} {' '.join(info.size)}" for info in infos))
    return _write(folder, "overview.html.j2", entries=entries, failed=failed, name=at.name, words=words)


def write_site(
    folder: Path,
    *,
    answer: str,
    pages: Mapping[str, Sequence[ReportInfo]],
    tables: Mapping[str, int],
    made: pd.DataFrame,
    version: str,
) -> Path:
    """Write ``folder``/index.html, the entrance of a published folder: the ``answer``, links to ``pages`` by profile,
    each with what it says, and to ``tables`` (rows by path without its ending, of a .csv and a .parquet), and how the
    rows were ``made``."""
    table = styled(made, "").hide(axis="index").to_html()
    linked = {
        name: {
            "dataset": next((info.parameters["dataset"] for info in infos if "dataset" in info.parameters), ""),
            "reports": [(info, _link(info.html, folder.absolute())) for info in infos],
        }
        for name, infos in pages.items()
    }
    return _write(folder, "site.html.j2", answer=answer, pages=linked, tables=tables, made=table, version=version)


def _write(folder: Path, template: str, **values) -> Path:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "tsprune"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    page = environment.get_template(template).render(**values)
    with aside(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _link(page: Path, folder: Path) -> str:
    return Path(os.path.relpath(page.absolute(), folder)).as_posix()


def _previous(page: Path, folder: Path) -> str | None:
    """Link to the report of other parameters that ``page`` took the place of, where it was kept."""
    kept = page.with_name(f"{page.stem}.previous.html")
    return _link(kept, folder) if kept.exists() else None
