"""Parameters of notebook 04."""

from typing import Annotated

from tsprune.study.base.config import ONCE, SOME, Part
from tsprune.study.base.sizes import Sizes


class EntsoeScale(Sizes):
    """Notebook 04: does more data need a bigger model, and does pruning change the answer?"""

    densities: Annotated[list[Part], SOME, ONCE]
    """Share of the widest model kept: of all parameters when narrowed, of the prunable weights under masks."""
