"""One look for every figure of a notebook."""

import base64
from io import BytesIO

import seaborn as sns
from IPython import get_ipython
from IPython.core.pylabtools import retina_figure
from matplotlib.figure import Figure
from PIL import Image

from tsprune.report.drawing import COLOURS, RC


def style() -> None:
    """One look for every figure of a notebook; call it once, before the first figure.

    Sets seaborn's theme with the colour-blind palette. Inside a notebook figures become crisp on dense screens
    (twice the pixels) and carry their label as alternative text.
    """
    sns.set_theme(context="notebook", style="ticks", palette=COLOURS, font="DejaVu Sans", rc=RC)
    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        # First the inline backend, then our formatter: the other way round the backend would replace it.
        shell.run_line_magic("matplotlib", "inline")
        shell.display_formatter.formatters["image/png"].for_type(Figure, _png)


def _png(figure: Figure) -> tuple[str, dict[str, object]]:
    data, metadata = retina_figure(figure)
    # 256 colours are a quarter of the bytes, and no eye tells the difference in a drawing.
    with Image.open(BytesIO(data)) as picture:
        small = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = BytesIO()
    small.save(buffer, "PNG", optimize=True)
    if figure.get_label():
        metadata["alt"] = figure.get_label()
    return base64.b64encode(buffer.getvalue()).decode("ascii"), metadata
