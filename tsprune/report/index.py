"""The page that lists the reports of a run: the answers first, a click to each report."""

import os
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tsprune.errors import UserError
from tsprune.report.page import TEMPLATES, ReportInfo
from tsprune.report.text import describe_parameters


def write_index(folder: str | Path, infos: Sequence[ReportInfo]) -> Path:
    """Write ``folder``/index.html with every report in ``infos`` in the order given, and return its path.

    Links are relative to ``folder``, so that the folder can be moved or sent as it is. Raises UserError when there
    is nothing to list.
    """
    if not infos:
        raise UserError(f"no report to list in '{folder}'")
    folder = Path(folder).absolute()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "tsprune"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    entries = [
        {
            "info": info,
            "link": Path(os.path.relpath(info.html.absolute(), folder)).as_posix(),
            "summary": describe_parameters(info.parameters),
        }
        for info in infos
    ]
    failed = sum(info.status == "failed" for info in infos)
    page = environment.get_template("overview.html.j2").render(entries=entries, failed=failed, name=folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path
