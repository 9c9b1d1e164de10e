"""Every registered model gives the reference's numbers; a new model is tested the moment it is registered."""

import json
import warnings

import pytest
import torch

from tests.models import golden
from tsprune.models import create_model, list_models, load_reference_state, pin_randomness
from tsprune.models.base import INPUTS
from tsprune.models.reference import from_reference

CASES = [case for case in golden.model_cases() if case["model"] in list_models()]
COUNTS = json.loads((golden.FOLDER / "param_counts.json").read_text())
FLOAT32 = 1e-5
FLOAT64 = 1e-8


def build(case):
    tensors, meta = golden.load(case["file"])
    model = create_model(case["model"], **case["config"], **case["constructor_kwargs"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FEDformer: .* weights left out, as the model never uses them")
        load_reference_state(model, golden.part(tensors, "weight"))
    samples, modes = golden.part(tensors, "random/index_sample"), golden.part(tensors, "random/modes")
    if samples:
        pin_randomness(model, index_samples=[samples[str(i)] for i in range(len(samples))])
    if modes:
        pin_randomness(model, modes={name: chosen.tolist() for name, chosen in modes.items()})
    return model, tensors, meta


def inputs(tensors, dtype):
    return [tensors[f"input/{name}"].to(dtype) for name in INPUTS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"].removesuffix(".safetensors"))
@pytest.mark.parametrize(("dtype", "suffix", "atol"), [(torch.float32, "", FLOAT32), (torch.float64, "64", FLOAT64)])
def test_outputs_in_evaluation_and_training(case, dtype, suffix, atol):
    model, tensors, _ = build(case)
    model.to(dtype)
    with torch.no_grad():
        torch.testing.assert_close(
            model.eval()(*inputs(tensors, dtype)), tensors[f"output/y{suffix}"], atol=atol, rtol=0
        )
        trained = model.train()(*inputs(tensors, dtype))
    torch.testing.assert_close(trained, tensors[f"output/y_train{suffix}"], atol=atol, rtol=0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"].removesuffix(".safetensors"))
def test_gradients(case):
    model, tensors, _ = build(case)
    output = model.train()(*inputs(tensors, torch.float32))
    torch.nn.functional.mse_loss(output, tensors["input/target"]).backward()
    # The layout changes are permutations, so they carry gradients as they carry weights.
    expected, unknown, _ = from_reference(model, golden.part(tensors, "grad"))
    parameters = dict(model.named_parameters())
    assert expected and not unknown
    for name, gradient in expected.items():
        torch.testing.assert_close(
            parameters[name].grad, gradient, atol=FLOAT32, rtol=0, msg=lambda m, n=name: f"{n}: {m}"
        )


PUBLISHED = {"FEDformer": {"unused_projections": True}}
"""Settings that give a model the parameters it was published with."""


def count(name, **config):
    with torch.device("meta"):
        return sum(p.numel() for p in create_model(name, **config).parameters())


def reference_config(name):
    shared = {key: value for key, value in COUNTS["config"].items() if not isinstance(value, dict)}
    return shared | COUNTS["config"].get(name, {}) | PUBLISHED.get(name, {})


@pytest.mark.parametrize("name", sorted(set(COUNTS["models"]) & set(list_models())))
def test_parameter_counts(name):
    for variables, horizons in COUNTS["models"][name].items():
        for pred_len, expected in horizons.items():
            channels = dict.fromkeys(("enc_in", "dec_in", "c_out"), int(variables))
            config = reference_config(name) | channels | {"pred_len": int(pred_len)}
            assert count(name, **config) == expected["parameters"], (variables, pred_len)


@pytest.mark.parametrize("name", sorted(set(COUNTS["extra"]["freq_t_five_time_features"]) & set(list_models())))
def test_parameter_counts_with_five_time_features(name):
    expected = COUNTS["extra"]["freq_t_five_time_features"][name]["7"]["96"]["parameters"]
    assert count(name, **reference_config(name) | {"freq": "t", "pred_len": 96}) == expected


EXTRA = {
    "Crossformer_factor_1": ("Crossformer", {"factor": 1}),
    "Crossformer_factor_10": ("Crossformer", {"factor": 10}),
    "FEDformer_modes_64": ("FEDformer", {"modes": 64}),
    "Informer_distil_false": ("Informer", {"distil": False}),
}


@pytest.mark.parametrize("case", EXTRA)
def test_parameter_counts_of_variants(case):
    name, options = EXTRA[case]
    for variables, horizons in COUNTS["extra"][case].items():
        for pred_len, expected in horizons.items():
            channels = dict.fromkeys(("enc_in", "dec_in", "c_out"), int(variables))
            config = reference_config(name) | channels | {"pred_len": int(pred_len)} | options
            assert count(name, **config) == expected["parameters"], (variables, pred_len)


def test_every_model_of_the_reference_is_here():
    assert {case["model"] for case in golden.model_cases()} == set(COUNTS["models"]) <= set(list_models())
