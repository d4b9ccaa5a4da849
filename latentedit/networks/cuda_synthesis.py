"""The fastest way to images on a GPU, for any generator, that follows its weights wherever they change."""

from __future__ import annotations

import weakref
from functools import partial

import torch
from torch import Tensor

from latentedit.networks.cuda_graphs import Capture, GraphCache, capture_cuda_graph, stamp
from latentedit.networks.cuda_inference import PackedSynthesis
from latentedit.networks.stylegan2 import SynthesisNetwork
from latentedit.networks.synthesis import NoiseMode, StyledNetwork


class CudaSynthesis:
    """Render on a GPU, without gradients: ws or styles -> images [N, img_channels, R, R], about [-1, 1].

    A StyleGAN2 is rendered with packed weights, packed anew when they change, and in `dtype` where
    `config.is_half` says so; a StyleGAN3 as it is. What is rendered again and again becomes a CUDA
    graph, random noise excepted, which a replay would repeat.
    """

    def __init__(
        self, network: StyledNetwork, dtype: torch.dtype = torch.float16, capture: Capture = capture_cuda_graph
    ) -> None:
        self._network = weakref.ref(network)  # whose cache this may be in
        self.dtype, self.graphs = dtype, GraphCache(capture)
        self._stamp: tuple[tuple[int, int], ...] = ()
        self._packed: PackedSynthesis | None = None

    @torch.no_grad()
    def __call__(self, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Render ws [N, num_ws, w_dim], as the network itself does."""
        return self.render_styles(self._find_network().make_styles(ws), noise_mode)

    @torch.no_grad()
    def render_styles(self, styles: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Render styles [N, num_styles], as the network's `render_styles` does."""
        network = self._find_network()
        self._follow(network)
        compute = partial(self._compute, network, noise_mode=noise_mode)
        return compute(styles) if noise_mode == "random" else self.graphs(compute, styles, noise_mode)

    def _find_network(self) -> StyledNetwork:
        network = self._network()
        assert network is not None, "the network that was to be rendered is gone"
        return network

    def _follow(self, network: StyledNetwork) -> None:
        """Drop what was made from other weights than the network has now."""
        current = stamp([*network.parameters(), *network.buffers()])
        if current != self._stamp:
            self.graphs.clear()
            self._packed = PackedSynthesis(network, self.dtype) if isinstance(network, SynthesisNetwork) else None
            self._stamp = current

    def _compute(self, network: StyledNetwork, styles: Tensor, noise_mode: NoiseMode) -> Tensor:
        with torch.autocast(styles.device.type, enabled=False):
            return (self._packed or network.render_styles)(styles, noise_mode)


_of_network: weakref.WeakKeyDictionary[StyledNetwork, CudaSynthesis] = weakref.WeakKeyDictionary()


def cuda_synthesis(network: StyledNetwork) -> CudaSynthesis:
    """Find the way to render a network on the GPU, the same one every time it is asked for."""
    if network not in _of_network:
        _of_network[network] = CudaSynthesis(network)
    return _of_network[network]
