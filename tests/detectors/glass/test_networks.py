# ruff: noqa: E402 - nothing may import torch before the skip
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from torch.nn import functional

from detectors.glass.embedding import embed, neighbourhoods
from detectors.glass.losses import focal_loss, hard_rows
from detectors.glass.networks import Adaptor, Discriminator
from detectors.glass.truncation import linear_quantile, truncate


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_those_of_the_reference_program():
    assert n_parameters(Adaptor(1536, 1, gen())) == 2_360_832
    assert n_parameters(Discriminator(1536, 1024, 2, gen())) == 1_576_960


def test_initial_weights_are_xavier_normal_and_biases_as_in_pytorch():
    adaptor, discriminator = Adaptor(1536, 1, gen()), Discriminator(1536, 1024, 2, gen())
    assert adaptor[0].weight.std().item() == pytest.approx(0.02552, rel=0.01)
    assert discriminator.first.weight.std().item() == pytest.approx(0.02795, rel=0.01)
    assert discriminator.rest[-1].weight.std().item() == pytest.approx(0.04417, rel=0.1)
    assert discriminator.rest[-1].bias is None
    assert adaptor[0].bias.abs().max().item() <= 1 / np.sqrt(1536)
    assert adaptor[0].bias.std().item() == pytest.approx(1 / np.sqrt(3 * 1536), rel=0.05)


def test_making_networks_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    Adaptor(8, 2, gen()), Discriminator(8, 4, 3, gen())
    assert torch.equal(before, torch.random.get_rng_state())


def test_two_rows_give_two_logits():
    assert Discriminator(8, 4, 2, gen()).eval()(torch.zeros(2, 8)).shape == (2,)


def unfold_then_interpolate_then_pool(layers, pre_dim, target_dim):
    """The order of the reference program, section 2.3 of the specification."""
    side = layers[0].shape[2]
    vectors = []
    for features in layers:
        unfolded = functional.unfold(features, 3, padding=1).reshape(len(features), -1, *features.shape[2:])
        unfolded = functional.interpolate(unfolded, size=(side, side), mode="bilinear", align_corners=False)
        rows = unfolded.flatten(2).transpose(1, 2).flatten(0, 1)
        vectors.append(functional.adaptive_avg_pool1d(rows[:, None], pre_dim)[:, 0])
    joined = torch.cat(vectors, 1)
    return functional.adaptive_avg_pool1d(joined[:, None], target_dim)[:, 0]


@pytest.mark.parametrize(
    ("channels", "pre_dim", "target_dim"), [((64, 128), 192, 192), ((64, 128), 100, 70), ((10, 20), 50, 33)]
)
def test_pooling_first_equals_interpolating_first(channels, pre_dim, target_dim):
    layers = [torch.randn(2, channels[0], 12, 12, generator=gen()), torch.randn(2, channels[1], 6, 6, generator=gen(1))]
    ours = embed(layers, pre_dim=pre_dim, target_dim=target_dim).flatten(0, 1)
    torch.testing.assert_close(ours, unfold_then_interpolate_then_pool(layers, pre_dim, target_dim), atol=1e-5, rtol=0)


def test_the_published_embedding_has_1536_entries_a_patch_and_its_first_half_ignores_layer3():
    layers = [torch.randn(1, 512, 36, 36, generator=gen()), torch.randn(1, 1024, 18, 18, generator=gen(1))]
    first = embed(layers)
    second = embed([layers[0], torch.randn(1, 1024, 18, 18, generator=gen(2))])
    assert first.shape == (1, 36 * 36, 1536)
    assert torch.equal(first[..., :768], second[..., :768])
    assert not torch.equal(first[..., 768:], second[..., 768:])
    unfolded = neighbourhoods(layers[0])[0, :, 5, 7]
    torch.testing.assert_close(first[0, 5 * 36 + 7, :768], unfolded.reshape(768, 6).mean(1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("p", "y", "loss"),
    [
        (0.5, 1, 0.1732748),
        (0.5, 0, 0.1732748),
        (0.9, 1, 0.0010535),
        (0.1, 1, 1.864874),
        (0.0, 1, 10.819345),
        (1.0, 1, 0.0),
    ],
)
def test_focal_loss_has_the_published_values(p, y, loss):
    value = focal_loss(torch.tensor([p], dtype=torch.float64), torch.tensor([y])).item()
    assert value == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize(("n", "kept"), [(10_368, 5_184), (9, 5)])
def test_hard_example_selection_keeps_the_worse_half(n, kept):
    p = torch.rand(n, generator=gen(), dtype=torch.float64)
    y = (torch.rand(n, generator=gen(1)) < 0.2).double()
    rows = hard_rows(p, y, 0.5)
    error = (p - y) ** 2
    assert rows.sum() == kept
    assert error[rows].min() >= error[~rows].max()


def test_hard_example_selection_keeps_ties_and_level_0_keeps_all():
    assert hard_rows(torch.tensor([0.0] * 90 + [1.0] * 10), torch.zeros(100), 0.5).all()
    assert hard_rows(torch.rand(50, generator=gen()), torch.zeros(50), 0.0).all()


@pytest.mark.parametrize("level", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_quantile_agrees_with_numpy(level):
    values = torch.rand(37, generator=gen(), dtype=torch.float64)
    assert linear_quantile(values, level).item() == pytest.approx(np.quantile(values.numpy(), level))


def test_truncation_brings_every_distance_between_the_radii_and_keeps_directions():
    rows, origin = torch.randn(200, 5, generator=gen(), dtype=torch.float64) * 3, torch.ones(200, 5).double()
    projected, clipped = truncate(rows, origin, 4.0)
    before, after = rows - origin, projected - origin
    distance = after.norm(dim=1)
    assert distance.min() >= 4 - 1e-6 and distance.max() <= 8 + 1e-6
    outside = (before.norm(dim=1) < 4) | (before.norm(dim=1) > 8)
    assert clipped.item() == pytest.approx(outside.double().mean().item())
    assert torch.allclose(functional.cosine_similarity(before, after), torch.ones(200).double())
    assert torch.allclose(projected[~outside], rows[~outside])
