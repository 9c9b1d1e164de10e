"""The notice before a study runs whose numbers are not from the data it was asked for."""

from IPython.display import HTML

from tsprune.data import CATALOG, Table
from tsprune.report.text import banner


def stand_in(table: Table) -> HTML | None:
    """A banner where made-up numbers stand in for a dataset: which, why, and where to put its file; None elsewhere."""
    if table.stands_in_for is None:
        return None
    name, file = table.stands_in_for, CATALOG[table.stands_in_for].source.file
    return banner(
        f"Synthetic data: {name} is not available here. These made-up numbers are not results on it. Its file {file} "
        "is in none of the places that are searched (TSPRUNE_DATA, data/, ../shared/data, the user's cache) and could "
        f"not be downloaded; 'tsprune data fetch {name}' says why. Put {file} into data/, or name its folder in "
        "TSPRUNE_DATA, and run again."
    )
