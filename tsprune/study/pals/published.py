"""Horizons of the published sparsities of PALS."""

from tsprune.study.base.published import published_sparsities


def published_horizons(dataset: str) -> list[int]:
    """Horizons of PALS's paper on ``dataset``; of one that is not in it, those of most."""
    every = published_sparsities()
    own = every[every["dataset"] == dataset]
    return sorted((own if len(own) else every[every["dataset"] == "ETTm2"])["pred_len"].unique().tolist())
