"""BTAD (beanTech): ``<category>/{train/ok, test/ok, test/ko, ground_truth/ko}``."""

from __future__ import annotations

from pathlib import Path

from bench.manifest import Manifest

from .mvtec import read_tree, tree_reason


def matches(root: Path) -> str | None:
    """Return why the folder is such a tree, or None."""
    return tree_reason(root, "ok")


def read(root: Path) -> Manifest:
    """List the tree; a mask has the stem of its image, whatever the two extensions are."""
    return read_tree(root, "btad", "ok")
