import itertools
import math

import numpy as np
import pytest
import torch

from detectors.csflow.flow import CouplingLayer, CrossScaleFlow, image_losses, soft_clamp
from detectors.csflow.permutation import ChannelPermutation, draw_permutations
from detectors.csflow.subnet import CrossScaleSubnet


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _features(n=2, channels=4, side=4, n_scales=3, seed=1, dtype=torch.float64):
    g = _generator(seed)
    return [torch.randn(n, channels, side // 2**s, side // 2**s, generator=g, dtype=dtype) for s in range(n_scales)]


def _open_gates(module, value=None):
    g = _generator(7)
    for name, parameter in module.named_parameters():
        if "gamma" in name:
            parameter.data.fill_(value if value is not None else torch.randn((), generator=g) * 0.7 + 0.5)
    return module


def _small_flow(channels=4, kernels=(3, 5), gates=True, n_scales=3, hidden=5):
    flow = CrossScaleFlow(channels, hidden=hidden, kernels=kernels, n_scales=n_scales, generator=_generator()).double()
    return _open_gates(flow) if gates else flow


@pytest.mark.parametrize(
    ("kernel", "subnet", "layer"), [(3, 23_819_347, 47_638_694), (5, 66_155_603, 132_311_206)], ids=["3", "5"]
)
def test_subnets_and_coupling_layers_have_the_published_numbers_of_parameters(kernel, subnet, layer):
    def count(module):
        return sum(p.numel() for p in module.parameters())

    assert count(CrossScaleSubnet(152, 304, 1024, kernel, 3, None)) == subnet
    assert count(CouplingLayer(304, 1024, kernel, 3, 3.0, None)) == layer


def test_the_whole_flow_has_275227288_parameters_in_184_tensors():
    flow = CrossScaleFlow(304, generator=None)
    assert sum(p.numel() for p in flow.parameters()) == 275_227_288
    assert len(list(flow.parameters())) == 184
    assert all(p.device.type == "meta" for p in flow.parameters())


@pytest.mark.parametrize(
    ("s", "expected"),
    [(math.inf, 2.99708), (-math.inf, -2.99708), (10, 2.440980), (3, 1.498540), (1, 0.613900), (0.1, 0.0635765)],
)
def test_the_soft_clamp_reproduces_the_table(s, expected):
    assert float(soft_clamp(torch.tensor(s, dtype=torch.float64), 3.0)) == pytest.approx(expected, abs=1e-6)


def test_the_largest_scale_factor_at_one_is_as_published():
    assert float(torch.exp(soft_clamp(torch.tensor(1.0, dtype=torch.float64), 3.0))) == pytest.approx(
        1.847623, abs=1e-6
    )


def test_permutations_begin_as_the_references():
    block0 = draw_permutations(0, 304, 3)
    assert block0[:, :4].tolist() == [[66, 156, 247, 267], [222, 196, 64, 232], [14, 158, 98, 275]]
    assert draw_permutations(3, 304, 3)[0, :4].tolist() == [246, 162, 10, 161]
    for row in block0:
        assert sorted(row.tolist()) == list(range(304))


def test_permutations_leave_the_global_generator_alone_and_are_buffers():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    flow = _small_flow()
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert [n for n in flow.state_dict() if "order" in n] == ["permutations.0.order", "permutations.1.order"]


def test_a_permutation_takes_channel_order_i_to_place_i_and_back():
    permutation = ChannelPermutation(2, 6, 3)
    x = _features(channels=6)
    y = permutation(x)
    for j, i in itertools.product(range(3), range(6)):
        assert torch.equal(y[j][:, i], x[j][:, permutation.order[j, i]])
    for back, original in zip(permutation.inverse(y), x, strict=True):
        assert torch.equal(back, original)


def test_at_the_start_the_flow_is_the_composed_permutation_and_loss_is_half_the_mean_square():
    flow, y = _small_flow(channels=7, kernels=(3, 3, 3, 5), gates=False), _features(channels=7)
    z, log_det, n_limited = flow(y)
    assert torch.equal(log_det, torch.zeros(2, 3, dtype=torch.float64))
    assert int(n_limited) == 0
    for j in range(3):
        order = np.arange(7)
        for block in range(4):
            order = order[draw_permutations(block, 7, 3)[j].numpy()]
        assert torch.equal(z[j], y[j][:, order])
    whole = torch.cat([x.flatten(1) for x in y], dim=1)
    torch.testing.assert_close(image_losses(z, log_det), whole.square().mean(dim=1) / 2)


def test_at_the_start_only_the_24_gates_receive_a_gradient():
    flow = _small_flow(kernels=(3, 3, 3, 5), gates=False)
    z, log_det, _ = flow(_features())
    image_losses(z, log_det).mean().backward()
    moved = {name for name, p in flow.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moved == {name for name, _ in flow.named_parameters() if "gamma" in name}
    assert len(moved) == 24


def test_with_open_gates_every_parameter_receives_a_gradient():
    flow = _small_flow(kernels=(3, 5))
    z, log_det, _ = flow(_features())
    image_losses(z, log_det).mean().backward()
    assert all(p.grad.abs().max() > 0 for p in flow.parameters())


@pytest.mark.parametrize("channels", [2, 3], ids=["even", "odd"])
@pytest.mark.parametrize("n_scales", [3, 1])
def test_the_log_determinant_is_the_jacobians(channels, n_scales):
    flow = _small_flow(channels=channels, n_scales=n_scales)
    y = _features(n=1, channels=channels, n_scales=n_scales)
    sizes = [x.numel() for x in y]

    def flat(vector):
        scales = [part.view_as(x) for part, x in zip(vector.split(sizes), y, strict=True)]
        return torch.cat([z.flatten() for z in flow(scales).scales])

    vector = torch.cat([x.flatten() for x in y])
    jacobian = torch.autograd.functional.jacobian(flat, vector)
    sign, expected = torch.linalg.slogdet(jacobian)
    log_det = flow(y).log_det.detach()
    assert log_det.shape == (1, n_scales)
    assert float(log_det.sum()) == pytest.approx(float(expected), rel=1e-10)
    assert abs(float(expected)) > 0.1
    assert float(sign) in (-1.0, 1.0)  # a permutation may turn the orientation


@torch.no_grad()
def test_the_log_determinant_is_positive_for_an_expanding_map():
    layer = CouplingLayer(4, 3, 3, 3, 3.0, _generator()).double()
    with torch.no_grad():
        for subnet in (layer.s1, layer.s2):
            for j in range(3):
                subnet.gamma[j].fill_(1.0)
                for f in (subnet.conv_out[j], *subnet.up, *subnet.down):
                    f.weight.zero_()
                    f.bias.zero_()
                subnet.conv_out[j].bias[:2].fill_(1.0)  # s = 1, t = 0
    y = _features()
    z, log_det, _ = layer(y)
    for j in range(3):
        torch.testing.assert_close(z[j], y[j] * 1.8476229, rtol=1e-6, atol=0)
        np.testing.assert_allclose(log_det[:, j], 0.6139 * y[j][0].numel(), rtol=1e-4)


@pytest.mark.parametrize("channels", [4, 5], ids=["even", "odd"])
@torch.no_grad()
def test_the_inverse_undoes_the_flow(channels):
    flow, y = _small_flow(channels=channels, kernels=(3, 3, 5)), _features(channels=channels)
    z, log_det, _ = flow(y)
    back, inverse_log_det = flow.inverse(z)
    for original, returned in zip(y, back, strict=True):
        assert float((original - returned).abs().max()) < 1e-9
    torch.testing.assert_close(inverse_log_det, -log_det)
    assert max(float((a - b).abs().max()) for a, b in zip(y, z, strict=True)) > 0.5


@torch.no_grad()
def test_only_neighbouring_scales_are_connected():
    subnet = _open_gates(CrossScaleSubnet(2, 4, 3, 3, 3, _generator()).double(), 1.0)
    x = _features(channels=2)
    before = subnet(x)
    for changed in range(3):
        moved = [v + (1.0 if j == changed else 0.0) for j, v in enumerate(x)]
        differs = [not torch.equal(a, b) for a, b in zip(before, subnet(moved), strict=True)]
        assert differs == [abs(j - changed) <= 1 for j in range(3)]


@torch.no_grad()
def test_the_subnet_is_the_published_sum():
    subnet = _open_gates(CrossScaleSubnet(2, 4, 3, 5, 3, _generator()).double())
    x = _features(channels=2)
    h = [torch.nn.functional.leaky_relu(f(v), 0.1) for f, v in zip(subnet.conv_in, x, strict=True)]

    def doubled(v):
        return torch.nn.functional.interpolate(v, scale_factor=2, mode="bilinear", align_corners=False)

    expected = [
        subnet.conv_out[0](h[0]) + subnet.up[0](doubled(h[1])),
        subnet.conv_out[1](h[1]) + subnet.down[0](h[0]) + subnet.up[1](doubled(h[2])),
        subnet.conv_out[2](h[2]) + subnet.down[1](h[1]),
    ]
    for got, o, gamma in zip(subnet(x), expected, subnet.gamma, strict=True):
        torch.testing.assert_close(got, gamma * o)


@torch.no_grad()
def test_the_loss_of_a_batch_is_the_mean_of_its_images_losses():
    flow, y = _small_flow(), _features(n=5)
    z, log_det, _ = flow(y)
    whole = image_losses(z, log_det)
    for i in range(5):
        z_i, log_det_i, _ = flow([x[i : i + 1] for x in y])
        torch.testing.assert_close(log_det_i[0], log_det[i])
        torch.testing.assert_close(image_losses(z_i, log_det_i)[0], whole[i])


def test_the_loss_of_the_worked_example_and_the_effect_of_a_log_determinant():
    z = [torch.full((2, 304, side, side), value) for side, value in ((8, 2.0), (4, 1.0), (2, 0.0))]
    assert sum(x[0].numel() for x in z) == 25_536
    assert image_losses(z, torch.zeros(2, 3)).tolist() == pytest.approx([1.6190476] * 2, abs=1e-6)
    log_det = torch.tensor([[25_536.0, 0, 0], [10_000.0, 10_000, 5_536]])
    assert image_losses(z, log_det).tolist() == pytest.approx([0.6190476] * 2, abs=1e-6)


@torch.no_grad()
def test_values_beyond_the_hard_limit_are_cut_counted_and_left_out_of_the_determinant():
    layer = CouplingLayer(4, 3, 3, 3, 3.0, _generator())
    y = [torch.zeros(1, 4, side, side) for side in (4, 2, 1)]
    y[0][0, 1, 2, 2], y[2][0, 3, 0, 0] = 3e6, -2e7
    z, log_det, n_limited = layer(y)
    assert int(n_limited) == 2
    assert float(z[0].max()) == 1e6 and float(z[2].min()) == -1e6
    assert torch.equal(log_det, torch.zeros(1, 3))


def test_initial_weights_follow_pytorchs_rule_from_a_generator_of_their_own():
    state = torch.get_rng_state()
    first, second, other = (
        CrossScaleFlow(8, hidden=16, kernels=(3, 5), generator=_generator(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), state)
    weights = "couplings.1.s1.conv_out.0.weight"
    assert torch.equal(first.state_dict()[weights], second.state_dict()[weights])
    assert not torch.equal(first.state_dict()[weights], other.state_dict()[weights])
    bound = 1 / math.sqrt(16 * 25)
    values = first.state_dict()[weights]
    assert float(values.abs().max()) <= bound
    assert float(values.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
    reference = torch.nn.Conv2d(16, 8, 5)
    assert float(reference.weight.detach().abs().max()) <= bound
