"""The coupling network: convolutions at each scale, with paths to the neighbouring scales."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAK = 0.1


def convolution(n_in: int, n_out: int, kernel: int, stride: int, generator: torch.Generator | None) -> nn.Conv2d:
    """Make a zero-padded convolution with PyTorch's usual initialisation from a generator of our own.

    Weights and biases are uniform within ``1 / sqrt(fan-in)`` on either side. PyTorch itself would draw them from
    the global generator. Without a generator the convolution has shapes only (device ``meta``).
    """
    layer = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, device="meta")
    if generator is not None:
        layer.to_empty(device="cpu")
        bound = 1 / math.sqrt(n_in * kernel**2)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
    return layer


class CrossScaleSubnet(nn.Module):
    """Compute one output map a scale from all scales' inputs.

    With ``h_j = LeakyReLU(in_j(x_j))``::

        o_j   = out_j(h_j) + down_(j-1)j(h_(j-1)) + up_(j+1)j(U(h_(j+1)))
        out_j = gamma_j o_j

    where U doubles the size bilinearly *before* the convolution, ``down`` has stride 2, and gamma_j is one learnt
    number, 0 at the start. Only neighbouring scales are connected.

    Parameters
    ----------
    n_in, n_out
        Channels of every scale's input and output.
    hidden
        Channels between.
    kernel
        Size of every convolution.
    n_scales
        Scale j is half as large as scale j - 1.
    generator
        Source of the initial weights; None: shapes only.
    """

    def __init__(
        self, n_in: int, n_out: int, hidden: int, kernel: int, n_scales: int, generator: torch.Generator | None
    ) -> None:
        super().__init__()

        def each(n: int, source: int, target: int, stride: int) -> nn.ModuleList:
            return nn.ModuleList(convolution(source, target, kernel, stride, generator) for _ in range(n))

        self.conv_in = each(n_scales, n_in, hidden, 1)
        self.conv_out = each(n_scales, hidden, n_out, 1)
        self.down = each(n_scales - 1, hidden, n_out, 2)  # [j]: from scale j to j + 1
        self.up = each(n_scales - 1, hidden, n_out, 1)  # [j]: from scale j + 1 to j
        device = "meta" if generator is None else "cpu"
        self.gamma = nn.ParameterList(nn.Parameter(torch.zeros((), device=device)) for _ in range(n_scales))

    def forward(self, scales: Sequence[Tensor]) -> list[Tensor]:
        """Map inputs of shape (N, n_in, h_j, w_j) to outputs of shape (N, n_out, h_j, w_j)."""
        hidden = [functional.leaky_relu(f(x), LEAK) for f, x in zip(self.conv_in, scales, strict=True)]
        outputs = [f(h) for f, h in zip(self.conv_out, hidden, strict=True)]
        for j, (down, up) in enumerate(zip(self.down, self.up, strict=True)):
            doubled = functional.interpolate(hidden[j + 1], scale_factor=2, mode="bilinear", align_corners=False)
            outputs[j] = outputs[j] + up(doubled)
            outputs[j + 1] = outputs[j + 1] + down(hidden[j])
        return [gamma * output for gamma, output in zip(self.gamma, outputs, strict=True)]
