import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from tsprune.errors import UserError
from tsprune.report.index import write_index
from tsprune.report.info import ReportInfo


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.sources = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k == "href"]
        self.sources += [v for k, v in attrs if k == "src"]


@pytest.fixture
def infos(tmp_path):
    good = ReportInfo(
        html=tmp_path / "quick" / "01_sweep.html",
        title="How far <can> it go?",
        headline="A holds to density 0.41.",
        thumbnail="data:image/png;base64,AAAA",
        status="ok",
        parameters={"dataset": "ETTh1", "seeds": [1, 2]},
        date=datetime(2024, 5, 6, 7, 8, tzinfo=UTC),
        seconds=83.4,
        size=("Models of d_model 8.",),
    )
    bad = ReportInfo(
        html=tmp_path / "elsewhere" / "02_tune.html",
        title="Fine-tuning",
        headline="",
        thumbnail=None,
        status="failed",
        failed_cell=4,
        error="UserError: unknown model 'X'",
    )
    return [good, bad]


def test_every_report_is_listed_with_its_answer(tmp_path, infos):
    path = write_index(tmp_path / "quick", infos)
    assert path == tmp_path / "quick" / "index.html"
    text = path.read_text(encoding="utf-8")
    for part in (
        "How far &lt;can&gt; it go?",
        "A holds to density 0.41.",
        "dataset ETTh1 · seeds 1, 2",
        "06 May 2024, 07:08 UTC",
        "ran 1 min 23 s",
        "✓ every result is there",
        "Models of d_model 8.",
        "2 reports of the run “quick”",
        "1 failed",
        "in code cell 4: UserError: unknown model",
    ):
        assert part in text
    assert text.index("How far") < text.index("Fine-tuning")


def test_points_that_follow_an_answer_stand_one_to_a_line(tmp_path, infos):
    listed = replace(infos[0], size=("In short:", "• A <b> falls.", "• C • D rises."))
    text = write_index(tmp_path / "quick", [listed]).read_text(encoding="utf-8")
    assert "In short:<br>• A &lt;b&gt; falls.<br>• C • D rises.</p>" in text


def test_links_are_relative_and_nothing_is_fetched(tmp_path, infos):
    page = Page(write_index(tmp_path / "quick", infos).read_text(encoding="utf-8"))
    assert set(page.links) == {"01_sweep.html", "../elsewhere/02_tune.html"}
    assert page.sources == ["data:image/png;base64,AAAA"]


def test_an_index_of_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match="no report to list"):
        write_index(tmp_path, [])
    assert not (tmp_path / "index.html").exists()


def test_a_report_with_cells_that_failed_is_not_called_whole(tmp_path, infos):
    text = write_index(tmp_path / "quick", [replace(infos[0], unfinished=3)]).read_text(encoding="utf-8")
    assert "✗ 3 without a result" in text and "every result is there" not in text


def test_a_report_of_which_a_part_has_not_run_is_neither_whole_nor_bad(tmp_path, infos):
    text = write_index(tmp_path / "quick", [replace(infos[0], not_run=40)]).read_text(encoding="utf-8")
    assert "40 cells not run yet" in text and "every result is there" not in text and "✗" not in text


def test_the_report_that_was_kept_beside_is_a_click_away(tmp_path, infos):
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "01_sweep.previous.html").touch()
    page = Page(write_index(tmp_path / "aside", infos, at=tmp_path / "quick").read_text(encoding="utf-8"))
    assert set(page.links) == {"01_sweep.html", "01_sweep.previous.html", "../elsewhere/02_tune.html"}


def test_the_index_explains_the_words_of_its_lines(tmp_path, infos):
    text = write_index(tmp_path / "quick", infos).read_text(encoding="utf-8")
    assert re.findall(r"<dt>(.*?)</dt>", text) == ["density", "d_model", "fine-tuning"]
