"""The normalising flow: permutations and affine couplings over all scales at once, with log-determinants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .permutation import ChannelPermutation
from .subnet import CrossScaleSubnet

HARD_LIMIT = 1e6
# The reference truncates 2 / pi: with it the bound of the log-scale would be exactly alpha.
TWO_OVER_PI = 0.636


def soft_clamp(s: Tensor, alpha: float) -> Tensor:
    """Bound a log-scale smoothly: ``0.636 alpha atan(s / alpha)``."""
    return TWO_OVER_PI * alpha * torch.atan(s / alpha)


class FlowOutput(NamedTuple):
    """What the flow makes of features.

    ``scales``: one tensor a scale, shaped as the input. ``log_det``: log|det d(output)/d(input)| per image and scale,
    shape (N, n_scales). ``n_limited``: how many values met the hard limit, which the determinant ignores.
    """

    scales: list[Tensor]
    log_det: Tensor
    n_limited: Tensor


class CouplingLayer(nn.Module):
    """Transform both halves of the channels, each given the other.

    With a the first ``C // 2`` channels of x and b the rest, and subnets S2, S1 over all scales j::

        (s, t)   = S2(b)       y_a = exp(clamp(s)) a + t
        (s', t') = S1(y_a)     y_b = exp(clamp(s')) b + t'
        y        = (y_a, y_b) limited to +-1e6
        log_det  = sum clamp(s) + sum clamp(s')

    Parameters
    ----------
    channels
        C, equal at all scales.
    hidden, kernel, n_scales, generator
        As in :class:`CrossScaleSubnet`.
    clamp
        alpha of :func:`soft_clamp`.
    """

    def __init__(
        self, channels: int, hidden: int, kernel: int, n_scales: int, clamp: float, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.n_a = channels // 2
        self.n_b = channels - self.n_a
        self.clamp = clamp
        self.s1 = CrossScaleSubnet(self.n_a, 2 * self.n_b, hidden, kernel, n_scales, generator)
        self.s2 = CrossScaleSubnet(self.n_b, 2 * self.n_a, hidden, kernel, n_scales, generator)

    def _affine(self, subnet: CrossScaleSubnet, given: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return clamped log-scales and translations, one of each a scale."""
        pairs = [output.chunk(2, dim=1) for output in subnet(given)]
        return [soft_clamp(s, self.clamp) for s, _ in pairs], [t for _, t in pairs]

    def forward(self, scales: Sequence[Tensor]) -> FlowOutput:
        """Transform features towards the latent space."""
        a, b = [x[:, : self.n_a] for x in scales], [x[:, self.n_a :] for x in scales]
        s, t = self._affine(self.s2, b)
        a = [torch.exp(s_j) * x + t_j for x, s_j, t_j in zip(a, s, t, strict=True)]
        s_, t_ = self._affine(self.s1, a)
        b = [torch.exp(s_j) * x + t_j for x, s_j, t_j in zip(b, s_, t_, strict=True)]
        log_det = torch.stack([_sum(u) + _sum(v) for u, v in zip(s, s_, strict=True)], dim=1)  # (N, n_scales)
        whole = [torch.cat(pair, dim=1) for pair in zip(a, b, strict=True)]
        n_limited = torch.stack([(y.detach().abs() > HARD_LIMIT).sum() for y in whole]).sum()
        return FlowOutput([y.clamp(-HARD_LIMIT, HARD_LIMIT) for y in whole], log_det, n_limited)

    def inverse(self, scales: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Undo :meth:`forward`; also return the log-determinant of the inverse, shape (N, n_scales)."""
        a, b = [y[:, : self.n_a] for y in scales], [y[:, self.n_a :] for y in scales]
        s_, t_ = self._affine(self.s1, a)
        b = [(y - t_j) * torch.exp(-s_j) for y, s_j, t_j in zip(b, s_, t_, strict=True)]
        s, t = self._affine(self.s2, b)
        a = [(y - t_j) * torch.exp(-s_j) for y, s_j, t_j in zip(a, s, t, strict=True)]
        log_det = -torch.stack([_sum(u) + _sum(v) for u, v in zip(s, s_, strict=True)], dim=1)
        return [torch.cat(pair, dim=1) for pair in zip(a, b, strict=True)], log_det


class CrossScaleFlow(nn.Module):
    """Blocks of channel permutation and coupling layer; shapes stay as they are.

    Parameters
    ----------
    channels
        Feature channels, equal at all scales.
    hidden
        Channels inside the subnets.
    kernels
        One kernel size a block.
    n_scales
        Number of scales.
    clamp
        Bound of the log-scales.
    generator
        CPU generator of the initial weights; None: shapes only, to be filled from a file.

    References
    ----------
    M. Rudolph, T. Wehrbein, B. Rosenhahn, B. Wandt (2022). Fully convolutional cross-scale-flows for image-based
    defect detection. WACV.
    """

    def __init__(
        self,
        channels: int,
        *,
        hidden: int = 1024,
        kernels: Sequence[int] = (3, 3, 3, 5),
        n_scales: int = 3,
        clamp: float = 3.0,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.n_scales = n_scales
        self.permutations = nn.ModuleList(ChannelPermutation(k, channels, n_scales) for k in range(len(kernels)))
        self.couplings = nn.ModuleList(
            CouplingLayer(channels, hidden, kernel, n_scales, clamp, generator) for kernel in kernels
        )

    def forward(self, scales: Sequence[Tensor]) -> FlowOutput:
        """Map features to latents; each scale has shape (N, C, h_j, w_j)."""
        x, log_det, n_limited = list(scales), scales[0].new_zeros(len(scales[0]), self.n_scales), torch.tensor(0)
        for permutation, coupling in zip(self.permutations, self.couplings, strict=True):
            x, change, limited = coupling(permutation(x))
            log_det, n_limited = log_det + change, limited + n_limited.to(limited.device)
        return FlowOutput(x, log_det, n_limited)

    def inverse(self, scales: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Map latents to features; also return the log-determinant of that map, shape (N, n_scales)."""
        x, log_det = list(scales), scales[0].new_zeros(len(scales[0]), self.n_scales)
        for permutation, coupling in zip(reversed(self.permutations), reversed(self.couplings), strict=True):
            x, change = coupling.inverse(x)
            x, log_det = permutation.inverse(x), log_det + change
        return x, log_det


def image_losses(latents: Sequence[Tensor], log_det: Tensor) -> Tensor:
    """Negative log-likelihood of each image under a standard normal latent, without its constant, per dimension.

    ``(|z|^2 / 2 - log_det) / D`` with D the number of latent values an image. The loss of a batch is the mean.

    Parameters
    ----------
    latents
        One tensor a scale, shape (N, C, h_j, w_j).
    log_det
        Shape (N, n_scales).

    Returns
    -------
    Tensor
        Shape (N,).
    """
    dimension = sum(z[0].numel() for z in latents)
    energy = torch.stack([_sum(z.square()) for z in latents], dim=1).sum(dim=1) / 2
    return (energy - log_det.sum(dim=1)) / dimension


def _sum(x: Tensor) -> Tensor:
    """Sum over all but the images; shape (N,)."""
    return x.flatten(1).sum(dim=1)
