"""A forecaster has one colour and one marker, on whichever page it is drawn."""

from collections.abc import Iterable

from tsprune.report.drawing import looks

_ORDER = (
    *("Transformer", "Informer", "Autoformer", "FEDformer", "Crossformer", "DLinear"),
    *("iTransformer", "PatchTST", "Nonstationary_Transformer", "LSTM", "TCN"),
)
"""The first has the first look, and so on; one of your own that is not named here comes after them."""


def model_looks(models: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The colour and the marker of each of ``models``, in their order.

    There are ten looks: a model whose own is taken by one before it in ``_ORDER`` has the first that is free, and where
    more than ten are drawn at once some are alike."""
    models = list(models)
    every = list(looks([*_ORDER, *(name for name in models if name not in _ORDER)]).items())
    found: dict[str, tuple[str, str]] = {}
    for name, own in every:
        if name in models:
            free = [look for _, look in every if look not in found.values()]
            found[name] = own if own in free or not free else free[0]
    return {name: found[name] for name in models}
