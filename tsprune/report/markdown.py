"""Markdown cells as HTML: headings with anchors, tables that scroll, formulas."""

import base64
import re
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import tostring

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


def data_uri(mime: str, data: bytes) -> str:
    """A file as an address that holds all of it."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


class MarkdownFilter:
    """The template's Markdown filter; remembers the headings it met, for the contents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.headings: list[dict[str, Any]] = []

    def __call__(self, source: str, attachments: dict[str, Any] | None = None) -> Markup:
        """A Markdown cell, which its author wrote: HTML in it is HTML."""
        return self._render(source, attachments, escape=False)

    def output(self, source: str) -> Markup:
        """What a code cell put out: it may speak with names out of somebody's data, so HTML in it is text."""
        return self._render(source, None, escape=True)

    def _render(self, source: str, attachments: dict[str, Any] | None, escape: bool) -> Markup:
        renderer = _Renderer(self.headings, self.folder, attachments, escape)
        return Markup(MarkdownWithMath(renderer=renderer).render(source))


class _Renderer(IPythonRenderer):
    def __init__(
        self, headings: list[dict[str, Any]], folder: Path, attachments: dict[str, Any] | None, escape: bool
    ) -> None:
        super().__init__(escape=escape, embed_images=True, path=str(folder), attachments=attachments)
        self.headings = headings

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        plain = re.sub(r"<[^>]*>", "", text)
        slug = re.sub(r"[^a-z0-9]+", "-", unescape(plain).lower()).strip("-") or "section"
        taken = {heading["id"] for heading in self.headings}
        anchor = next(name for name in (slug, *(f"{slug}-{n}" for n in range(2, 999))) if name not in taken)
        self.headings.append({"text": Markup(plain), "level": level, "id": anchor})
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def table(self, text: str) -> str:
        return f'<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>{text}</table></div>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """A link that a page may hold; of one with another scheme (``javascript:``) only the text is left."""
        if re.match(r"(https?:|mailto:|#|[\w./-]*$)", url.strip(), re.IGNORECASE):
            return super().link(text, url, title)
        return text

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if re.match(r"(https?:)?//", url):
            return f'<a href="{escape(url)}">picture elsewhere: {escape(text or url)}</a>'
        return super().image(text, url, title)

    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return f'<span class="display">{formula(body, display="block")}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return f'<code class="math">{escape(body.strip())}</code>'


_LOOKS = {"display", "xmlns", "alttext", "stretchy", "fence", "separator", "form", "lspace", "rspace", "minsize"}
_LOOKS |= {"maxsize", "mathvariant", "linethickness", "columnalign", "width", "height", "depth", "movablelimits"}
_LOOKS |= {"accent", "largeop", "symmetric", "displaystyle", "scriptlevel", "columnlines", "rowlines", "rowspacing"}
"""Attributes of MathML that a page may hold: none that leads elsewhere or restyles the page."""


def formula(tex: str, display: str = "inline") -> str:
    """``tex`` as MathML, which browsers draw and read out themselves, ``display`` being ``inline`` or ``block``.

    What latex2mathml cannot read, or holds a macro that it does not know, stands as source. What formulas are made of
    may come out of somebody's data: text stays text, and of the attributes only those of looks are kept.
    """
    source = f'<code class="math">{escape(tex.strip())}</code>'
    try:
        tree = convert_to_element(tex.strip(), display=display)
    except Exception:  # a dozen kinds, without a common one: whatever it is, the source is shown
        return source
    tree.set("alttext", tex.strip())
    for element in tree.iter():
        element.text = unescape(element.text or "")  # the library writes signs as entities, and escapes nothing else
        for name in set(element.attrib) - _LOOKS:
            del element.attrib[name]
        if re.match(r"\\[A-Za-z]", element.text):
            return source
    return tostring(tree, encoding="unicode")
