"""A small factory that renders blasted metal coupling links, with defects, true masks and traps."""

from .factory import dataset_key, render_dataset
from .parameters import PROFILES, Parameters, resolve

__all__ = ["PROFILES", "Parameters", "dataset_key", "render_dataset", "resolve"]
