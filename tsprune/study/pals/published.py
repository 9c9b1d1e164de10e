"""Published settings of PALS: horizons, and how often it updates."""

from tsprune.study.base.published_sparsity import published_sparsities

_EVERY = {"ILI": 5}
"""Where the interval between two updates is another than elsewhere: so short a dataset has few steps."""


def published_horizons(dataset: str) -> list[int]:
    """Horizons of PALS's paper on ``dataset``; of one that is not in it, those of most."""
    every = published_sparsities()
    own = every[every["dataset"] == dataset]
    return sorted((own if len(own) else every[every["dataset"] == "ETTm2"])["pred_len"].unique().tolist())


def published_every(dataset: str) -> int:
    """Training steps between two updates in PALS's public code, on ``dataset``."""
    return _EVERY.get(dataset, 20)
