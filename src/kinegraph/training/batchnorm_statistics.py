"""BatchNorm's running statistics for a network that starts from other weights: measured on its data before it learns.

Left to themselves they would need a hundred steps to forget the other data, which is all of a short run.
"""

from collections.abc import Sequence
from itertools import islice

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from kinegraph.data.loading import ClipDataset, train_loader

BATCHES = 10


@torch.no_grad()
def settle(network: nn.Module, clips: ClipDataset, batch_size: int, frozen: Sequence[nn.Module] = ()) -> None:
    """Make the running statistics the mean over the first batches of training; those of frozen parts stay."""
    device = next(network.parameters()).device
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm)]
    usual = [norm.momentum for norm in norms]
    network.train()
    for part in frozen:
        part.eval()
    for seen, (views, _, people, _) in enumerate(islice(train_loader(clips, batch_size, epoch=0), BATCHES), start=1):
        for norm in norms:
            norm.momentum = 1 / seen
        network(views[:, 0].to(device), people.to(device))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
