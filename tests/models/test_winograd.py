"""Fewer multiplications, the same convolution and the same gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from kinegraph.models.layers import winograd
from kinegraph.models.layers.winograd import MinimalFiltering, TemporalConvolution, filtered_gradients, minimal_filter


@settings(max_examples=25)
@given(
    st.integers(1, 4), st.integers(1, 40), st.integers(1, 3), st.integers(0, 4), st.integers(1, 5), st.integers(1, 5)
)
def test_minimal_filtering_is_the_convolution(bodies, frames, joints, half, channels, width):
    plain = nn.Conv2d(channels, width, (2 * half + 1, 1), padding=(half, 0))
    x = torch.randn(bodies, channels, frames, joints)
    with torch.no_grad():
        expected = plain.double()(x.double())
        found = MinimalFiltering(plain)(x)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 2e-5 * max(1, expected.abs().max())


@pytest.mark.parametrize(("outputs", "taps"), [(3, 3), (3, 2), (2, 2), (1, 1), (1, 3)])
def test_minimal_filter_is_its_formula(outputs, taps):
    A, G, B = map(torch.from_numpy, minimal_filter(outputs, taps))
    weights, x = torch.randn(taps).double(), torch.randn(outputs + taps - 1).double()
    assert torch.allclose(A @ ((G @ weights) * (B @ x)), x.unfold(0, taps, 1) @ weights)


@settings(max_examples=25)
@given(
    st.integers(1, 7), st.integers(1, 40), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5),
    st.sampled_from([2**4, 2**18]), st.integers(1, 3),
)  # fmt: skip
def test_filtered_gradients_are_those_of_the_convolution(bodies, frames, joints, half, channels, width, piece, threads):
    x = torch.randn(bodies, frames, joints, channels, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(width, channels, 2 * half + 1, 1, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x.permute(0, 3, 1, 2), weight, padding=(half, 0)).permute(0, 2, 3, 1)
    gradient = torch.randn_like(y)
    expected = torch.autograd.grad(y, (x, weight), gradient)
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "PIECE", piece)
        torch.set_num_threads(threads)
        try:
            found = filtered_gradients(x.detach(), weight.detach(), gradient)
        finally:
            torch.set_num_threads(before)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("frozen", ["nothing", "weight", "bias", "x"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_wide_convolution_trains_as_torchs_own(stride, frozen):
    ours = TemporalConvolution(48, 9, stride).double().train()
    plain = nn.Conv2d(48, 48, (9, 1), (stride, 1), (4, 0)).double()
    plain.load_state_dict(ours.state_dict())
    gradients = []
    for layer in (ours, plain):
        x = torch.linspace(-1, 1, 2 * 48 * 18 * 3, dtype=torch.float64).sin().view(2, 18, 3, 48).permute(0, 3, 1, 2)
        tensors = {"x": x.requires_grad_(), "weight": layer.weight, "bias": layer.bias}
        if frozen in tensors:
            tensors[frozen].requires_grad_(False)
        layer(x).square().sum().backward()
        gradients.append({name: tensor.grad for name, tensor in tensors.items() if name != frozen})
    for name, gradient in gradients[1].items():
        assert torch.allclose(gradients[0][name], gradient, rtol=1e-10, atol=1e-10), name


@pytest.mark.parametrize("width", [64, 256])
def test_a_wide_convolution_is_as_exact_as_torchs_default_order(width):
    torch.manual_seed(0)
    layer, x = TemporalConvolution(width, 9, 1).train(), torch.randn(4, 18, 5, width).relu().permute(0, 3, 1, 2)
    with torch.no_grad():
        exact = F.conv2d(x.double(), layer.weight.double(), layer.bias.double(), padding=(4, 0))
        usual = F.conv2d(x.contiguous(), layer.weight, layer.bias, padding=(4, 0))
        assert (layer(x) - exact).norm() <= 1.1 * (usual - exact).norm()
