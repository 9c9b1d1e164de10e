"""Linear layers with few weights, and moving averages, on a CPU: how weights lie, the kernel in C, what calls it."""

from tsprune.deploy.kernels.average import Average
from tsprune.deploy.kernels.compiled import DENSE, Choice, best, load, paths
from tsprune.deploy.kernels.packed import ACTIVATIONS, Packed
from tsprune.deploy.kernels.product import Product, Products

__all__ = ["ACTIVATIONS", "DENSE", "Average", "Choice", "Packed", "Product", "Products", "best", "load", "paths"]
