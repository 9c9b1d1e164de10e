"""What an index says about one report."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReportInfo:
    """What an index says about one report. ``failed_cell`` and ``error`` are None unless ``status`` is ``failed``."""

    html: Path
    title: str
    headline: str
    thumbnail: str | None
    """Data URI of the first figure, small."""
    status: str
    """``ok`` or ``failed``."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The parameters the notebook ran with: its defaults under what was passed in."""
    date: datetime | None = None
    """When the notebook ended, in UTC."""
    seconds: float | None = None
    unfinished: int = 0
    """Cells of the study without a result."""
    not_run: int = 0
    """Cells of the study that have not run yet."""
    size: tuple[str, ...] = ()
    """At which size the models were run, or what else the verdict says at once below its answer, line by line."""
    failed_cell: int | None = None
    """Position of the failing cell among the code cells, from 1."""
    error: str | None = None
