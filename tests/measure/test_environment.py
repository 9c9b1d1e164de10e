"""A stamp that says where and with what."""

import tsprune
from tsprune.measure import environment, versions


def test_stamp():
    stamp = environment()
    assert stamp["torch"].startswith("2.13.0")
    assert stamp["tsprune"] == tsprune.__version__
    assert stamp["processor"]
    assert stamp["date"].endswith("UTC")
    assert set(versions()) <= set(stamp)
