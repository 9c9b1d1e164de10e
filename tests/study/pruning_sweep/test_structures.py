"""Structures side by side: a row of panels per model, a line per structure, asked beside achieved."""

import pandas as pd
import pytest
from reading import as_read

from tsprune.errors import UserError
from tsprune.study.pruning_sweep import figures, tables, words


@pytest.fixture
def structures() -> pd.DataFrame:
    cells = (
        *(("unstructured", scope, d, d + 0.05, d) for scope in ("layer", "global") for d in (1.0, 0.5, 0.1)),
        ("2:4", "layer", 0.5, 0.6, 0.7),
        ("structured", "global", 0.5, 0.498, 0.55),
        ("structured", "layer", 0.5, 0.27, 0.3),
    )
    return pd.DataFrame(
        {
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "method": "depgraph_paper" if (structure, scope) == ("structured", "layer") else "magnitude",
            "structure": structure,
            "scope": scope,
            "density_asked": asked,
            "density_all": kept,
            "density_live": kept - 0.01,
            "macs_share": macs,
            "mse": 0.4 / asked**0.2,
            "mse_relative": 1 / asked**0.2,
            "status": "ok",
            "reason": None,
        }
        for model in ("A", "B")
        for seed in (1, 2)
        for structure, scope, asked, kept, macs in cells
    )


def test_a_panel_for_parameters_and_one_for_macs_per_model(structures):
    figure = figures.structures(structures)
    assert len(figure.axes) == 4
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == ["A", "B"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    masks = ["unstructured, by layer", "unstructured, over the whole model", "2:4"]
    assert labels == [*masks, "structured", "torch-pruning, ratio of channels", "dense"]
    assert figure.axes[2].get_xlabel() == "Share of live parameters left (log scale)"
    assert figure.axes[3].get_xlabel() == "Share of multiply-adds (log scale)"
    live = {x for line in figure.axes[0].lines for x in line.get_xdata()}
    assert {0.488, 0.26} <= {round(x, 6) for x in live}


def test_a_structure_looks_alike_whatever_else_a_page_has(structures):
    def looks(table):
        return {line.get_label(): line.get_color() for line in figures.structures(table).legends[0].legend_handles}

    every = looks(structures)
    fewer = looks(structures[(structures["structure"] != "2:4") & (structures["scope"] != "global")][::-1])
    assert len(fewer) < len(every) and fewer.items() <= every.items()


def test_the_table_has_what_is_left_and_leaves_the_papers_protocol_to_its_own(structures):
    html = tables.structures(structures).to_html()
    for word in ("2:4", "structured", "0.5", "49.8", "48.8", "60.0", "55.0", "1.15"):
        assert word in html, word
    assert "unstructured" not in html and "27.0" not in html


def test_asked_and_achieved_of_both_stand_in_one_row_and_a_broken_model_says_why(structures):
    broken = (structures["method"] == "depgraph_paper") & (structures["model"] == "B")
    structures.loc[broken, ["density_all", "macs_share", "mse", "mse_relative"]] = float("nan")
    structures.loc[broken, ["status", "reason"]] = "broken", "torch-pruning breaks B"
    html = tables.targets(structures).to_html()
    for word in ("49.8", "27.0", "55.0", "30.0", "broken", "torch-pruning breaks B"):
        assert word in html, word
    text = words.structures(structures, pd.DataFrame({"status": [], "method": []})).replace("\u00a0", " ")
    assert text == (
        "Asked to leave 50 % of the parameters, structured pruning ends at most 0.2 percentage points off; "
        "torch-pruning, asked for the same share of channels, leaves 27 % for 50 %, and breaks **B**."
    )
    assert (
        words.structures(
            structures[structures["structure"] != "structured"], pd.DataFrame(columns=["status", "method"])
        )
        == ""
    )


def test_what_has_not_run_is_no_reason_and_a_mean_of_fewer_seeds_says_so(structures):
    waiting = (structures["structure"] == "structured") & (structures["model"] == "B") & (structures["seed"] == 2)
    structures.loc[waiting, ["density_all", "macs_share", "mse", "mse_relative"]] = float("nan")
    structures.loc[waiting, ["status", "reason"]] = "not run", "has not run yet"
    html = tables.targets(structures).to_html().replace("\u00a0", " ")
    assert "49.8 % (1 of 2)" in html and "27.0 % (1 of 2)" in html and "has not run yet" not in html
    dense = structures[(structures["model"] == "A") | (structures["density_asked"] == 1)]
    assert len(figures.structures(dense).axes) == 2, "of B the dense model alone has run"


@pytest.fixture
def latency() -> pd.DataFrame:
    variants = (
        ("dense", "unstructured", 1.0, 1.0, 1.0),
        ("magnitude", "unstructured", 0.1, 0.99, 0.9),
        ("magnitude", "2:4", 0.5, 1.02, 0.95),
        ("structured", "structured", 0.1, 2.0, 1.6),
    )
    return pd.DataFrame(
        {
            "model": model,
            "pred_len": 96,
            "method": method,
            "structure": structure,
            "density_asked": asked,
            "macs_share": asked,
            "batch": batch,
            "threads": 1,
            "device": "cpu",
            "repeats": 20,
            "median_ms": 4.0,
            "speedup": speed if model == "A" else 1.1 * speed,
            "speedup_p5": low if model == "A" else 0.5,
            "speedup_p95": speed + 0.3,
            "load": "2 cores, nothing else running",
            "trouble": None,
            "status": "ok",
            "reason": None,
        }
        for model in ("A", "B")
        for batch in (1, 32)
        for method, structure, asked, speed, low in variants
    )


def test_speedups_have_their_spread_and_what_was_not_timed_its_reason(latency, structures):
    html = as_read(tables.latency(latency).to_html())
    for word in ("zeros in place, 0.1", "2:4 (masked)", "structured, 0.1", "2.00 (1.60–2.30)", "4.00"):
        assert word in html, word
    assert "1 thread, 2 cores, nothing else running," in html
    lost = pd.DataFrame({"model": ["C", "D"], "pred_len": 96, "status": "failed", "reason": "needs C, which failed"})
    table = tables.latency(pd.concat([latency, lost]))
    assert table.caption.endswith("Not timed: C and D (needs C, which failed).")
    with pytest.raises(UserError, match="nothing was timed"):
        tables.latency(latency.assign(status="failed", reason="no"))
    text = words.structures(structures, latency).replace("\u00a0", " ")
    assert "at batch 32, zeros in dense matrices (masks, 2:4) give 1.0 to 1.1 times the dense speed" in text
    assert "narrowed to 10 % of the parameters 2.0 to 2.2 times (faster in 95 % of the rounds: **A**)" in text


def test_what_could_not_be_measured_is_not_spoken_of(latency, structures):
    trouble = "not measurable here: a speedup of 0.9 to 18 after 20 rounds"
    noisy = latency.assign(trouble=[trouble if speed == 2.0 else None for speed in latency["speedup"]])
    text = words.structures(structures, noisy).replace("\u00a0", " ")
    assert "narrowed to 10 % of the parameters 2.2 times (none faster beyond the spread)" in text
    assert tables.latency(noisy).to_html().count("not measurable") == 2
    text = words.structures(structures, latency.assign(trouble=trouble))
    assert text.endswith(f"The gain in time is {trouble}.") and "Measured" not in text


def test_nothing_to_show_is_a_clear_line(structures):
    with pytest.raises(UserError, match="none of the 28 pruned cells finished"):
        figures.structures(structures.assign(status="failed"))
    with pytest.raises(UserError, match="no cell but unstructured"):
        tables.structures(structures[structures["structure"] == "unstructured"])
    with pytest.raises(UserError, match="no cell was narrowed"):
        tables.targets(structures[structures["structure"] == "2:4"])
    with pytest.raises(UserError, match="macs_share"):
        figures.structures(structures.drop(columns="macs_share"))
