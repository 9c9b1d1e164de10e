"""One executed notebook to one HTML file that opens anywhere: offline, on a phone, on paper, without scripts."""

import base64
import os
import re
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.ansi import ansi2html, strip_ansi
from nbformat import NotebookNode
from PIL import Image
from traitlets.config import Config

from tsprune.errors import UserError
from tsprune.parameters import parameters_of_run, tags, without_plumbing
from tsprune.places import project_root
from tsprune.report.glossary import glossary
from tsprune.report.info import ReportInfo
from tsprune.report.links import BEGIN, END
from tsprune.report.markdown import MarkdownFilter, data_uri
from tsprune.report.parts import is_report, only_text, parts, split_verdict, texts
from tsprune.report.status import reported
from tsprune.report.text import describe_parameters, headline, plain_text
from tsprune.whole import aside

TEMPLATES = Path(__file__).parent / "templates"

THUMBNAIL = 480
"""Width of a thumbnail in pixels; it is at most three quarters as high."""

LONG = 12
"""Printed text of more lines than this is folded."""


def render_notebook(ipynb_path: str | Path, html_path: str | Path) -> ReportInfo:
    """Render an executed notebook, whole or broken off, to one HTML file that asks no host for anything.

    Code is folded, contents come from the Markdown headings, figures are embedded, formulas are MathML; one that cannot
    be read stands as its TeX source. Where a cell has the tag ``verdict``, every heading of the second level is folded
    to itself and a sentence. Of a notebook that failed the failing cell and its error stand on top and nothing is
    folded. A browser is told (Content-Security-Policy) to load nothing from elsewhere, so that a picture
    linked from another host in a cell's own HTML stays empty rather than asked for. Cells tagged ``explore`` are for
    whoever works in the notebook, and are left out.

    Raises UserError for a file that is missing or is not a notebook. The folder of ``html_path`` is made, and the page
    is there whole or not at all.
    """
    ipynb_path, html_path = Path(ipynb_path), Path(html_path)
    notebook = read_notebook(ipynb_path)
    info = _info(notebook, ipynb_path, html_path)
    resources = {
        "info": info,
        "summary": describe_parameters(info.parameters),
        "failing": _failing(notebook),
        "metadata": {"path": str(ipynb_path.parent)},
    }
    _prepare(notebook)
    body, _ = _exporter(ipynb_path.parent).from_notebook_node(notebook, resources)
    for folder, shown in ((project_root(), ""), (Path(os.path.expanduser("~")), "~/")):
        if len(folder.parts) > 1:  # a page that is shared tells nobody the folders of its maker
            for quote in (False, True):  # some of what makes up a page writes quotes as HTML, some does not
                body = body.replace(escape(f"{folder}/", quote), shown)
    html_path.parent.mkdir(parents=True, exist_ok=True)
    with aside(html_path) as temporary:
        temporary.write_text(body, encoding="utf-8")
    return info


def _prepare(notebook: NotebookNode) -> None:
    """Leave out the cells that no page shows, number those of code, and shorten paths to the names of their files."""
    notebook.cells = [cell for cell in notebook.cells if not _is_papermills_note(cell) and "explore" not in tags(cell)]
    number = 0
    for cell in notebook.cells:
        number += cell.cell_type == "code"
        cell.metadata["number"] = number
        if "injected-parameters" in tags(cell):
            cell.source = re.sub(r'"/(\\.|[^"\\\n])*/(?=(\\.|[^"\\\n/])+")', '"…/', cell.source)


def _exporter(folder: Path) -> HTMLExporter:
    """nbconvert's, with the template, filters and globals of our pages; ``folder``: where their pictures are."""
    markdown = MarkdownFilter(folder)
    exporter = HTMLExporter(
        template_name="tsprune",
        extra_template_basedirs=[str(TEMPLATES)],
        config=Config({"CoalesceStreamsPreprocessor": {"enabled": True}}),
        filters={
            "tsprune_markdown": markdown,
            "tsprune_output": markdown.output,
            "printed": printed,
            "long": is_long,
            "parts": parts,
            "is_report": is_report,
            "split_verdict": split_verdict,
            "glossary": glossary,
            "only_text": only_text,
            "only_texts": texts,
        },
    )
    script = (TEMPLATES / "tsprune" / "toggle.js").read_text()
    exporter.environment.globals |= {
        # Not a resource: the exporter copies those before it renders, and this list grows while it does.
        "headings": markdown.headings,
        "links_begin": Markup(BEGIN),
        "links_end": Markup(END),
        # The only script that a browser may run, named by its checksum: nothing that came in with data is ever run.
        "script": Markup(script),
        "script_hash": base64.b64encode(sha256(script.encode()).digest()).decode(),
    }
    return exporter


def read_info(ipynb_path: str | Path, html_path: str | Path) -> ReportInfo:
    """What render_notebook returns, without rendering: for the index entry of a report that exists already."""
    return _info(read_notebook(Path(ipynb_path)), Path(ipynb_path), Path(html_path))


def read_notebook(path: Path) -> NotebookNode:
    """A notebook in the current format. Raises UserError, one line, for a file that is missing or no notebook."""
    if not path.is_file():
        raise UserError(f"notebook '{path}' does not exist")
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, KeyError, ValueError) as error:
        raise UserError(f"'{path}' is not a Jupyter notebook: {str(error).splitlines()[0]}") from error


def _info(notebook: NotebookNode, ipynb_path: Path, html_path: Path) -> ReportInfo:
    failing = _failing(notebook)
    run = notebook.metadata.get("papermill", {})
    verdicts = _outputs(notebook, "verdict", "text/markdown")
    pictures = _outputs(notebook, "figure", "image/png")
    ended = run.get("end_time")
    date = datetime.fromisoformat(ended) if ended else datetime.fromtimestamp(ipynb_path.stat().st_mtime, UTC)
    return ReportInfo(
        html=html_path,
        title=_first_heading(notebook) or ipynb_path.stem.replace("_", " "),
        headline=headline(verdicts[0]) if verdicts else "",
        thumbnail=_thumbnail(pictures[0]) if pictures else None,
        status="failed" if failing else "ok",
        parameters=without_plumbing(parameters_of_run(notebook)),
        date=date if date.tzinfo else date.replace(tzinfo=UTC),
        seconds=run.get("duration"),
        unfinished=reported(notebook.cells, "failures"),
        not_run=reported(notebook.cells, "not_run"),
        size=_size(verdicts[0]) if verdicts else (),
        failed_cell=failing["number"] if failing else None,
        error=failing["line"] if failing else None,
    )


def _is_papermills_note(cell: NotebookNode) -> bool:
    """papermill marks a failure with Markdown cells of its own; ours says more."""
    return "papermill-error-cell-tag" in tags(cell)


def _outputs(notebook: NotebookNode, tag: str, mime: str) -> list[str]:
    outputs = [output for cell in notebook.cells if tag in tags(cell) for output in cell.get("outputs", [])]
    return [output["data"][mime] for output in outputs if mime in output.get("data", {})]


def _size(verdict: str) -> tuple[str, ...]:
    _, *size = split_verdict(verdict)[0].split("\n\n")
    return tuple(plain_text(line) for paragraph in size for line in re.split(r" {2,}\n", paragraph))


def _first_heading(notebook: NotebookNode) -> str | None:
    for cell in notebook.cells:
        found = re.search(r"^#\s+(.+?)\s*#*$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if found and not _is_papermills_note(cell):
            return re.sub(r"[*`]", "", found[1])
    return None


def _failing(notebook: NotebookNode) -> dict[str, Any] | None:
    """The first cell that raised, or that papermill left unfinished because the kernel died; None if all went well."""
    number = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number += 1
        errors = [output for output in cell.outputs if output.output_type == "error"]
        died = cell.metadata.get("papermill", {}).get("status") in ("failed", "running")
        if "raises-exception" in tags(cell) or not (errors or died):
            continue
        place = {"number": number, "source": cell.source}
        if not errors:
            return place | {"line": "the kernel stopped without an error message", "trace": ""}
        name, value = errors[0].ename, strip_ansi(errors[0].evalue).strip()
        return place | {"line": f"{name}: {value}" if value else name, "trace": "\n".join(errors[0].traceback)}
    return None


def _thumbnail(png: str) -> str:
    """A PNG in base64 as data URI, THUMBNAIL pixels wide, of a tall one the top; 128 colours do for a figure."""
    with Image.open(BytesIO(base64.b64decode(png))) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    height = max(1, round(flat.height * THUMBNAIL / flat.width))
    small = flat.resize((THUMBNAIL, height), Image.Resampling.LANCZOS)
    small = small.crop((0, 0, THUMBNAIL, min(height, THUMBNAIL * 3 // 4))).quantize(128, Image.Quantize.MAXCOVERAGE)
    buffer = BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())


_PROGRESS = re.compile(r"^.*\d+%\|.*(it/s|s/it|\?it|\]).*$")


def printed(text: str) -> Markup:
    """Printed text as HTML without progress bars: of a line rewritten in place, only the last state is kept."""
    lines = [line.rsplit("\r", 1)[-1] for line in text.rstrip().replace("\r\n", "\n").split("\n")]
    return Markup(ansi2html("\n".join(line for line in lines if not _PROGRESS.match(strip_ansi(line)))).strip("\n"))


def is_long(text: str) -> bool:
    """Whether printed text is to be folded."""
    return text.count("\n") >= LONG
