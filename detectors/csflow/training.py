"""Maximum-likelihood training of the flow on the features of nominal images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from protocols.errors import DetectorError

from .extractor import Shape, unflatten
from .flow import CrossScaleFlow, image_losses


@dataclass(frozen=True)
class TrainingSettings:
    """Optimiser and schedule; the defaults are the reference's.

    Adam with a constant learning rate and L2 penalty added to the gradient, global gradient norm clipped, no
    warm-up, no augmentation. ``meta_epochs`` of ``sub_epochs`` epochs, a checkpoint after each meta epoch.
    """

    batch_size: int = 16
    meta_epochs: int = 4
    sub_epochs: int = 60
    learning_rate: float = 2e-4
    weight_decay: float = 1e-5
    adam_eps: float = 1e-4
    max_grad_norm: float = 1.0


def train(
    flow: CrossScaleFlow,
    features: NDArray[np.float32],
    shapes: Sequence[Shape],
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    on_epoch: Callable[[int, float, int], None],
    on_checkpoint: Callable[[int], None],
) -> None:
    """Train a flow in place.

    Parameters
    ----------
    flow
        On its device.
    features
        Shape (n_images, D), rows in a fixed order.
    shapes
        Of the scales in a row.
    settings
        Optimiser and schedule.
    generator
        CPU generator that shuffles the images anew every epoch.
    on_epoch
        Called with (epochs done, loss: plain mean over batches, number of values that met the hard limit).
    on_checkpoint
        Called with the epochs done after every meta epoch but the last.

    Raises
    ------
    DetectorError
        The loss is not finite any more.
    """
    parameters = list(flow.parameters())
    device = parameters[0].device
    optimiser = torch.optim.Adam(
        parameters, lr=settings.learning_rate, eps=settings.adam_eps, weight_decay=settings.weight_decay, fused=True
    )
    rows = torch.from_numpy(features)
    n_epochs = settings.meta_epochs * settings.sub_epochs
    for epoch in range(1, n_epochs + 1):
        losses, n_limited = [], 0
        for chosen in torch.randperm(len(rows), generator=generator).split(settings.batch_size):
            optimiser.zero_grad()
            latents, log_det, limited = flow(unflatten(rows[chosen].to(device), shapes))
            loss = image_losses(latents, log_det).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
            optimiser.step()
            losses.append(loss.detach())
            n_limited += limited
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise DetectorError(f"csflow: the loss is {mean} in epoch {epoch}. Lower learning_rate.")
        on_epoch(epoch, mean, int(n_limited))
        if epoch % settings.sub_epochs == 0 and epoch < n_epochs:
            on_checkpoint(epoch)
