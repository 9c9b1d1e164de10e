"""The effective parameters of a profile as a table: where each comes from, and its value."""

import json
import textwrap
from collections.abc import Sequence

from tsprune.batch.profiles import NotebookRun

WIDTH = 100
"""Columns of a line; only a path may stand out."""


def show_parameters(runs: Sequence[NotebookRun]) -> str:
    """A block per notebook, a row per parameter: name, origin, value as ``-p`` takes it; a long list goes on below."""
    names = max(len(name) for run in runs for name in run.parameters)
    origins = max(len(origin) for run in runs for origin in run.origins.values())
    lines = []
    for run in runs:
        lines += ["", run.name]
        for name, value in run.parameters.items():
            head = f"  {name:<{names}}  {run.origins[name]:<{origins}}  "
            if isinstance(value, str):
                lines.append(head + value)
                continue
            text = head + json.dumps(value).replace('"', "")
            lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * (len(head) + 1), break_on_hyphens=False)
    return "\n".join(lines[1:])
