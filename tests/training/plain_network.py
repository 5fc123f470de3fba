"""A network that is given by --plugins."""

import torch
from torch import nn


class Plain(nn.Module):
    """Neither BatchNorm nor dropout: what it learns does not depend on how a batch is divided."""

    def __init__(self, graph: torch.Tensor, channels: int, classes: int):
        super().__init__()
        self.register_buffer("A", graph)
        self.config = {"channels": channels, "classes": classes}
        self.blocks = nn.ModuleList()  # none that could be frozen
        self.hidden = nn.Linear(2 * 12 * 25 * channels, 16)
        self.head = nn.Linear(16, classes)

    def forward(self, x: torch.Tensor, people: torch.Tensor | None = None) -> torch.Tensor:
        return self.head(self.hidden(x.flatten(1)).tanh())
