"""What the fields of a class mean, read from the docstrings below them, for a reader who asks at run time."""

import ast
import inspect
import textwrap
from functools import lru_cache
from itertools import pairwise


def meanings(of: type) -> dict[str, str]:
    """The docstring below each annotated field of ``of`` and of its bases, in one line, without the marks of code, by
    name; fields of bases first.

    A class that was not read from a file has none.
    """
    return {name: text for cls in reversed(of.__mro__[:-1]) for name, text in _own(cls).items()}


@lru_cache  # the bases are those of every study
def _own(cls: type) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError):  # typed into a session, or built in
        return found
    for field, below in pairwise(tree.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split()).replace("``", "")
    return found
