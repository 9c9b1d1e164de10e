"""What is said of data, in the words of a command line: parameters as its options."""

import ast
import re
import shlex

from tsprune.data.checks import KEEPS_CODES
from tsprune.data.column_names import as_text

_GIVEN = re.compile(r"(?<![\w'-])(date_column|date_order|encoding|time_step)(?: = |=)(?=')")
_NAMED = re.compile(r"(?:(?<=with )|(?<=the )|(?<=another )|(?<=unknown ))(date_column|date_order|time_step)\b(?!['.])")
_CHOSEN = re.compile(r"(?<=others with )(columns)")
_LISTED = re.compile(r"\bcolumns(?: = |=)(\[.*\])")


def in_options(text: str, keeping: str = KEEPS_CODES) -> str:
    """A message about data, its parameters named as the options of a command; ``keeping`` replaces KEEPS_CODES."""

    def option(found: re.Match, behind: str = "") -> str:
        return f"--{found[found.lastindex].replace('_', '-')}{behind}"

    def named(found: re.Match) -> str:
        return f"--columns {shlex.quote(as_text(ast.literal_eval(found[1])))}"

    text = _CHOSEN.sub(option, _LISTED.sub(named, text))
    text = text.replace(KEEPS_CODES, keeping).replace("missing: interpolate", "--missing interpolate")
    return _NAMED.sub(option, _GIVEN.sub(lambda found: option(found, " "), text))
