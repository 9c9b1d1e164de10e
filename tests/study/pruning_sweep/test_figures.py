import warnings
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.text import Text

from tsprune.errors import UserError
from tsprune.report.style import style
from tsprune.report.text import readable_layer
from tsprune.study.pruning_sweep import figures, words


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def marks(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker and line.get_linestyle() == "None"]


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(figure):
    figure.savefig(BytesIO(), format="png", dpi=30)
    return figure


def test_a_panel_per_scope_and_a_line_per_model(make_cells, make_naive):
    figure = drawn(figures.sweep(make_cells(), make_naive()))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Layer: each layer cut alike",
        "Global: one threshold for the whole model",
    ]
    for axes in figure.axes:
        assert set(lines(axes)) == {"Transformer", "DLinear"}
        x, y = lines(axes)["DLinear"].get_data()
        np.testing.assert_allclose(x, [0.4096, 0.512, 0.64, 0.8, 1.0])
        np.testing.assert_allclose(y, 1 + (1 - np.asarray(x)) / 4)
        assert axes.get_xscale() == axes.get_yscale() == "log"
        left, right = axes.get_xlim()
        assert left > 1 > right, "dense stands on the left, sparse on the right"
    assert "MSE relative to dense" in figure.axes[0].get_ylabel()
    assert "ratio" in figure.axes[0].get_ylabel()
    assert "share of prunable weights kept" in figure.axes[0].get_xlabel()
    assert {"Transformer", "DLinear", "dense = 1", "within 5\u00a0%"} <= set(legend_texts(figure))
    assert any("repeat last" in text for text in legend_texts(figure))
    assert "ETTh1" in figure.get_label() and "Transformer" in figure.get_label()


def test_dense_and_each_models_repeat_last_level_are_drawn(make_cells, make_naive):
    figure = figures.sweep(make_cells(), make_naive(mse=1.03))
    for axes in figure.axes:
        by_gid = {line.get_gid(): line for line in axes.lines if line.get_gid()}
        assert set(by_gid["dense"].get_ydata()) == {1}
        # dense MSE 0.51 and 0.52 at the two seeds: 1.03 is twice their mean
        np.testing.assert_allclose(by_gid["repeat-last DLinear"].get_ydata(), 2.0)


def test_the_spread_over_seeds_is_a_band_and_said(make_cells, make_naive):
    def rise(model, scope, density, seed):
        return 1 + seed * (1 - density) / 4

    def bands(figure):
        return [c for c in figure.axes[0].collections if isinstance(c, PolyCollection)]

    figure = figures.sweep(make_cells(rise), make_naive())
    assert len(bands(figure)) == 2
    low, high = bands(figure)[0].get_datalim(figure.axes[0].transData).intervaly
    assert (low, high) == pytest.approx((1.0, 1 + 2 * 0.5904 / 4))
    assert "mean of 2 seeds; band: lowest to highest seed" in figure.get_supxlabel()
    single = figures.sweep(make_cells(rise, seeds=(1,)), make_naive())
    assert not bands(single)
    assert "One seed" in single.get_supxlabel()


def test_an_explosion_is_capped_marked_and_noted(make_cells, make_naive):
    cells = make_cells(lambda model, scope, density, seed: 1200.0 if scope == "global" and density < 0.6 else 1.1)
    figure = drawn(figures.sweep(cells, make_naive()))
    calm, wild = figure.axes
    assert wild.get_ylim()[1] < 4
    assert not marks(calm, "^") or all(line.get_gid() for line in marks(calm, "^"))
    assert {x for line in marks(wild, "^") for x in line.get_xdata()} == {0.512, 0.4096}
    assert "up to 1,200 times dense" in figure.get_supxlabel()


def test_a_repeat_last_level_far_away_is_named_not_drawn_to_scale(make_cells, make_naive):
    figure = drawn(figures.sweep(make_cells(), make_naive(mse=20.6)))
    assert figure.axes[0].get_ylim()[1] <= 8
    note = figure.get_supxlabel().replace("\n", " ")
    assert "repeat last lies above the axis (Transformer 40.0, DLinear 40.0)" in note


def test_a_repeat_last_level_far_below_is_named_and_leaves_the_panels_their_room(make_cells, make_naive):
    """A mark drawn where the level lies would lie outside of the figure, and the layout would make room for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = drawn(figures.sweep(make_cells(), make_naive(mse=0.0515)))
    for axes in figure.axes:
        box, (bottom, _) = axes.get_position(), axes.get_ylim()
        assert box.height > 0.4 and bottom > 0.9
        arrows = [line for line in axes.lines if (line.get_gid() or "").startswith("arrow")]
        assert [list(line.get_ydata()) for line in arrows] == [[pytest.approx(bottom)]] * 2
        assert {line.get_marker() for line in arrows} == {"v"}
        assert not any((line.get_gid() or "").startswith("repeat-last") for line in axes.lines)
    note = figure.get_supxlabel().replace("\n", " ")
    assert "repeat last lies below the axis (Transformer 0.10, DLinear 0.10)" in note


def test_what_has_not_run_is_no_failure(make_cells, make_naive):
    cells = make_cells()
    waiting = (cells["model"] == "DLinear") & (cells["density_asked"] < 0.5)
    cells.loc[waiting, ["mse", "mae", "mse_relative", "status"]] = [np.nan, np.nan, np.nan, "not run"]
    figure = drawn(figures.sweep(cells, make_naive()))
    assert not [line for axes in figure.axes for line in marks(axes, "x")]
    assert (
        "failed" not in figure.get_supxlabel() and "Not run yet: no mark, and no line across." in figure.get_supxlabel()
    )
    figure = drawn(
        figures.sweep(cells.assign(status=cells["status"].mask(cells["model"] == "DLinear", "not run")), make_naive())
    )
    assert "DLinear (not run yet)" in legend_texts(figure)


def test_no_line_goes_across_a_density_that_has_not_run(make_cells, make_naive):
    cells = make_cells(models=["Transformer"], scopes=["layer"])
    between = cells["density_asked"] == 0.64
    cells.loc[between, ["mse", "mae", "mse_relative", "status"]] = [np.nan, np.nan, np.nan, "not run"]
    axes = drawn(figures.sweep(cells, make_naive())).axes[0]
    ways = [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "-" and line.get_marker() == "o"]
    assert ways == [[0.8, 1.0], [0.4096, 0.512]]


def test_an_emptied_layer_and_a_small_share_are_written_as_people_write_them(layers):
    few = layers.assign(
        layer_density=layers["density_asked"].map({1.0: 1.0, 0.8: 0.5, 0.64: 0.004, 0.512: 0.0, 0.4096: 0.0})
    )
    texts = [text.get_text() for text in drawn(figures.layers(few)[0]).axes[0].texts]
    assert set(texts) == {"1", ".50", "<.01", "0"}


def test_cells_that_did_not_finish_are_crossed(make_cells, make_naive):
    cells = make_cells()
    lost = (cells["model"] == "DLinear") & (cells["density_asked"] < 0.5) & (cells["scope"] == "layer")
    cells.loc[lost, ["mse", "mae", "mse_relative"]] = np.nan
    cells.loc[lost, "status"] = "diverged"
    figure = drawn(figures.sweep(cells, make_naive()))
    layer, other = figure.axes
    assert [list(line.get_xdata()) for line in marks(layer, "x")] == [[0.4096]]
    assert not marks(other, "x")
    assert len(lines(layer)["DLinear"].get_xdata()) == 4
    assert "×: a cell failed." in figure.get_supxlabel()


def test_a_model_without_any_result_is_named_in_the_legend(make_cells, make_naive):
    cells = make_cells()
    cells.loc[cells["model"] == "DLinear", "status"] = "failed"
    figure = drawn(figures.sweep(cells, make_naive()))
    assert "DLinear (no cell finished)" in legend_texts(figure)


@pytest.mark.parametrize(
    ("scopes", "horizons", "panels"),
    [(("layer",), (96,), 1), (("layer",), (96, 192, 336, 720), 4), (("layer", "global"), (96, 192, 720), 6)],
)
def test_panels_for_any_number_of_horizons_and_scopes(make_cells, make_naive, scopes, horizons, panels):
    models = ["Transformer", "Autoformer", "DLinear", "Informer", "FEDformer"]
    cells = make_cells(models=models, scopes=scopes, horizons=horizons)
    figure = drawn(figures.sweep(cells, make_naive(horizons=horizons)))
    assert len(figure.axes) == panels
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(set(titles)) == panels
    looks = {(str(line.get_color()), line.get_marker()) for line in lines(figure.axes[0]).values()}
    assert len(looks) == 5, "every model has a colour and a marker of its own"


def test_close_densities_do_not_pile_up_labels(make_cells, make_naive):
    densities = [1.0, *np.linspace(0.99, 0.5, 40)]
    figure = drawn(figures.sweep(make_cells(densities=densities), make_naive()))
    assert len(figure.axes[0].get_xticks()) <= 13


def test_a_level_of_the_last_value_that_is_not_known_is_not_drawn_and_said(make_cells, make_naive):
    figure = figures.sweep(make_cells(), make_naive().assign(mse=np.nan))
    assert any("Repeat last has no result where" in text.get_text() for text in figure.findobj(Text))


def test_what_cannot_be_drawn_is_refused(make_cells, make_naive):
    cells = make_cells()
    with pytest.raises(UserError, match="column 'mse_relative' is missing"):
        figures.sweep(cells.drop(columns="mse_relative"), make_naive())
    with pytest.raises(UserError, match="no rows"):
        figures.sweep(cells.iloc[:0], make_naive())
    with pytest.raises(UserError, match="none of the 40 cells finished"):
        figures.sweep(cells.assign(status="failed"), make_naive())
    with pytest.raises(UserError, match="one dataset, got ETTh1, ETTh2"):
        figures.sweep(cells.assign(dataset=["ETTh1", "ETTh2"] * 20), make_naive())


def test_layer_figures_show_every_layer_a_figure_per_model(layers):
    found = {figure.axes[0].get_title(loc="left"): drawn(figure).axes[0] for figure in figures.layers(layers)}
    assert set(found) == {"Transformer · global", "DLinear · global"}, "by layer all keep what is asked"
    axes = found["Transformer · global"]
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        "encoder 0 attention query  (37k)",
        "decoder projection  (37k)",
    ]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "0.8", "0.64", "0.51", "0.41"]
    mean = (0.8**1.1 + 0.8**1.3) / 2
    np.testing.assert_allclose(found["DLinear · global"].images[0].get_array()[0, 1], mean)
    assert found["DLinear · global"].get_xlabel() == "Density asked"
    assert figures.layers(layers[layers["scope"] == "layer"]) == [], "all of it would be what is asked"
    figure = figures.layers(layers)[0]
    drawn(figure)
    label, bar = figure.axes[1].yaxis.label.get_window_extent(), figure.bbox
    assert bar.y0 <= label.y0 < label.y1 <= bar.y1, "a label as long as the figure is high is cut"


def test_layer_figures_grow_with_the_layers_until_they_fill_a_page_of_paper(layers):
    many = layers[layers["model"] == "DLinear"]
    tall = figures.layers(pd.concat([many.assign(layer=f"encoder.layers.{i}.weight") for i in range(100)]))
    assert [figure.axes[0].get_title(loc="left") for figure in tall] == [
        f"DLinear · global · {i} of 3" for i in (1, 2, 3)
    ]
    assert [len(figure.axes[0].get_yticks()) for figure in tall] == [34, 33, 33]
    assert all(2 * figures.layers(layers)[0].get_figheight() < figure.get_figheight() < 11 for figure in tall)
    with pytest.raises(UserError, match="column 'weights' is missing"):
        figures.layers(layers.drop(columns="weights"))


def test_how_unevenly_layers_are_cut_is_said_at_the_lowest_density():
    def row(model, layer, density, asked=0.1, scope="global"):
        return {"model": model, "scope": scope, "density_asked": asked, "layer": layer, "layer_density": density}

    rows = [row("A", "encoder.layers.0.query.weight", 0.2), row("A", "encoder.layers.0.query.weight", 0.0)]
    rows += [
        row("B", "projection.weight", 0.9),
        row("B", "projection.weight", 1.0, 0.5),
        row("A", "x", 0.0, 0.1, "layer"),
    ]
    assert words.layers(pd.DataFrame(rows)) == (
        "One threshold for the whole model cuts layers unevenly: asked for density 0.1, it leaves layers 10\u00a0% "
        "(encoder 0 query of A) to 90\u00a0% (projection of B) of their weights."
    )
    assert words.layers(pd.DataFrame(rows[-1:])).startswith("Every layer keeps the share that was asked for")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("encoder.layers.0.attention.query.weight", "encoder 0 attention query"),
        ("enc_embedding.value.weight", "enc embedding value"),
        ("decoder.layers.0.trend_projection.weight", "decoder 0 trend projection"),
    ],
)
def test_readable_layer(name, text):
    assert readable_layer(name) == text


def test_style_sets_the_look():
    with mpl.rc_context():
        style()
        assert mpl.rcParams["axes.spines.top"] is False
        assert mpl.rcParams["font.sans-serif"][0] == "DejaVu Sans" or mpl.rcParams["font.family"] == ["DejaVu Sans"]
