from html.parser import HTMLParser
from pathlib import Path

import pytest

from tsprune.report.info import ReportInfo
from tsprune.report.links import BEGIN, END, cells_linked, linked, links_of


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name == "href"]


def info(name, title):
    return ReportInfo(html=Path(f"/x/{name}.html"), title=title, headline="", thumbnail=None, status="ok")


REPORTS = [info("01_a", "A <b>?"), info("02_b", "B"), info("03_c", "C")]


@pytest.mark.parametrize(
    ("place", "there"),
    [
        (0, ["index.html", "02_b.html"]),
        (1, ["index.html", "01_a.html", "03_c.html"]),
        (2, ["index.html", "02_b.html"]),
    ],
)
def test_a_page_leads_to_the_index_and_to_those_neighbours_that_exist(place, there):
    assert Links(links_of(REPORTS, place)).found == there
    assert "<b>" not in links_of(REPORTS, place)


def test_links_take_the_place_of_those_before_and_nothing_else_changes():
    page = f"<main>{BEGIN}{END}text {BEGIN}mine{END}</main>"
    once = linked(page, links_of(REPORTS, 0))
    assert once == f"<main>{BEGIN}{links_of(REPORTS, 0)}{END}text {BEGIN}mine{END}</main>"
    assert linked(once, links_of(REPORTS, 1)) == f"<main>{BEGIN}{links_of(REPORTS, 1)}{END}text {BEGIN}mine{END}</main>"
    assert linked("a page of before", "links") == "a page of before"


def test_a_cell_that_names_a_page_leads_there_as_long_as_it_is_there():
    page = '<td id="t" class="data">02_b</td><td>02_b is</td><p>02_b</p><td>04_d</td>'
    once = cells_linked(page, REPORTS)
    assert once == page.replace(">02_b</td>", '><a class="named" href="02_b.html">02_b</a></td>')
    others = [info("02_b", "B"), info("04_d", "D")]
    wide = cells_linked(once, REPORTS, others)
    assert Links(wide).found == ["02_b.html", "../x/02_b.html", "../x/04_d.html"]
    assert cells_linked(wide, REPORTS, others) == wide and cells_linked(wide, REPORTS) == once
    assert cells_linked(once, REPORTS) == once and cells_linked(once, REPORTS[:1]) == page
