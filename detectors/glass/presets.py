"""Ready-made settings: the published ones, and two for machines and days that are smaller."""

from __future__ import annotations

from collections.abc import Mapping

PRESETS: Mapping[str, Mapping[str, object]] = {
    # The defaults of the class: 288 pixels, WideResNet-50-2, 1536 dimensions, 640 epochs of 400 images.
    "paper": {},
    # Minutes on a CPU.
    "small": {
        "imagesize": 160, "backbone": "resnet18.tv_in1k", "layers": ("layer1", "layer2"), "weights": "random",
        "pre_dim": 256, "target_dim": 256, "dsc_hidden": 256, "noise_std": 0.0367, "lr": 1e-3, "batch_size": 8,
        "meta_epochs": 12, "limit": 192, "eval_epochs": 4,
    },
    # Seconds on one thread.
    "tiny": {
        "imagesize": 64, "backbone": "resnet18.tv_in1k", "layers": ("layer1", "layer2"), "weights": "random",
        "pre_dim": 96, "target_dim": 96, "dsc_hidden": 96, "noise_std": 0.06, "lr": 1e-3, "batch_size": 8,
        "meta_epochs": 6, "limit": 88, "eval_epochs": 3,
    },
}  # fmt: skip
"""Under ``small`` and ``tiny`` noise_std keeps the norm of the noise at 0.588 (0.015 times the root of 1536), inside
the manifold hypothesis' range [0.5, 1.0] that was chosen for it."""
