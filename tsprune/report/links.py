"""Links from a page to the index, to its neighbours and to pages that its tables name, written once it is known which
pages there are."""

import re
from collections.abc import Sequence

from markupsafe import escape

from tsprune.report.info import ReportInfo

BEGIN, END = "<!-- links -->", "<!-- end of links -->"
"""A page holds its links between these marks; a page that was made alone has none."""


def linked(page: str, links: str) -> str:
    """``page``, HTML, with ``links`` in the place of those it has; unchanged where it has no place for them."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}{links}{END}", page, count=1, flags=re.DOTALL)


def cells_linked(page: str, infos: Sequence[ReportInfo], others: Sequence[ReportInfo] = ()) -> str:
    """``page``, HTML, whose table cells that hold the name of one of ``infos`` and nothing else lead there; ``others``,
    of folders beside its own, follow under the names of these folders. Links of before that lead elsewhere go."""
    page = re.sub(r'<span class="others">.*?</span>', "", page)
    page = re.sub(r'<a class="named" href="[^"]*">(.*?)</a>', r"\1", page)
    own = {info.html.stem: info for info in infos}
    for name in dict.fromkeys(info.html.stem for info in (*infos, *others)):
        text = str(escape(name))
        shown = f'<a class="named" href="{escape(own[name].html.name)}">{text}</a>' if name in own else text
        beside = [
            f'<a href="../{escape(info.html.parent.name)}/{escape(info.html.name)}">{escape(info.html.parent.name)}</a>'
            for info in others
            if info.html.stem == name
        ]
        more = f'<span class="others">, {", ".join(beside)}</span>' if beside else ""
        cell = re.compile(rf"(<td[^>]*>){re.escape(text)}(</td>)")
        page = cell.sub(lambda found, link=shown + more: f"{found[1]}{link}{found[2]}", page)
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
