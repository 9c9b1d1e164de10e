"""Parameters of notebook 04."""

from collections.abc import Iterator
from typing import Annotated

from tsprune.data import Table
from tsprune.study.base.config import ONCE, SOME, Dataset
from tsprune.study.base.shared import no_season
from tsprune.study.base.sizes import Sizes
from tsprune.typed import Between


class EntsoeScale(Sizes):
    """Notebook 04: does more data need a bigger model, and does pruning change the answer?"""

    densities: Annotated[list[Between], SOME, ONCE]
    """Share of the widest model kept: of all parameters when narrowed, of the prunable weights under masks."""

    more_datasets: Annotated[list[Dataset], ONCE]
    """Other datasets that dense models of these widths are trained on, to see how loss falls with data; [] for none."""

    def every_dataset(self) -> list[str]:
        return list(dict.fromkeys((self.dataset, *self.more_datasets)))

    def does_not_suit(self, table: Table) -> Iterator[str]:
        for lacking in no_season(table, self.seq_len):
            yield f"seq_len = {self.seq_len}, {lacking}; all are measured against it here"
