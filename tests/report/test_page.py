import base64
import errno
import hashlib
import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tsprune.errors import UserError
from tsprune.report.drawing import canvas
from tsprune.report.markdown import formula
from tsprune.report.page import THUMBNAIL, is_long, printed, read_info, render_notebook
from tsprune.report.status import STATUS_MIME
from tsprune.report.tables import styled
from tsprune.report.text import literal


def png(width=960, height=400):
    buffer = BytesIO()
    Image.new("RGB", (width, height), "steelblue").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shown(mime, data, **metadata):
    return new_output("display_data", data={mime: data, "text/plain": "<object>"}, metadata=metadata)


def code(source, *outputs, tags=(), **metadata):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags), **metadata})


FAILURE = new_output(
    "error", ename="UserError", evalue="unknown model 'X'", traceback=["\x1b[31mUserError\x1b[0m: unknown <model> 'X'"]
)


@pytest.fixture
def cells():
    """A whole small report: prose, formulas, parameters, messages, verdict, figure, table."""
    return [
        new_markdown_cell(
            "# How *far*?\n\nKept: $d = 0.8^i$, and $\\begin{x}$ is beyond any reader.\n\n$$\\frac{1}{N}$$"
        ),
        code('dataset = "ETTh1"  # a name\nseeds: list = [1, 2]\nepochs = -1', tags=["parameters"]),
        code("seeds = [3]\n", tags=["injected-parameters"]),
        code(
            "fit()", new_output("stream", name="stderr", text="  0%|   | 0/3\r 50%|#  | 2/3 [00:01, 1.2it/s]\nbeware\n")
        ),
        code("verdict()", shown("text/markdown", "**A** holds to 0.41. Not **B**."), tags=["verdict"]),
        code("figure()", shown("image/png", png(), **{"image/png": {"alt": "A & B", "width": 480}}), tags=["figure"]),
        new_markdown_cell("## Errors\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n### Detail & more\n\n## Errors"),
        code("table()", shown("text/html", "<table><tr><td>0.449</td></tr></table>")),
        code("other()", shown("image/png", png(30, 30))),
        code("print()", new_output("stream", name="stdout", text="\n".join(f"line {i}" for i in range(40)))),
    ]


@pytest.fixture
def render(tmp_path):
    def build(cells, metadata=None):
        notebook = new_notebook(cells=cells, metadata=metadata or {})
        nbformat.write(notebook, tmp_path / "01_sweep.ipynb")
        info = render_notebook(tmp_path / "01_sweep.ipynb", tmp_path / "out" / "01_sweep.html")
        return info, (tmp_path / "out" / "01_sweep.html").read_text(encoding="utf-8")

    return build


class Page(HTMLParser):
    """What a browser would ask for, the ids, the headings, and how deep every element is folded."""

    def __init__(self, text):
        super().__init__()
        self.requests, self.ids, self.links, self.headings, self.images, self.tags = [], [], [], [], [], []
        self.feed(text)
        self.requests += re.findall(r"url\(([^)]*)\)|@import\s+([^;]+)", re.sub(r"base64,[\w+/=]*", "", text))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append((tag, values))
        self.requests += [v for k, v in attrs if k in ("src", "srcset", "data", "poster", "action")]
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif "href" in values:
            self.requests.append(values["href"])
        if "id" in values:
            self.ids.append(values["id"])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.images.append(values)


def test_it_asks_no_host_for_anything(render, cells):
    cells.append(new_markdown_cell("![a plot](https://example.org/p.png) [a link](https://example.org)"))
    page = Page(render(cells)[1])
    assert page.images
    assert [r for r in page.requests if not r.startswith("data:")] == []
    policy = next(v["content"] for tag, v in page.tags if tag == "meta" and "http-equiv" in v)
    assert "default-src 'none'" in policy and "img-src data:" in policy


def test_contents_lead_to_every_section(render, cells):
    text = render(cells)[1]
    page = Page(text)
    assert [link for link in page.links if link.startswith("#")][1:] == ["#errors", "#detail-more", "#errors-2"]
    assert {"errors", "detail-more", "errors-2"} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(later - sooner <= 1 for sooner, later in zip(page.headings, page.headings[1:], strict=False))
    assert '<a href="#detail-more">Detail &amp; more</a>' in text


def test_code_is_folded_with_a_switch_for_all(render, cells):
    page = Page(render(cells)[1])
    folded = [v for tag, v in page.tags if tag == "details" and v.get("class") == "source"]
    assert len(folded) == 8
    assert not any("open" in v for v in folded)
    switch = next(v for tag, v in page.tags if tag == "button")
    assert switch["aria-pressed"] == "false"
    assert "hidden" in switch, "without scripts there is no switch that does nothing"
    assert ("html", {"lang": "en"}) in page.tags
    assert any(v.get("name") == "viewport" for tag, v in page.tags if tag == "meta")


def test_pictures_are_embedded_with_words_for_those_who_cannot_see_them(render, cells):
    alts = [image["alt"] for image in Page(render(cells)[1]).images]
    assert alts == ["A & B", "Figure of Errors"]


def test_wide_things_scroll_in_a_box_of_their_own(render, cells):
    text = render(cells)[1]
    for table in re.finditer("<table", text):
        box = text[text.rindex("<div", 0, table.start()) : table.start()]
        assert "scroll" in box and 'tabindex="0"' in box and "</div" not in box


def test_progress_bars_and_long_prints_are_no_wall_of_text(render, cells):
    text = render(cells)[1]
    assert "it/s" not in text and "beware" in text
    assert "<summary>Messages (1 lines)</summary>" in text
    assert "<summary>Printed (40 lines)</summary>" in text


def test_size_is_small(render, cells):
    assert len(re.sub(r"base64,[\w+/=]*", "", render(cells)[1])) < 40_000


def test_it_needs_no_template_of_jupyters(render, cells, monkeypatch):
    """Where nbconvert lies outside this environment, as below one with system packages, Jupyter finds none of them."""
    page = render(cells)[1]
    monkeypatch.setattr("nbconvert.exporters.templateexporter.jupyter_path", lambda *_: [])
    assert render(cells)[1] == page


def test_info_says_what_an_index_needs(render, cells, tmp_path):
    run = {"papermill": {"end_time": "2024-05-06T07:08:09.123456+00:00", "duration": 83.4}}
    info, text = render(cells, run)
    assert (info.title, info.headline, info.status) == ("How far?", "A holds to 0.41.", "ok")
    assert info.parameters == {"dataset": "ETTh1", "seeds": [3], "epochs": -1}
    assert (info.failed_cell, info.error, info.seconds) == (None, None, 83.4)
    assert info.date.isoformat().startswith("2024-05-06T07:08:09")
    assert "06 May 2024, 07:08 UTC" in text and "ran 1 min 23 s" in text
    assert "dataset ETTh1 · seeds 3 · epochs -1" in text
    assert info.thumbnail.startswith("data:image/png;base64,")
    with Image.open(BytesIO(base64.b64decode(info.thumbnail.split(",")[1]))) as picture:
        assert picture.size == (THUMBNAIL, 200)
    assert read_info(tmp_path / "01_sweep.ipynb", info.html) == info


def test_parameters_that_are_no_literals_do_not_stop_a_report(render):
    assert render([code("a = 1 + len('x')\nb = 2", tags=["parameters"])])[0].parameters == {"a": "1 + len('x')", "b": 2}
    info, _ = render([code("a = ", FAILURE, tags=["parameters"])])
    assert (info.parameters, info.status) == ({}, "failed")


def test_a_tall_figure_gives_a_thumbnail_of_its_top(render):
    info, _ = render([code("f()", shown("image/png", png(400, 4000)), tags=["figure"])])
    with Image.open(BytesIO(base64.b64decode(info.thumbnail.split(",")[1]))) as picture:
        assert picture.size == (THUMBNAIL, THUMBNAIL * 3 // 4)


def test_a_notebook_that_failed_shows_the_failing_cell_on_top(render, cells):
    note = new_markdown_cell("An Exception was encountered", metadata={"tags": ["papermill-error-cell-tag"]})
    info, text = render([note, *cells[:4], code("build('X')", FAILURE), code("never()")])
    assert (info.status, info.failed_cell, info.error) == ("failed", 4, "UserError: unknown model 'X'")
    assert info.headline == "" and info.thumbnail is None
    box, rest = text.split("</section>", 1)
    assert "failed in code cell 4" in box and "unknown model" in box and "build" in box
    assert "unknown &lt;model&gt;" in box, "the traceback is there, escaped"
    assert text.index("failed in code cell 4") < text.index("<h1")
    assert 'href="#cell-4"' in box and 'id="cell-4"' in rest
    assert "An Exception was encountered" not in text
    assert [r for r in Page(text).requests if not r.startswith("data:")] == []


def test_a_kernel_that_died_without_an_error_is_a_failure_too(render):
    info, text = render([code("a()", papermill={"status": "completed"}), code("b()", papermill={"status": "running"})])
    assert (info.status, info.failed_cell) == ("failed", 2)
    assert "the kernel stopped" in info.error and "the kernel stopped" in text


def test_an_error_that_was_meant_is_none(render):
    assert render([code("x", FAILURE, tags=["raises-exception"])])[0].status == "ok"


def test_a_notebook_without_a_heading_gets_a_title(render):
    info, text = render([new_markdown_cell("only prose")])
    assert info.title == "01 sweep"
    assert "<h1>01 sweep</h1>" in text


def test_what_is_no_notebook_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"notebook '.*none\.ipynb' does not exist"):
        render_notebook(tmp_path / "none.ipynb", tmp_path / "x.html")
    for content in (b"not json", b"\x80\xfa no text"):
        (tmp_path / "bad.ipynb").write_bytes(content)
        with pytest.raises(UserError, match="is not a Jupyter notebook"):
            render_notebook(tmp_path / "bad.ipynb", tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_a_page_that_cannot_be_written_leaves_the_one_before(render, tmp_path, monkeypatch):
    render([new_markdown_cell("# One")])
    monkeypatch.setattr("os.replace", _full)
    with pytest.raises(OSError, match="No space left on device"):
        render([new_markdown_cell("# Two")])
    page = (tmp_path / "out" / "01_sweep.html").read_text(encoding="utf-8")
    assert "One" in page and "Two" not in page
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["01_sweep.html"]


def _full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_formulas_are_mathml_that_a_browser_draws_and_reads_out(render, cells):
    text = render(cells)[1]
    drawn = re.findall(r"<math .*?</math>", text)
    assert drawn[0] == (
        '<math alttext="d = 0.8^i" display="inline" xmlns="http://www.w3.org/1998/Math/MathML"><mrow><mi>d</mi>'
        "<mo>=</mo><msup><mn>0.8</mn><mi>i</mi></msup></mrow></math>"
    )
    assert 'display="block"' in drawn[1] and "<mfrac>" in drawn[1]
    assert '<code class="math">\\begin{x}</code>' in text, "what cannot be read stands as source"


@pytest.mark.parametrize("tex", [r"\unknown{x} < 1", r"\frac", "{", r"\left(", "", "x^2^3"])
def test_a_formula_that_cannot_be_read_stands_as_source(tex):
    assert formula(tex) == f'<code class="math">{html.escape(tex)}</code>'


@pytest.mark.parametrize(
    "tex",
    [
        r"\text{<img src=x onerror=alert(1)>}",
        r"\text{&lt;img src=x&gt;}",
        r"\href{javascript:alert(1)}{x}",
        r"\class{\"><script>}{x}",
        r"\style{position:fixed}{x}",
        "a<script>alert(1)</script>b",
    ],
)
def test_a_formula_holds_no_markup_but_its_own_and_leads_nowhere(tex):
    page = Page(formula(tex))
    assert {tag for tag, _ in page.tags} <= {"math", "mrow", "mi", "mo", "mn", "mtext"}
    names = {name for _, attributes in page.tags for name in attributes}
    assert names <= {"xmlns", "display", "alttext", "stretchy"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\rb\rc\n", "c"),
        ("done 100%|####| 3/3 [00:01<00:00, 2.1it/s]\nkept\n", "kept"),
        ("a <b>\n", "a &lt;b&gt;"),
        ("40% of the weights\n", "40% of the weights"),
        ("", ""),
    ],
)
def test_printed(text, left):
    assert printed(text) == left


def test_is_long():
    assert is_long("\n" * 12) and not is_long("\n" * 11)


def test_a_kernel_shows_a_figure_once_crisp_and_described(render):
    source = (
        "import pandas as pd\nfrom tsprune.report import style\n"
        "from tsprune.study.pruning_sweep import figures\nstyle()\n"
        "row = dict(dataset='D', model='M', pred_len=9, seed=1, scope='layer', density_asked=1.0, density=1.0,"
        " mse=1.0, mse_relative=1.0, status='ok')\n"
        "cells = pd.DataFrame([row, row | dict(density_asked=0.5, density=0.5)])\n"
        "figures.sweep(cells, pd.DataFrame([dict(pred_len=9, model='RepeatLast', mse=2.0)]))"
    )
    notebook = new_notebook(cells=[code(source, tags=["figure"])])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = [output for output in notebook.cells[0].outputs if output.output_type != "stream"]
    assert len(outputs) == 1
    about = outputs[0].metadata["image/png"]
    assert about["alt"].startswith("Line chart of MSE relative to the dense model")
    with Image.open(BytesIO(base64.b64decode(outputs[0].data["image/png"]))) as picture:
        assert picture.width // 2 == about["width"]
    info, text = render(notebook.cells)
    assert info.thumbnail and Page(text).images[0]["alt"] == about["alt"]


def test_a_notebook_loads_nothing_that_makes_pages():
    code = (
        "import sys, tsprune.report, tsprune.study; sys.exit('nbconvert' in sys.modules or 'papermill' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_nothing_that_comes_with_data_runs_in_the_page(render):
    """What a cell puts out as Markdown shows markup as text; the one script is the page's own, told by its sum."""
    names = "<img src=x onerror=alert(1)> [a](javascript:alert(2)) <script>alert(3)</script>"
    page = render([code("1", shown("text/markdown", f"On {names}, it is so."), tags=["verdict"])])[1]
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "unsafe-inline'; script-src" in page
    assert "<img src=x" not in page and 'href="javascript' not in page and "alert(3)" not in script


def test_a_page_tells_nobody_the_folders_of_its_maker(render):
    given = f'dataset = "/somewhere/else/load.csv"\nstore = "{Path.home()}/outputs/store"'
    page = render([code(given, tags=["injected-parameters"])])[1]
    assert "load.csv" in page and "/somewhere/else" not in page and f"{Path.home()}/" not in page


def test_nor_folders_with_signs_that_html_or_python_writes_in_other_ways(render, monkeypatch):
    monkeypatch.setenv("HOME", "/home/o'brien & co")
    given = 'dataset = "/data of \\"quince\\" & \\\\co/load.csv"  # in "these/units"\nstore = "/x/a\\"b"'
    printed = new_output("stream", text="/home/o'brien & co/x.csv\n")
    page = html.unescape(render([code(given, tags=["injected-parameters"]), code("1", printed)])[1])
    assert "load.csv" in page and "~/x.csv" in page and "these/units" in page
    assert "quince" not in page and "brien" not in page


VERDICT = "**A** holds to 0.41. Not **B**.\n\n*Models of d_model 8.*\n\nOn D, *A* ends at 0.3.\n\n- and B at 0.8."


def folded(text, kind):
    """What stands in each ``details`` of a class: its summary, and what is hidden."""
    found = re.findall(rf'<details class="{kind}"[^>]*><summary>(.*?)</summary>(.*?)</details>', text, re.S)
    return [(re.sub(r"<[^>]*>", " ", summary).split(), rest) for summary, rest in found]


def test_a_verdict_shows_its_answer_and_the_size_of_the_run_and_folds_the_rest(render):
    info, text = render([code("1", shown("text/markdown", VERDICT), tags=["verdict"])])
    ((summary, rest),) = folded(text, "rest")
    assert " ".join(summary) == "The answer in numbers"
    assert "ends at 0.3" in rest and "and B at 0.8" in rest and "d_model 8" not in rest
    assert (info.headline, info.size) == ("A holds to 0.41.", ("Models of d_model 8.",))


def test_what_holds_at_the_papers_size_shows_its_first_sentence_and_folds_the_claims(render):
    said = "At the papers' size, of 2 claims 1 holds.\n\n- one: **holds**\n- another"
    _, text = render([code("1", shown("text/markdown", said), tags=["papers-size"])])
    ((summary, rest),) = folded(text, "rest")
    assert " ".join(summary) == "Each of these claims" and "another" in rest and "2 claims" not in rest
    _, text = render([code("1", shown("text/markdown", "At the papers' size: one."), tags=["papers-size"])])
    assert folded(text, "rest") == []


def test_every_part_of_a_report_is_folded_to_its_heading_and_a_sentence(render):
    said = [
        (shown("text/markdown", "It is **so**. And more."), "It is so."),
        (shown("image/png", png(), **{"image/png": {"alt": "Lines. Many."}}), "Prose of it."),
    ]
    cells = [code("v", shown("text/markdown", VERDICT), tags=["verdict"])]
    for i, (output, _) in enumerate(said):
        cells += [new_markdown_cell(f"## Part {i}\n\nProse of it. More prose."), code("x", output)]
    cells += [
        new_markdown_cell("## Bare"),
        code("x", shown("text/html", "<table><caption>A &lt; b. C.</caption></table>")),
    ]
    cells += [new_markdown_cell("## Empty"), code("x = 1")]
    text = render(cells)[1]
    summaries = re.findall(r'<details class="part"><summary><h2 id="[^"]*">(.*?)</h2>(.*?)</summary>', text)
    assert summaries == [
        ("Part 0", '<p class="said">It is so.</p>'),
        ("Part 1", '<p class="said">Prose of it.</p>'),
        ("Bare", '<p class="said">A &lt; b.</p>'),
        ("Empty", ""),
    ]
    assert text.count("<details") == text.count("</details>")


def test_nothing_is_folded_of_a_notebook_that_answers_nothing_or_that_failed(render):
    plain = [new_markdown_cell("## Part\n\nProse."), code("x", shown("text/markdown", "It."))]
    assert 'class="part"' not in render(plain)[1]
    verdict = code("v", shown("text/markdown", VERDICT), tags=["verdict"])
    assert '<details class="part" open="">' in render([verdict, *plain, code("build('X')", FAILURE)])[1]


def test_the_log_of_the_run_stands_in_the_head_of_the_page(render):
    log = new_output("stream", name="stdout", text="one\ntwo\n")
    status = new_output(
        "execute_result", data={"text/plain": "3 cells", STATUS_MIME: {"cells": 3, "failures": 2, "not_run": 40}}
    )
    verdict = code("v", shown("text/markdown", VERDICT), tags=["verdict"])
    info, text = render([code("run()", log, status, tags=["run"]), verdict])
    head, body = text.split("</header>", 1)
    assert "Log of the run (2 lines)" in head and "3 cells" in head and "3 cells" not in body
    assert info.unfinished == 2 and "✗ 2 without a result" in head
    assert info.not_run == 40 and "<span>40 cells not run yet</span>" in head


def test_a_page_explains_the_words_that_it_uses_and_no_others(render):
    text = render([new_markdown_cell("# T\n\nThe density of d_model <!-- PALS -->.")])[1]
    words = re.findall(r"<dt>(.*?)</dt>", text)
    assert words == ["density", "d_model"]
    assert "share of the weights that is kept" in text
    assert "<dt>" not in render([new_markdown_cell("nothing of the field")])[1]


def test_names_of_columns_come_out_letter_by_letter_and_never_as_markup(render):
    name = "<b>$p_1$</b> & _q_ *r*"
    table = styled(pd.DataFrame({name: ["1"]}, index=[name]), f"Of {name}.").to_html()
    text = render([code("v", shown("text/markdown", f"On {literal(name)}, so."), tags=["verdict"])])[1]
    shown_as = html.escape(name, quote=False)
    assert table.count(shown_as) == 3 and "<b>" not in table
    assert f"On {shown_as}, so." in text and "<math" not in text
    with canvas(2, "x") as figure:
        figure.subplots().set_title(name)
        figure.canvas.draw()
    assert not figure.axes[0].title.get_parse_math()
