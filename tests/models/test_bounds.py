"""Sizes beyond any forecaster's are refused in a line, at once, before a number is allocated."""

import time

import pytest
import torch

from tests.models.small import small_config
from tsprune.errors import UserError
from tsprune.models import create_model, list_models
from tsprune.models.base import model_class

HUGE = {
    "seq_len": 10**8,
    "label_len": 10**8,
    "pred_len": 10**8,
    "d_model": 2**70,
    "n_heads": 2**70,
    "d_ff": 10**9,
    "e_layers": 10**7,
    "d_layers": 10**6,
    "factor": 2**2000,
    "moving_avg": 10**9 + 1,
    "enc_in": 10**9,
    "dec_in": 10**9,
    "c_out": 2**70,
}
OWN = [
    ("FEDformer", {"modes": 2**70}),
    ("FEDformer", {"mode_seed": 2**64}),
    ("Informer", {"sample_seed": -(2**63) - 1}),
    ("PatchTST", {"patch_len": 2**70}),
    ("PatchTST", {"stride": 2**70}),
    ("Crossformer", {"seg_len": 2**70}),
    ("Crossformer", {"win_size": 2**70}),
    ("TCN", {"kernel_size": 2**70}),
    ("SeasonalNaive", {"season": 2**70}),
    ("Nonstationary_Transformer", {"p_hidden_dims": (4, 2**70)}),
    ("Nonstationary_Transformer", {"p_hidden_layers": 2**70}),
]


def refused(name, settings):
    """The lines, said at once and before anything is built."""
    started = time.perf_counter()
    with pytest.raises(UserError) as error:
        create_model(name, **small_config(name, **settings))
    assert time.perf_counter() - started < 0.5
    return str(error.value).splitlines()


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("field", HUGE)
def test_a_shared_setting_of_absurd_size_is_named(name, field):
    (line,) = refused(name, {field: HUGE[field]})
    assert line.startswith(f"{name}: {field} = {str(HUGE[field])[:60]}")  # of a longer one the ends are shown
    assert ": input should be less than or equal to" in line


@pytest.mark.parametrize(("name", "settings"), OWN)
def test_a_setting_of_a_models_own_of_absurd_size_is_named(name, settings):
    (line,) = refused(name, settings)
    assert next(iter(settings)) in line and "input should be" in line


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("Transformer", {"seq_len": 20_000}, "seq_len (20000) squared: a table of 4.0e+08 numbers, at most 2.7e+08"),
        ("Autoformer", {"pred_len": 20_000}, "label_len + pred_len (20012) squared: a table of"),
        ("Informer", {"seq_len": 10**6}, "seq_len (1000000) squared"),
        ("FEDformer", {"seq_len": 10**6}, "seq_len (1000000) squared"),
        ("Nonstationary_Transformer", {"pred_len": 10**6}, "label_len + pred_len (1000012) squared"),
        ("DLinear", {"seq_len": 20_000}, "seq_len (20000) squared"),
        ("DLinear", {"pred_len": 10**6, "seq_len": 1000, "enc_in": 9, "c_out": 9, "individual": True}, "for each map"),
        ("PatchTST", {"seq_len": 10**6, "stride": 1, "d_model": 300}, "patches of patch_len 16, d_model 300: a table"),
        ("PatchTST", {"seq_len": 10**6, "stride": 1, "patch_len": 5 * 10**5}, "patches of patch_len 500000"),
        ("Crossformer", {"seq_len": 10**6, "seg_len": 1, "d_model": 512}, "1000000 segments of d_model 512: a table"),
        ("Crossformer", {"seq_len": 10**6, "factor": 10_000, "d_model": 512}, "positions and routers of the segments"),
        ("Crossformer", {"win_size": 10**6, "d_model": 512}, "merging of win_size 1000000 segments"),
        ("TCN", {"kernel_size": 10_000, "d_model": 4096}, "2 convolutions of kernel_size 10000: 3.4e+11 weights"),
        ("TCN", {"pred_len": 10**6, "d_model": 512, "c_out": 100, "enc_in": 100}, "d_model times pred_len times c_out"),
        (
            "LSTM",
            {"pred_len": 10**6, "d_model": 512, "c_out": 100, "enc_in": 100},
            "d_model times pred_len times c_out",
        ),
        ("iTransformer", {"seq_len": 10**6, "d_model": 2**14}, "d_model times seq_len + pred_len: 1.6e+10 weights"),
        (
            "iTransformer",
            {"e_layers": 256, "d_model": 2**12, "d_ff": 2**16},
            "257 layers (e_layers, d_layers) of d_model",
        ),
    ],
)
def test_settings_that_are_too_much_together_are_named(name, settings, words):
    (line,) = refused(name, settings)
    assert line.startswith(f"{name}: ") and words in line


@pytest.mark.parametrize("name", list_models())
def test_the_largest_models_of_the_papers_are_far_below(name):
    with torch.device("meta"):
        create_model(name, d_model=2048, n_heads=16, d_ff=8192, e_layers=12, seq_len=720, pred_len=720)


def test_a_bound_changes_no_config():
    config = model_class("FEDformer").Config()
    assert (config.seq_len, config.d_model, config.modes, config.mode_seed) == (96, 512, 32, 0)
    assert model_class("FEDformer").Config.parse(config.model_dump()) == config
