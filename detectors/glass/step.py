"""One training step: nominal rows, global anomalies by gradient ascent, local anomalies by pasting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .losses import cross_entropy, focal_loss, hard_rows
from .networks import Adaptor, Discriminator
from .truncation import EPSILON, linear_quantile, truncate

PROJECT_EVERY = 5


@dataclass(frozen=True)
class StepOptions:
    """Constants of a step; the names are those of :class:`detectors.glass.GLASS`."""

    hypersphere: bool
    noise_std: float = 0.015
    ascent_steps: int = 20
    step_length: float = 0.001
    manifold_radius: float = 0.5
    radius: float = 0.75
    p: float = 0.5
    mining: bool = True


@dataclass(frozen=True)
class StepResult:
    """The loss to differentiate and what to log.

    ``clipped`` and ``local_clipped`` are the shares of rows that the truncated projection changed, of the global
    anomalies (mean over its applications) and of the local ones.
    """

    loss: Tensor
    values: Mapping[str, Tensor]


def ascend(
    discriminator: Discriminator,
    nominal: Tensor,
    start: Tensor,
    options: StepOptions,
    origin: Tensor,
    radius: float | Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Move global anomalies towards what the discriminator calls normal, then judge them and the nominal rows.

    In every pass nominal rows t and anomalies g share one batch, hence the batch-norm statistics. The nominal rows
    do not change from pass to pass: their first linear layer, half of the arithmetic, is computed once.

    Parameters
    ----------
    discriminator
        In train mode.
    nominal, start
        t and the anomalies g at the beginning, shape (n, dim).
    options
        Constants.
    origin, radius
        Of the truncated projection, after every fifth step.

    Returns
    -------
    nominal_probabilities, anomalous_probabilities
        Of the last pass, shape (n,), differentiable.
    clipped
        Mean share of rows that the projection changed.
    """
    moved = start
    n = len(nominal)
    first = discriminator.first(nominal)
    clipped: list[Tensor] = []
    for step in range(options.ascent_steps if options.mining else 0):
        logits = discriminator.after_first(torch.cat([first.detach(), discriminator.first(moved)]))
        loss = cross_entropy(logits[n:].sigmoid(), 1.0)
        (gradient,) = torch.autograd.grad(loss, [moved])
        direction = gradient / (gradient.norm(dim=1, keepdim=True) + EPSILON)
        moved = moved + options.step_length * direction  # a change of value: no gradient flows through the direction
        if (step + 1) % PROJECT_EVERY == 0:
            moved, share = truncate(moved, origin, radius)
            clipped.append(share)
    probabilities = discriminator.after_first(torch.cat([first, discriminator.first(moved)])).sigmoid()
    mean_clipped = torch.stack(clipped).mean() if clipped else first.new_zeros(())
    return probabilities[:n], probabilities[n:], mean_clipped


def training_step(
    adaptor: Adaptor,
    discriminator: Discriminator,
    embedded: Tensor,
    pasted: Tensor,
    labels: Tensor,
    centre: Tensor | None,
    options: StepOptions,
    generator: torch.Generator,
) -> StepResult:
    """Compute the loss of one batch, section 2.7 of the specification in its order.

    Parameters
    ----------
    adaptor, discriminator
        In train mode.
    embedded, pasted
        Embeddings E(x) and E(x_aug), shape (images, patches, dim).
    labels
        Of the pasted images' patches, bool, shape (images, patches).
    centre
        Mean adapted embedding per patch position, shape (patches, dim); needed under the hypersphere hypothesis.
    options
        Constants.
    generator
        Source of the noise, on the device of the tensors.
    """
    n_images = len(embedded)
    nominal = adaptor(embedded.flatten(0, 1))  # t, (N, dim)
    local = adaptor(pasted.flatten(0, 1))  # f, (N, dim)
    target = labels.flatten()  # (N,)
    noise = torch.randn(nominal.shape, generator=generator, device=nominal.device, dtype=nominal.dtype)
    start = nominal + options.noise_std * noise

    origin: Tensor = nominal
    radius: float | Tensor = options.manifold_radius
    if options.hypersphere:
        if centre is None:
            raise ValueError("the hypersphere hypothesis needs the centre")
        origin = centre.repeat(n_images, 1)
        normal = torch.cat([local[~target] - origin[~target], nominal - origin])
        radius = linear_quantile(normal.norm(dim=1), options.radius)

    p_nominal, p_global, clipped = ascend(discriminator, nominal, start, options, origin, radius)
    loss_nominal, loss_global = cross_entropy(p_nominal, 0.0), cross_entropy(p_global, 1.0)

    local_clipped = clipped.new_zeros(())
    if options.hypersphere:
        pushed, local_clipped = truncate(local[target], origin[target], 2 * radius)
        local = local.index_put((target.nonzero().squeeze(1),), pushed)
        if not target.any():
            local_clipped = clipped.new_zeros(())
    p_local = discriminator(local).sigmoid()
    kept = hard_rows(p_local, target.to(p_local.dtype), options.p)
    loss_local = focal_loss(p_local[kept], target[kept])

    loss = loss_nominal + loss_global + loss_local
    values = {
        "loss": loss, "loss_nominal": loss_nominal, "loss_global": loss_global, "loss_local": loss_local,
        "p_nominal": p_nominal.mean(), "p_global": p_global.mean(), "clipped": clipped, "local_clipped": local_clipped,
    }  # fmt: skip
    return StepResult(loss, {name: value.detach() for name, value in values.items()})


def optimisers(adaptor: nn.Module, discriminator: nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """Make Adam (lr, L2 1e-5) for the adaptor and AdamW (2 lr, decay 0.01) for the discriminator."""
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(discriminator.parameters(), lr=2 * lr, weight_decay=0.01)]
    if any(True for _ in adaptor.parameters()):
        made.append(torch.optim.Adam(adaptor.parameters(), lr=lr, weight_decay=1e-5))
    return made
