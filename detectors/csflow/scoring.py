"""From latents to numbers: one score an image, one small map an image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

IMAGE_SCORES = ("mean", "max", "top1")
SCORES = ("latent", "nll")
ANOMALY_MAPS = ("finest", "product")


def anomaly_maps(latents: Sequence[Tensor], kind: str = "finest") -> Tensor:
    """Return maps at the size of scale 0, shape (N, h_0, w_0).

    ``finest``: mean over the channels of z^2 at scale 0 (the reference; the other scales are not used).
    ``product``: the product over the scales of such means, each brought to the size of scale 0 (anomalib).
    """
    energies = [z.square().mean(dim=1, keepdim=True) for z in latents]  # (N, 1, h_j, w_j)
    if kind == "finest":
        return energies[0][:, 0]
    size = energies[0].shape[2:]
    resized = [functional.interpolate(e, size=size, mode="bilinear", align_corners=False) for e in energies]
    return torch.stack(resized).prod(dim=0)[:, 0]


def image_scores(
    latents: Sequence[Tensor], log_det: Tensor, image_score: str = "mean", score: str = "latent"
) -> Tensor:
    """Return one score an image, float64, shape (N,); higher = more anomalous.

    Parameters
    ----------
    latents
        One tensor a scale, shape (N, C, h_j, w_j).
    log_det
        Shape (N, n_scales).
    image_score
        ``mean``: of z^2 / 2 over all latent values of all scales (the reference). ``max``: the largest value at
        scale 0 of half the mean over channels of z^2. ``top1``: the mean of the largest hundredth of these, at least
        one.
    score
        ``latent``: as above; the determinant is left out, so it is no likelihood (the reference). ``nll``: minus
        log_det / D, with ``mean`` the negative log-likelihood per dimension without its constant.
    """
    values = torch.cat([z.double().flatten(1) for z in latents], dim=1).square() / 2  # (N, D)
    if image_score == "mean":
        result = values.mean(dim=1)
        return result - log_det.double().sum(dim=1) / values.shape[1] if score == "nll" else result
    local = anomaly_maps([latents[0].double()]).flatten(1) / 2  # (N, h_0 w_0)
    n_largest = 1 if image_score == "max" else math.ceil(0.01 * local.shape[1])
    return local.topk(n_largest, dim=1).values.mean(dim=1)
