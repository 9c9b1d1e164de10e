"""The parts of a page: what its reader sees at once, and behind every further heading a part that opens on a click."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape

from nbformat import NotebookNode

from tsprune.parameters import tags
from tsprune.report.text import headline


@dataclass
class Part:
    """Cells from one heading of the second level to the next; ``heading`` is None for those before the first."""

    heading: NotebookNode | None
    cells: list[NotebookNode] = field(default_factory=list)

    @property
    def said(self) -> str:
        """The result of the part in plain text, to show beside its heading: the first sentence of its output; otherwise
        the first sentence of its prose; otherwise the title of its first table or figure. Empty where it has none of
        these."""
        shown = [data for cell in self.cells for data in _shown(cell)]
        first = shown[0] if shown else {}
        if "text/markdown" in first:
            return headline(first["text/markdown"])
        prose = headline(_below(self.heading.source)) if self.heading else ""
        return prose or headline(_called(first))


def parts(cells: Sequence[NotebookNode]) -> list[Part]:
    """``cells`` cut before every Markdown cell that begins with a heading of the second level."""
    found = [Part(None)]
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append(Part(cell))
        else:
            found[-1].cells.append(cell)
    return found


def is_report(cells: Sequence[NotebookNode]) -> bool:
    """Whether the cells answer a question (tag ``verdict``), so that the rest may be folded."""
    return any("verdict" in tags(cell) for cell in cells)


def split_verdict(text: str) -> tuple[str, str]:
    """A verdict's answer, with the size of the run where that follows (see :func:`tsprune.report.text.sized`), and the
    rest of it."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    count = 2 if len(paragraphs) > 1 and is_size(paragraphs[1]) else 1
    return "\n\n".join(paragraphs[:count]), "\n\n".join(paragraphs[count:])


def is_size(paragraph: str) -> bool:
    """Whether a paragraph is all in italics, as the size of a run is."""
    return re.fullmatch(r"\*[^*].*[^*]\*", paragraph.strip(), re.DOTALL) is not None


_RICH = ("text/markdown", "text/html", "image/png", "image/jpeg", "image/svg+xml", "text/latex")


def only_text(output: NotebookNode) -> bool:
    """Whether an output is an object's plain text alone, as the line of a study's result."""
    data = output.get("data", {})
    return "text/plain" in data and not any(mime in data for mime in _RICH)


def texts(outputs: Sequence[NotebookNode]) -> str:
    """What those of ``outputs`` say that are :func:`only_text`, a line each."""
    return "\n".join(output["data"]["text/plain"] for output in outputs if only_text(output))


def _shown(cell: NotebookNode) -> list[dict]:
    """What a cell puts out for readers, with the words for a picture."""
    outputs = cell.get("outputs", ())
    return [dict(o["data"], alt=_alt(o)) for o in outputs if any(mime in o.get("data", {}) for mime in _RICH)]


def _alt(output: NotebookNode) -> str:
    return next((about["alt"] for about in output.get("metadata", {}).values() if "alt" in about), "")


def _below(source: str) -> str:
    """The prose of a Markdown cell without the heading it begins with."""
    return source.partition("\n")[2].strip()


def _called(data: dict) -> str:
    caption = re.search(r"<caption>(.*?)</caption>", data.get("text/html", ""), re.DOTALL)
    return unescape(caption[1]) if caption else data.get("alt", "")
