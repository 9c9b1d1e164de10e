import pytest
import torch

from tests.models.small import example, small_model


@pytest.mark.parametrize("name", ["LSTM", "TCN", "iTransformer", "PatchTST", "Nonstationary_Transformer"])
def test_level_and_scale_of_the_window_pass_through(name):
    """Models that standardise a window forecast a shifted and scaled series shifted and scaled."""
    torch.manual_seed(0)
    model = small_model(name).eval().double()
    x, *rest = example(model, dtype=torch.float64)
    if name == "Nonstationary_Transformer":  # tau and delta see level and scale on purpose
        for projector in (model.tau, model.delta):
            projector.backbone[-1].weight.data.zero_()
    torch.testing.assert_close(model(3 * x + 7, *rest), 3 * model(x, *rest) + 7, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["LSTM", "TCN"])
@pytest.mark.parametrize("seq_len", [5, 24, 96])
def test_the_oldest_value_reaches_the_forecast(name, seq_len):
    torch.manual_seed(0)
    model = small_model(name, seq_len=seq_len, label_len=0).eval().double()
    x, marks, *rest = example(model, dtype=torch.float64)
    marks.requires_grad_()  # values reach the forecast through their mean anyway
    model(x, marks, *rest).sum().backward()
    assert marks.grad[:, 0].abs().max() > 0


def test_depth_of_the_tcn_follows_the_look_back():
    assert [len(small_model("TCN", seq_len=n, label_len=0).blocks) for n in (1, 5, 6, 96, 336)] == [1, 1, 2, 5, 7]
