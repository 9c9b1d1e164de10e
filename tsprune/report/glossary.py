"""The words of the field that the pages use, each in a sentence for a reader from outside."""

import re
from html import unescape

GLOSSARY = {
    "forecaster": (r"forecaster", "a model that reads the last values of some series and predicts the next ones."),
    "horizon": (r"horizons?", "how many time steps ahead is forecast; with hourly data 96 are four days."),
    "pruning": (r"prun\w+", "taking weights out of a trained network, to make it smaller or faster."),
    "weight": (r"weights?", "one of the numbers a network learns; together they are the model."),
    "density": (
        r"densit(y|ies)",
        "share of the weights that is kept: 0.1 keeps a tenth. Sparsity is the share removed.",
    ),
    "dense": (r"dense", "with all its weights: the model before pruning."),
    "mask": (
        r"mask(s|ed)?",
        "which weights are held at zero; the model keeps its shape and gets no faster.",
    ),
    "structured pruning": (
        r"structured|narrow\w*",
        "taking out whole rows and columns, so that the model really becomes narrower.",
    ),
    "2:4": (r"2:4", "two of every four neighbouring weights are zero, a pattern that some graphics cards can skip."),
    "magnitude": (r"magnitude", "choosing the weights to remove by size alone, the smallest first."),
    "score": (r"scores?", "how important a weight is taken to be; those with the lowest scores are removed."),
    "MSE": (
        r"MSE",
        "mean squared error of the forecasts; lower is better. On scaled data always forecasting the mean has about 1.",
    ),
    "MAE": (r"MAE", "mean absolute error: by how much a forecast is off on average."),
    "scaled data": (
        r"scaled",
        "each column minus its mean, over its standard deviation, so that columns of different units count alike.",
    ),
    "d_model": (r"d_model", "width of the model: how many numbers it holds per position. The papers use 512."),
    "DepGraph, torch-pruning": (
        r"DepGraph|torch-pruning",
        "the library that the first paper narrows models with; it finds by itself which widths depend on each other.",
    ),
    "multiply-adds": (
        r"multiply-adds",
        "multiplications, each with an addition, that a forecast takes: the usual measure of computing.",
    ),
    "latency": (r"latency", "time from asking for a forecast to having it, measured on this machine."),
    "batch": (r"batch(es)?", "how many forecasts are made at once."),
    "float32, bfloat16, int8 (8-bit)": (
        r"bfloat16|int8|8-bit",
        "numbers of 32, 16 or 8 bits: shorter ones are faster where the machine supports them, and less exact.",
    ),
    "eager PyTorch": (r"eager", "PyTorch as used by default, which starts one operator after the other."),
    "ONNX Runtime": (r"ONNX Runtime", "a program that runs exported models, without PyTorch."),
    "CUDA graph": (r"CUDA graphs?", "all operators of a forecast, recorded once and started together on a GPU."),
    "sparse kernel": (r"sparse kernel", "code that reads and multiplies only the weights that are not zero."),
    "epoch": (r"epochs?", "one pass through all the training data."),
    "fine-tuning": (r"fine-tun\w+|train(ed|ing) on", "training a pruned model a little longer."),
    "seed": (
        r"seeds?",
        "start of the random numbers. Another seed gives another model, so what differs between seeds is chance.",
    ),
    "interval": (
        r"95.%|interval",
        "range of a difference in 95 % of random draws from test data and seeds; where it holds zero, "
        "nothing is claimed.",
    ),
    "within the noise": (r"within the noise|beyond chance|noise", "a difference that may be chance alone."),
    "naive forecast": (
        r"naive|repeat(ing)? (the )?last",
        "a forecast without a model, such as repeating the last value or the last day; a model has to beat it.",
    ),
    "validation": (r"validation", "data kept apart from training and test, used to make choices."),
    "distilling": (r"distil\w*|teacher", "training a small model on the forecasts of a large one."),
    "PALS": (
        r"PALS",
        "a way to prune while training that finds by itself how many weights can go (arXiv 2305.18382).",
    ),
    "lambda, gamma": (
        r"lambda|gamma",
        "two settings of PALS: how much worse the loss may get, and its pace.",
    ),
    "ETTh1, ETTh2": (
        r"ETT[hm][12]",
        "load and oil temperature of a power transformer over two years; public.",
    ),
    "Exchange": (r"Exchange", "daily exchange rates of eight currencies; public."),
    "ILI": (r"ILI", "weekly counts of patients with influenza-like illness in the United States; public."),
    "ENTSO-E": (
        r"entsoe_hourly|ENTSO-E",
        "the hourly electricity load of European countries, in MW; public.",
    ),
    "synthetic": (r"synthetic\w*", "made-up series with daily and weekly patterns, for trying things out."),
}
"""Per word the pattern by which a page uses it, and what it means."""


def glossary(page: str) -> dict[str, str]:
    """The words of :data:`GLOSSARY` that the text of ``page``, HTML, uses, with what they mean."""
    text = unescape(re.sub(r"<(script|style|svg|math)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL))
    return {
        word: meaning
        for word, (pattern, meaning) in GLOSSARY.items()
        if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", text, re.IGNORECASE)
    }
