"""The two trainable networks: the feature adaptor and the patch discriminator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LEAK = 0.2


def _linear(n_in: int, n_out: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """Make a linear layer, weight Xavier-normal, bias as PyTorch has it, from `generator` alone."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, bias=bias)  # the usual initialisation draws globally
    nn.init.xavier_normal_(layer.weight, generator=generator)
    if bias:
        bound = 1 / math.sqrt(n_in)
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


class Adaptor(nn.Sequential):
    """`n_layers` linear layers with bias and, as in the reference program, nothing between them: an affine map.

    Parameters
    ----------
    dim
        Length of an embedding.
    n_layers
        0: the identity.
    generator
        Source of the initial values.
    """

    def __init__(self, dim: int, n_layers: int, generator: torch.Generator) -> None:
        super().__init__(*(_linear(dim, dim, generator) for _ in range(n_layers)))


class Discriminator(nn.Module):
    """Linear, batch norm, leaky ReLU; then a linear map without bias to one logit a row.

    Parameters
    ----------
    dim
        Length of an adapted embedding.
    hidden
        Width of the hidden layers.
    n_layers
        Linear layers including the last; at least 2.
    generator
        Source of the initial values.
    """

    def __init__(self, dim: int, hidden: int, n_layers: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = _linear(dim, hidden, generator)
        rest: list[nn.Module] = [nn.BatchNorm1d(hidden), nn.LeakyReLU(LEAK)]
        for _ in range(n_layers - 2):
            rest += [_linear(hidden, hidden, generator), nn.BatchNorm1d(hidden), nn.LeakyReLU(LEAK)]
        self.rest = nn.Sequential(*rest, _linear(hidden, 1, generator, bias=False))

    def after_first(self, hidden: Tensor) -> Tensor:
        """Return the logits, shape (n,), of rows that went through the first layer already."""
        return self.rest(hidden).squeeze(1)  # only this axis: two rows stay two rows

    def forward(self, rows: Tensor) -> Tensor:
        """Return the logits, shape (n,), of rows, shape (n, dim); their sigmoid is the probability of an anomaly."""
        return self.after_first(self.first(rows))
