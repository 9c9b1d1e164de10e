"""Linear layers with few weights on a CPU: how their weights lie, the kernel in C, and what calls it."""

from tsprune.deploy.kernels.compiled import DENSE, Choice, best, load, paths
from tsprune.deploy.kernels.packed import ACTIVATIONS, Packed
from tsprune.deploy.kernels.product import Product, Products

__all__ = ["ACTIVATIONS", "DENSE", "Choice", "Packed", "Product", "Products", "best", "load", "paths"]
