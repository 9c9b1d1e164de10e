"""What the claims page says about the claims of another page, to show on that page."""

from tsprune.study.claims.cells import shipped
from tsprune.study.claims.words import at_papers_size


def beside(page: str) -> str:
    """What holds at the papers' size of the claims that ``page`` (a notebook's name) is the evidence for, by the rows
    that ship with the project; Markdown, empty where nothing can be said."""
    return at_papers_size(shipped(page), page)
