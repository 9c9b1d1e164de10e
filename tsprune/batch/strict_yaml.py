"""YAML as parameters need it: a number is what it looks like, a name appears once, and every problem is one line.

YAML 1.1, which PyYAML reads, takes ``1e-3`` for a word, ``010`` for eight, ``1:30`` for ninety and the second of two
equal names without a word. The first is a number here and the others are refused, not read another way: plain
papermill reads the same files by the rules of 1.1, and no file may mean two things.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from tsprune.errors import UserError
from tsprune.shown import plain

MOST_VALUES = 10_000
"""Values in one text, aliases written out. A grid has dozens; ten short lines of aliases can stand for billions."""

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")

_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_WITH_EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+")

_LONGEST = 100
"""Digits of a number; Python itself converts a few thousand and then gives up."""


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML that would be read as something else than it looks."""


class _Loader(yaml.SafeLoader):
    # Without dates: a name that looks like one stays a name.
    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def get_single_node(self) -> yaml.Node | None:
        """The text's nodes, once it is known how many values they stand for."""
        root = super().get_single_node()
        left, waiting = MOST_VALUES, [] if root is None else [root]
        while waiting:
            node, left = waiting.pop(), left - 1
            if left < 0:
                raise _RefusedError(None, None, f"expands to more than {MOST_VALUES} values", root.start_mark)
            if isinstance(node, yaml.SequenceNode):
                waiting += node.value
            elif isinstance(node, yaml.MappingNode):
                waiting += [value for _, value in node.value]
        return root

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _RefusedError(None, None, "expected 'name: value', where the name is a word", key.start_mark)
            if key.value in seen:
                raise _RefusedError(None, None, f"'{key.value}' appears twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return super().construct_yaml_int(_plain(node, _WHOLE))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return super().construct_yaml_float(_plain(node, _DECIMAL))


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _WITH_EXPONENT, list("-+0123456789."))
# PyYAML calls what is registered, not what is overridden.
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def _plain(node: yaml.ScalarNode, pattern: re.Pattern) -> yaml.ScalarNode:
    if not pattern.fullmatch(node.value) or len(node.value) > _LONGEST:
        text = node.value if len(node.value) <= _LONGEST else f"{node.value[:20]}..."
        what = f"{text} is not a plain number; write it in decimal, or in quotes if it is a word"
        raise _RefusedError(None, None, what, node.start_mark)
    return node


def parse_yaml(text: str, where: str) -> Any:
    """The value that ``text`` says. Raises :class:`UserError`, one line that starts with ``where``."""
    try:
        return yaml.load(text, _Loader)
    except _RefusedError as error:
        raise UserError(f"{where}: line {error.problem_mark.line + 1}: {error.problem}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if mark is not None and "'\\t' that cannot start" in (error.problem or ""):
            raise UserError(f"{where}: line {mark.line + 1}: a tab, where YAML allows only spaces") from None
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{where}: not valid YAML: brackets nested too deeply to read") from None


def parse_typed(text: str, where: str) -> Any:
    """As :func:`parse_yaml`, of a value that is typed, in which nobody means a comment: of a path with " #" in it, all
    from there on would be left out."""
    value = parse_yaml(text, where)
    ended = (yaml.BlockEndToken, yaml.StreamEndToken)  # both lie behind a comment
    end = max(token.end_mark.index for token in yaml.scan(text) if not isinstance(token, ended))
    if dropped := text[end:].strip():
        raise UserError(
            f"{where}: '{plain(dropped, 300)}' would be a comment of YAML and left out; quote the value once more: "
            "-p \"name='a #1'\""
        )
    return value


def read_parameters(path: Path) -> dict[str, Any]:
    """The ``name: value`` lines of a file in UTF-8; none where it holds only comments.

    Raises :class:`UserError`, one line that starts with ``path``.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    values = parse_yaml(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected 'name: value' lines")
    return values
