"""The drawing kit: labels never touch, ink is readable, legends fit, spread and missing numbers are drawn."""

import subprocess
import sys
from base64 import b64decode
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

import tsprune.study
from tsprune.report import drawing as kit
from tsprune.report.axes import density_axis, difference_axis, log_axis, relative_axis, round_numbers
from tsprune.report.cases import case_title, cases, of_case
from tsprune.report.style import WIDTH, png


def drawn(figure):
    figure.draw_without_rendering()
    return figure


def boxes(axis) -> list:
    """Where the labels of ``axis`` stand, in pixels, along it."""
    across = axis.axis_name == "x"
    found = [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text()]
    return sorted((box.x0, box.x1) if across else (box.y0, box.y1) for box in found)


def labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def one_panel(across: int = 1, height: float = 3.0):
    with kit.canvas(height, "a panel") as figure:
        axes = figure.subplots(1, across, squeeze=False)[0, 0]
    return figure, axes


def test_a_canvas_has_the_common_width_and_says_what_it_shows():
    with kit.canvas(2.5, "Line chart of nothing.") as figure:
        axes = figure.subplots()
    assert tuple(figure.get_size_inches()) == (WIDTH, 2.5)
    assert figure.get_label() == "Line chart of nothing."
    assert not axes.spines["top"].get_visible()
    assert mpl.rcParams["axes.spines.top"], "the look is the figure's, not the session's"


def test_on_a_page_our_figures_have_the_common_width_and_another_is_cut_to_what_is_drawn():
    figure, axes = one_panel()
    axes.plot([1, 2], [3, 1])
    shown, about = png(figure)
    assert (about["width"], about["height"]) == (100 * WIDTH, 300)
    file = BytesIO()
    figure.savefig(file, dpi=200)
    assert figure.dpi == 100, "drawn as before when it is shown again"
    with Image.open(BytesIO(b64decode(shown))) as picture, Image.open(file) as saved:
        assert np.abs(np.asarray(picture.convert("RGB"), int) - np.asarray(saved.convert("RGB"))).max() <= 8
    assert about["alt"] == "a panel"
    loose = Figure(figsize=(WIDTH, 3))
    loose.add_axes((0.4, 0.4, 0.2, 0.2))
    _, about = png(loose)
    assert about["width"] < 50 * WIDTH and "alt" not in about


def test_panels_are_labelled_at_the_left_and_at_the_foot_of_every_column():
    with kit.canvas(4, "") as figure:
        grid = kit.panels(figure, 3, 2, "density", "MSE", sharex=True)
    assert len(figure.axes) == len(grid) == 3
    assert [axes.get_xlabel() for axes in grid] == ["", "density", "density"]
    assert [axes.get_ylabel() for axes in grid] == ["MSE", "", "MSE"]
    drawn(figure)
    assert [any(labels(axes.xaxis)) for axes in grid] == [False, True, True]


def test_cases_are_in_the_order_of_the_frame_and_named_by_horizon_only_where_there_are_several():
    frame = pd.DataFrame({"model": ["B", "B", "A", "B"], "pred_len": [96, 192, 96, 96], "mse": [1, 2, 3, 4]})
    assert cases(frame) == [("B", 96), ("B", 192), ("A", 96)]
    assert of_case(frame, "B", 96)["mse"].tolist() == [1, 4]
    assert case_title(frame, "B", 96) == "B · horizon 96"
    assert case_title(frame[frame["pred_len"] == 96], "B", 96) == "B"


def test_no_two_of_ten_names_look_alike_and_an_eleventh_is_drawn_too():
    looks = kit.looks(range(11))
    assert len({marker for _, marker in looks.values()}) == len({colour for colour, _ in looks.values()}) == 10
    assert looks[10] == looks[0]


@settings(max_examples=25, deadline=None)
@given(
    low=st.floats(1e-3, 1e6),
    factor=st.floats(1.02, 1e5),
    across=st.integers(1, 4),
    upright=st.booleans(),
    downwards=st.booleans(),
)
def test_labels_of_a_log_axis_never_touch(low, factor, across, upright, downwards):
    figure, axes = one_panel(across)
    axis = axes.yaxis if upright else axes.xaxis
    ends = (low * factor, low) if downwards else (low, low * factor)
    log_axis(axis, *ends)
    drawn(figure)
    assert all(end < begin for (_, end), (begin, _) in pairwise(boxes(axis)))
    assert (axes.get_ylim() if upright else axes.get_xlim()) == pytest.approx(ends)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 1000).map(lambda n: n / 1000), min_size=1, max_size=30, unique=True), st.integers(1, 4))
def test_labels_of_a_density_axis_never_touch_and_the_densest_has_one(densities, across):
    figure, axes = one_panel(across)
    density_axis(axes, densities)
    drawn(figure)
    assert all(end < begin for (_, end), (begin, _) in pairwise(boxes(axes.xaxis)))
    assert max(densities) in axes.get_xticks()
    marks = {*axes.get_xticks(), *axes.get_xticks(minor=True)}
    assert marks == set(densities), "a density without room for its label has a mark"
    left, right = axes.get_xlim()
    assert left > max(densities) >= min(densities) > right


def test_a_wider_panel_has_room_for_more_labels():
    shown = []
    for across in (4, 1):
        figure, axes = one_panel(across)
        density_axis(axes, [0.8**n for n in range(16)])
        drawn(figure)
        shown.append(len(axes.get_xticks()))
    assert shown[0] < 8 < shown[1]


def test_an_axis_relative_to_dense_has_a_line_and_a_label_at_one():
    figure, axes = one_panel()
    relative_axis(axes, 0.97, 3.1)
    drawn(figure)
    assert {"1", "1.5", "2", "3"} <= set(labels(axes.yaxis))
    assert [list(line.get_ydata()) for line in axes.lines if line.get_gid() == "dense"] == [[1, 1]]


def test_round_numbers_come_roundest_first_and_evenly_within_a_factor_of_two():
    assert round_numbers(30, 2000)[:4] == [10, 100, 1000, 20]
    assert round_numbers(1, 1.9)[:3] == [1, 1.5, 2]
    assert {0.98, 1.0, 1.02, 1.04} <= {round(float(tick), 9) for tick in round_numbers(0.97, 1.05)}


@pytest.mark.parametrize(
    ("ends", "label", "some"),
    [
        ((-4, 8), "MSE, %", {"−2", "0", "+2"}),
        ((-20, 400), "MSE, % (log scale beyond 10)", {"−10", "0", "+10", "+100"}),
        ((0.1, 0.2), "MSE, %", {"0"}),
        ((-50, 90_000), "MSE, % (log scale beyond 10)", {"−10", "0", "+10", "+100"}),
    ],
)
def test_an_axis_of_differences_has_signs_a_line_at_zero_and_says_where_it_is_logarithmic(ends, label, some):
    figure, axes = one_panel(2)
    axes.plot(ends, [0, 1])
    difference_axis(axes, "MSE")
    drawn(figure)
    assert axes.get_xlabel() == label
    assert some <= set(labels(axes.xaxis))
    assert all(end < begin for (_, end), (begin, _) in pairwise(boxes(axes.xaxis)))
    assert [list(line.get_xdata()) for line in axes.lines[1:]] == [[0, 0]]
    low, high = axes.get_xlim()
    assert low < min(0, *ends) and high > max(0, *ends)


def test_a_line_has_means_at_mean_x_in_a_band_from_lowest_to_highest_seed():
    rows = pd.DataFrame({"asked": [1, 1, 2, 2], "x": [1.0, 1.2, 2.0, 2.2], "y": [3.0, 5.0, 4.0, 4.0]})
    _, axes = one_panel()
    points = kit.band_line(axes, rows, "x", "y", by="asked", color="k")
    assert points.to_numpy().tolist() == [[pytest.approx(1.1), 4, 3, 5], [pytest.approx(2.1), 4, 4, 4]]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[1.1, 4], [2.1, 4]])
    assert axes.collections[0].get_datalim(axes.transData).intervaly.tolist() == [3, 5]
    kit.band_line(axes, rows.iloc[::2], "x", "y", color="k")
    assert len(axes.collections) == 1, "one seed has no band"
    kit.band_line(axes, rows[rows["asked"] == 1], "x", "y", by="asked", color="k")
    assert axes.collections[1].get_segments()[0].tolist() == [[1.1, 3], [1.1, 5]], "a lone point has a bar"
    kit.mark_above(axes, points.assign(mean=[9, 4]), 5, "k")
    assert [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "^"] == [[pytest.approx(1.1)]]


@pytest.mark.parametrize(("clear", "face"), [(True, "r"), (False, "white")])
def test_a_difference_is_a_dot_in_percent_on_its_interval_filled_where_it_is_clear(clear, face):
    _, axes = one_panel()
    kit.difference_dot(axes, 3, {"low": 0.01, "relative": 0.02, "high": 0.05, "clear": clear}, "r", "s")
    (bar,) = axes.collections[0].get_segments()
    assert bar.tolist() == [[1, 3], [5, 3]]
    (dot,) = axes.lines
    assert (dot.get_xydata().tolist(), dot.get_markerfacecolor(), dot.get_marker()) == ([[2, 3]], face, "s")


def test_named_lines_stand_from_top_to_bottom():
    _, axes = one_panel()
    kit.lines_named(axes, ["a", "b"])
    assert labels(axes.yaxis) == ["a", "b"] and axes.get_ylim() == (1.5, -0.5)


def test_a_heat_map_names_rows_and_columns_frames_a_cell_and_says_what_is_missing():
    _, axes = one_panel()
    table = pd.DataFrame([[0.1, 0.2], [np.nan, 0.4]], index=["top", "foot"], columns=["left", "right"])
    image = kit.heat_map(axes, table, "{:.1f}".format, framed=[("foot", "right")])
    assert [text.get_text() for text in axes.texts] == ["0.1", "0.2", "none", "0.4"]
    assert labels(axes.xaxis) == ["left", "right"] and labels(axes.yaxis) == ["top", "foot"]
    assert image.get_clim() == (0.1, 0.4)
    assert [patch.get_xy() for patch in axes.patches] == [(1 - 0.47, 1 - 0.47)]
    _, bare = one_panel()
    assert kit.heat_map(bare, table, None, ends=(0, 1)).get_clim() == (0, 1)
    assert not bare.texts


def contrast(one, other) -> float:
    """Of two colours, as WCAG 2 has it: 1 to 21."""

    def luminance(colour) -> float:
        parts = np.array(mpl.colors.to_rgb(colour))
        return np.dot(
            [0.2126, 0.7152, 0.0722], np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        )

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("cmap", ["cividis", "cividis_r"])
def test_every_number_of_a_heat_map_can_be_read_on_its_ground(cmap):
    _, axes = one_panel()
    values = np.linspace(0, 1, 101)
    image = kit.heat_map(axes, pd.DataFrame([values]), "{:.2f}".format, cmap=cmap)
    assert min(contrast(text.get_color(), image.to_rgba(v)[:3]) for text, v in zip(axes.texts, values, strict=True)) > 4


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text("abcdefghiMW", min_size=1, max_size=34), min_size=1, max_size=12))
def test_a_legend_stays_within_the_figure(names):
    with kit.canvas(3, "") as figure:
        figure.subplots()
        kit.legend(figure, [kit.handle(name, "r", "o") for name in names])
    drawn(figure)
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names


def test_a_note_leaves_out_what_is_empty_and_says_what_the_spread_is():
    with kit.canvas(2, "") as figure:
        kit.note(figure, "One.", "", "Two.")
    assert figure.get_supxlabel() == "One. Two."
    assert kit.spread_note(pd.DataFrame({"seed": [1, 2]})) == "Line: mean of 2 seeds; band: lowest to highest seed."
    assert kit.spread_note(pd.DataFrame({"seed": [1, 1]})) == "One seed: no spread."
    unlike = pd.DataFrame({"model": ["a", "a", "b"], "density_asked": 0.5, "seed": [1, 2, 1]})
    assert kit.spread_note(unlike).startswith("Line: mean of 1 to 2 seeds;")
    apart = pd.DataFrame({"model": ["a", "b"], "seed": [1, 2]})
    assert kit.spread_note(apart) == "One seed: no spread.", "each model has one"
    unasked = pd.DataFrame({"model": "a", "density_asked": float("nan"), "seed": [1, 2]})
    assert kit.spread_note(unasked).startswith("Line: mean of 2 seeds;"), "nothing asked PALS for a density"


def report_modules() -> list[str]:
    folder = Path(tsprune.study.__file__).parent
    found = [path for name in ("figures", "tables", "words") for path in folder.glob(f"*/{name}.py")]
    return [f"tsprune.study.{path.parent.name}.{path.stem}" for path in sorted(found)]


def test_what_a_report_shows_is_drawn_and_said_without_loading_torch():
    modules = report_modules()
    assert len(modules) >= 18
    code = f"import sys, {', '.join(modules)}; assert 'torch' not in sys.modules, 'torch'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
