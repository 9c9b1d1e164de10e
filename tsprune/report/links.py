"""Links from a page to the index, to its neighbours and to pages that its tables name, written once it is known which
pages there are."""

import re
from collections.abc import Sequence

from markupsafe import escape

from tsprune.report.info import ReportInfo

BEGIN, END = "<!-- links -->", "<!-- end of links -->"
"""Between the first of these a page holds its links; a page that was made alone has none."""


def linked(page: str, links: str) -> str:
    """``page``, HTML, with ``links`` in the place of those it has; unchanged where it has no place for them."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}{links}{END}", page, count=1, flags=re.DOTALL)


def cells_linked(page: str, infos: Sequence[ReportInfo]) -> str:
    """``page``, HTML, whose table cells that hold the name of one of ``infos`` and nothing else lead there; those of
    before that lead elsewhere are text again."""
    page = re.sub(r'<a class="named" href="[^"]*">(.*?)</a>', r"\1", page)
    for info in infos:
        name, url = re.escape(str(escape(info.html.stem))), escape(info.html.name)
        page = re.sub(rf"(<td[^>]*>)({name})(</td>)", rf'\1<a class="named" href="{url}">\2</a>\3', page)
    return page


def links_of(infos: Sequence[ReportInfo], place: int) -> str:
    """To the index, to the page before and to the one after ``infos[place]``, all in one folder: HTML."""
    found = [("index.html", "", "All reports")]
    if place > 0:
        found.append((infos[place - 1].html.name, "‹ ", infos[place - 1].title))
    if place + 1 < len(infos):
        found.append((infos[place + 1].html.name, "› ", infos[place + 1].title))
    items = "".join(f'<a href="{escape(url)}">{sign}{escape(title)}</a>' for url, sign, title in found)
    return f'<nav class="reports" aria-label="Reports">{items}</nav>'
