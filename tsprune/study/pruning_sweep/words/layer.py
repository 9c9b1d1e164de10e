"""Where a prune of study 01 takes its weights, in a sentence."""

import pandas as pd

from tsprune.report.frames import NoRows, need, need_scopes
from tsprune.report.text import density_text, percent, readable_layer


def layers(layers: pd.DataFrame) -> str:
    """How unevenly one threshold for the whole model cuts the layers at the lowest density; means over seeds and
    horizons. Raises UserError for an empty table, a missing column, an unknown scope."""
    need(layers, "layers", ["model", "scope", "density_asked", "layer", "layer_density"])
    if "global" not in need_scopes(layers):
        return "Every layer keeps the share that was asked for: no pruning used one threshold for the whole model."
    own = layers[layers["scope"] == "global"]
    asked = own["density_asked"].min()
    if asked == 1:
        raise NoRows("table 'layers': no prune with one threshold for the whole model finished")
    kept = own[own["density_asked"] == asked].groupby(["model", "layer"], sort=False)["layer_density"].mean()
    least, most = (
        f"{percent(kept[model, layer])} ({readable_layer(layer)} of {model})"
        for model, layer in (kept.idxmin(), kept.idxmax())
    )
    return (
        "One threshold for the whole model cuts layers unevenly: asked for density "
        f"{density_text(asked)}, it leaves layers {least} to {most} of their weights."
    )
