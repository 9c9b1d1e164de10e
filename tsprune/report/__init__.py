"""The kit that studies draw, tabulate and render with: it knows no study and computes no result.

What a notebook calls stands here; pages and their index (:mod:`tsprune.report.page`, :mod:`tsprune.report.index`) need
nbconvert, which a notebook's kernel should not have to load.
"""

from tsprune.report.failures import failures_table
from tsprune.report.missing import where_rows
from tsprune.report.style import style
from tsprune.report.tables import naive_table, protocol_table, published_table, units_table
from tsprune.report.text import banner, sized

__all__ = [
    "banner",
    "failures_table",
    "naive_table",
    "protocol_table",
    "published_table",
    "sized",
    "style",
    "units_table",
    "where_rows",
]
