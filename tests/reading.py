"""What a reader sees of verdicts and tables; every verdict begins with one sentence that can be repeated."""

import re
from html.parser import HTMLParser

from pandas.io.formats.style import Styler

from tsprune.report.text import headline

WORDS = 35
"""A first sentence has at most so many words, counted by whitespace."""


def first_sentence(verdict: str) -> str:
    """The first paragraph of ``verdict`` as a reader sees it, once it is one short sentence with a full stop."""
    paragraph = verdict.split("\n\n")[0]
    plain = paragraph.replace("*", "")
    assert headline(verdict) == plain, "one sentence, without signs that an index would lose"
    assert plain.endswith(".") and not plain.endswith(".."), plain
    assert len(plain.split()) <= WORDS, (len(plain.split()), plain)
    assert plain.startswith("On "), "it names the data"
    assert "  " not in plain and " ," not in plain and " ." not in plain and "nan" not in plain.lower(), plain
    return plain.replace("\u00a0", " ").replace("\u2212", "-")


def details(verdict: str) -> str:
    """Everything after the first sentence, with plain spaces and minus signs."""
    return verdict.split("\n\n", 1)[1].replace("\u00a0", " ").replace("\u2212", "-")


def as_read(text: str) -> str:
    """``text`` with plain spaces, without the joiners that hold a number on one line."""
    return text.replace("\u00a0", " ").replace("\u2060", "")


class _Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.classes, self.open = [], {}, False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open, self.kind = True, dict(attrs).get("class", "")

    def handle_endtag(self, tag):
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data
            self.classes[as_read(data)] = self.kind


def read(styler: Styler) -> tuple[list[list[str]], dict[str, str]]:
    """Rows of a table as a reader sees them, and the CSS class of each text."""
    parser = _Cells()
    parser.feed(styler.to_html())
    rows = [[re.sub(r"\s+", " ", as_read(cell)).strip() for cell in row] for row in parser.rows]
    return rows, parser.classes
