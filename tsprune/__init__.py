"""tsprune: how far can a Transformer forecaster be pruned, what does it cost, and what does it really gain?"""

__version__ = "0.1.0"
