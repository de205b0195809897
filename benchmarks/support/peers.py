"""What the reference programs do, written from the specification of the detectors, for comparison only."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.random_weights import initialise
from detectors.timm_import import import_timm


class WholeNetwork(nn.Module):
    """A frozen network that always runs to the end of its classifier, as timm's ``forward`` does.

    The weights are those of ``Backbone(name, weights="random")``: there as here every tensor's values depend on its
    name, which begins with ``model.``.
    """

    def __init__(self, name: str, layers: Sequence[str] = ()) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.model = import_timm().create_model(name, pretrained=False)
        self.taken: dict[str, Tensor] = {}
        for layer in layers:
            self.model.get_submodule(layer).register_forward_hook(partial(self._take, layer))
        self.eval().requires_grad_(False)
        initialise(self, name)

    def _take(self, layer: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self.taken[layer] = output

    @torch.no_grad()
    def forward(self, batch: Tensor) -> list[Tensor]:
        """Return the outputs of the layers named, in the order of the network, taken on the way to its end."""
        self.model(batch)
        return list(self.taken.values())


def embed_in_reference_order(layers: Sequence[Tensor], pre_dim: int, target_dim: int) -> Tensor:
    """Embed patches as GLASS's reference does: unfold, resample every one of the 9 C maps, pool, join, pool.

    Ours pools before it resamples (:func:`detectors.glass.embedding.embed`); the result is the same.

    Returns
    -------
    Tensor
        Shape (N, h_0 w_0, target_dim).
    """
    n, _, height, width = layers[0].shape
    rows = []
    for features in layers:
        unfolded = functional.unfold(features, 3, padding=1).reshape(n, -1, *features.shape[2:])  # (N, 9 C, h, w)
        if unfolded.shape[2:] != (height, width):
            unfolded = functional.interpolate(unfolded, size=(height, width), mode="bilinear", align_corners=False)
        vectors = unfolded.permute(0, 2, 3, 1).reshape(n * height * width, 1, -1)  # a vector a patch
        rows.append(functional.adaptive_avg_pool1d(vectors, pre_dim).squeeze(1))
    joined = torch.stack(rows, dim=1).reshape(len(rows[0]), 1, -1)
    return functional.adaptive_avg_pool1d(joined, target_dim).reshape(n, height * width, target_dim)
