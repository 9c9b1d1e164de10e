"""Markdown cells as HTML: headings with anchors, tables that scroll, formulas."""

import base64
import re
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


def data_uri(mime: str, data: bytes) -> str:
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
        shown = formula(body.replace(r"\frac", r"\dfrac"), alt=body)
        return f'<span class="display">{shown}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return f'<code class="math">{escape(body.strip())}</code>'


def formula(tex: str, alt: str | None = None) -> str:
    """``tex`` drawn as an embedded picture on the text's baseline, ``alt`` or the source as alternative text.

    What mathtext does not know (environments, macros) stands as source.
    """
    text, size = f"${' '.join(tex.split())}$", 12
    font = FontProperties(size=size, math_fontfamily="stix")
    try:
        width, height, depth, _, _ = MathTextParser("path").parse(text, dpi=72, prop=font)
    except ValueError:
        return f'<code class="math">{escape(tex.strip())}</code>'
    figure = Figure(figsize=(width / 72, height / 72))
    figure.text(0, depth / height, text, fontproperties=font)
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    look = f"width:{width / size:.2f}em;height:{height / size:.2f}em;vertical-align:{-depth / size:.2f}em"
    source = data_uri("image/svg+xml", buffer.getvalue())
    return f'<img class="math" style="{look}" alt="{escape((alt or tex).strip())}" src="{source}">'
