# ruff: noqa: E402 - nothing may import torch before the skip
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from torch.nn.functional import binary_cross_entropy

from detectors.glass.losses import focal_loss
from detectors.glass.networks import Adaptor, Discriminator
from detectors.glass.step import StepOptions, training_step
from detectors.glass.training import epoch_centre

DIM, PATCHES, IMAGES = 16, 6, 3


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def networks(dim=DIM, dtype=torch.float64):
    return (
        Adaptor(dim, 1, gen()).to(dtype).train(),
        Discriminator(dim, 12, 2, gen(1)).to(dtype).train(),
    )


def batch(dim=DIM, images=IMAGES, patches=PATCHES, dtype=torch.float64):
    embedded = torch.randn(images, patches, dim, generator=gen(2), dtype=dtype)
    pasted = torch.randn(images, patches, dim, generator=gen(3), dtype=dtype)
    labels = torch.rand(images, patches, generator=gen(4)) < 0.4
    return embedded, pasted, labels


def reference_step(adaptor, discriminator, embedded, pasted, labels, centre, options, generator):
    """Section 2.7 of the specification, line by line and without any economy."""
    t, f = adaptor(embedded.flatten(0, 1)), adaptor(pasted.flatten(0, 1))
    y = labels.flatten()
    n = len(t)
    g = t + options.noise_std * torch.randn(t.shape, generator=generator, dtype=t.dtype)
    if options.hypersphere:
        c = centre.repeat(len(embedded), 1)
        distances = torch.cat([(f[~y] - c[~y]).norm(dim=1), (t - c).norm(dim=1)])
        q, r = c, torch.quantile(distances.detach(), options.radius)
    else:
        q, r = t, torch.tensor(0.5, dtype=t.dtype)

    def project(rows, origin, low, high):
        h = rows - origin
        norm = h.norm(dim=1, keepdim=True)
        return origin + h * norm.clamp(low, high) / (norm + 1e-10)

    steps = 20 if options.mining else 0
    for step in range(steps + 1):
        p = discriminator(torch.cat([t, g])).sigmoid()
        loss_t = binary_cross_entropy(p[:n], torch.zeros(n, dtype=t.dtype))
        loss_g = binary_cross_entropy(p[n:], torch.ones(n, dtype=t.dtype))
        if step == steps:
            break
        (v,) = torch.autograd.grad(loss_g, [g])
        g = g + 0.001 * v / (v.norm(dim=1, keepdim=True) + 1e-10)
        if (step + 1) % 5 == 0:
            g = project(g, q, r, 2 * r)
    if options.hypersphere:
        f = torch.where(y[:, None], project(f, q, 2 * r, 4 * r), f)
    p = discriminator(f).sigmoid()
    error = (p.detach() - y.double()) ** 2
    kept = error >= torch.quantile(error, options.p)
    return loss_t + loss_g + focal_loss(p[kept], y[kept])


@pytest.mark.parametrize("hypersphere", [False, True], ids=["manifold", "hypersphere"])
@pytest.mark.parametrize("mining", [True, False], ids=["ascent", "no ascent"])
def test_loss_gradients_and_running_statistics_equal_a_plain_transcription(hypersphere, mining):
    options = StepOptions(hypersphere=hypersphere, mining=mining)
    results = []
    for compute in (lambda *a: training_step(*a).loss, reference_step):
        adaptor, discriminator = networks()
        data = batch()
        loss = compute(adaptor, discriminator, *data, epoch_centre(adaptor, data[0].mean(0)), options, gen(5))
        loss.backward()
        parameters = [*adaptor.parameters(), *discriminator.parameters()]
        results.append([loss.detach(), *(p.grad for p in parameters), *discriminator.buffers()])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10)
    assert all(value.abs().sum() > 0 for value in results[0])


@pytest.mark.parametrize(("mining", "updates"), [(True, 22), (False, 2)])
def test_batch_norm_is_updated_22_times_a_step(mining, updates):
    adaptor, discriminator = networks()
    training_step(adaptor, discriminator, *batch(), None, StepOptions(hypersphere=False, mining=mining), gen())
    assert discriminator.rest[0].num_batches_tracked.item() == updates


def test_nothing_is_clipped_under_the_manifold_hypothesis_at_the_published_noise_and_dimension():
    adaptor, discriminator = networks(1536, torch.float32)
    data = batch(1536, 2, 200, torch.float32)
    result = training_step(adaptor, discriminator, *data, None, StepOptions(hypersphere=False), gen())
    assert result.values["clipped"].item() == 0


def test_most_rows_are_clipped_under_the_hypersphere_hypothesis():
    adaptor, discriminator = networks()
    data = batch()
    centre = epoch_centre(adaptor, data[0].mean(0))
    result = training_step(adaptor, discriminator, *data, centre, StepOptions(hypersphere=True), gen())
    assert result.values["clipped"].item() > 0.4
    assert 0 < result.values["local_clipped"].item() <= 1


@pytest.mark.parametrize("hypersphere", [False, True])
def test_a_batch_without_any_anomalous_patch_trains(hypersphere):
    adaptor, discriminator = networks()
    embedded, pasted, labels = batch()
    centre = epoch_centre(adaptor, embedded.mean(0))
    options = StepOptions(hypersphere=hypersphere)
    result = training_step(adaptor, discriminator, embedded, pasted, torch.zeros_like(labels), centre, options, gen())
    result.loss.backward()
    assert torch.isfinite(result.loss)
    assert all(torch.isfinite(p.grad).all() for p in adaptor.parameters())


def test_the_adapted_mean_is_the_mean_of_the_adapted():
    adaptor, _ = networks()
    embedded, _, _ = batch()
    torch.testing.assert_close(epoch_centre(adaptor, embedded.mean(0)), adaptor(embedded).mean(0).detach())
