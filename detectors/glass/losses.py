"""Losses on patch probabilities: cross-entropy for the global branch, focal loss on hard rows for the local one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .truncation import linear_quantile

SMOOTHING = 1e-5
FOCUS = 2


def cross_entropy(probabilities: Tensor, label: float) -> Tensor:
    """Mean binary cross-entropy of rows that all have one label.

    On probabilities, not logits: where the sigmoid saturates the gradient vanishes, as in the reference program.
    """
    return functional.binary_cross_entropy(probabilities, torch.full_like(probabilities, label))


def focal_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    r"""Mean of :math:`-(1 - \pi)^2 \log \pi` (Lin et al. 2017, equation 4, without class weights).

    :math:`\pi` is the probability of the true class plus 1e-5, with one-hot targets clamped to [1e-5, 1 - 1e-5].

    Parameters
    ----------
    probabilities
        Of an anomaly, shape (n,).
    labels
        0 or 1, shape (n,).

    Examples
    --------
    >>> import torch
    >>> round(float(focal_loss(torch.tensor([0.5]), torch.tensor([1.0]))), 7)
    0.1732748
    """
    target = labels.to(probabilities.dtype)
    anomalous = target.clamp(SMOOTHING, 1 - SMOOTHING)
    nominal = (1 - target).clamp(SMOOTHING, 1 - SMOOTHING)
    likelihood = nominal * (1 - probabilities) + anomalous * probabilities + SMOOTHING
    return (-((1 - likelihood) ** FOCUS) * likelihood.log()).mean()


def hard_rows(probabilities: Tensor, labels: Tensor, level: float) -> Tensor:
    """Select the rows whose squared error is at least its `level`-quantile.

    Quantile with linear interpolation, over both classes together. Without ties and with an even number of rows,
    0.5 keeps half of them; with ties at the quantile all tied rows are kept; 0 keeps all.

    Parameters
    ----------
    probabilities, labels
        Shape (n,).
    level
        Quantile level, 0 to 1.

    Returns
    -------
    Tensor
        bool, shape (n,).
    """
    error = (probabilities.detach() - labels) ** 2
    return error >= linear_quantile(error, level)
