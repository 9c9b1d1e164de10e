"""Published final sparsities of PALS."""

from importlib.resources import files

import pandas as pd


def published_sparsities() -> pd.DataFrame:
    """Final sparsity of PALS as its repository's plots show it, read to ± ``tolerance``.

    Columns model, dataset, pred_len, sparsity_published, tolerance, source; a share of all trainable parameters.
    """
    with (files("tsprune.study.base") / "published_sparsity.csv").open() as file:
        return pd.read_csv(file)
