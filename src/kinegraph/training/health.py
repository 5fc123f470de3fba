"""Whether a training goes well: numbers that are not finite, nothing learnt, a loss that jumps."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

SPIKE = 5  # a batch whose loss is so many times the last epoch's, and worse than chance, is reported


def at_chance(
    epochs: int, hits: float, answers: float, counted: str, counts: Sequence[int], balanced: bool
) -> str | None:
    """Whether the training clips are recognised no better than by naming the largest class.

    counted: what answers are of, clips or frames. counts: of each class. balanced: classes are drawn equally often.
    """
    chance = 1 / sum(count > 0 for count in counts) if balanced else max(counts) / sum(counts)
    if chance == 1 or hits > answers * chance + 2 * math.sqrt(answers * chance * (1 - chance)):
        return None
    return (
        f"after {epochs} epochs top-1 on the training {counted} is {hits / answers:.1%}, not clearly more than by "
        f"always naming the largest class ({chance:.1%}): try another learning rate"
    )


def spike(epoch: int, peak: float, before: float, classes: int, clipped: bool) -> str | None:
    """Whether a batch was far worse than the epoch before, and worse than chance.

    peak: the largest loss of a batch. before: the mean loss of the epoch before; 0 where there is none.
    """
    if not before or peak <= max(SPIKE * before, math.log(classes)):
        return None
    remedy = "a lower learning rate" if clipped else "--clip-gradients 1 or a lower learning rate"
    return (
        f"a spike in epoch {epoch}: the loss of a batch was {peak:.3g}, on average it was {before:.3g} in the epoch "
        f"before; {remedy} may help"
    )


def not_finite_tensor(network: nn.Module) -> str | None:
    """The name of the first tensor of a network that has a NaN or an infinity."""
    state = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    finite = torch.stack([tensor.isfinite().all() for tensor in state.values()]).tolist()  # waits for the GPU once
    return next((name for name, fine in zip(state, finite, strict=True) if not fine), None)


def first_not_finite(losses: Sequence[Tensor]) -> int | None:
    """Which of these losses is the first NaN or infinity."""
    wrong = (~torch.stack(list(losses)).isfinite()).nonzero()
    return int(wrong[0]) if len(wrong) else None
