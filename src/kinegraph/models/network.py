"""What every network is: a graph, the arguments it was built with, features of each body, and a head over their mean.

`SkeletonNetwork` is the class to build on. Whoever defines `forward_features` has all else: absent people, weights
files, transfer, explanations and the engine of `optimize`. `BlackBox` takes any other nn.Module, without the last two.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.allowed import NETWORKS
from kinegraph.messages import nearest, one_line, quoted
from kinegraph.models.black_box import BlackBox, bind_arguments, check_sizes, plain
from kinegraph.models.layers.absent import clip_features, clip_logits, clip_logits_and_loss
from kinegraph.models.layers.blocks import published_strides
from kinegraph.models.layers.streaming import StreamedNetwork
from kinegraph.models.ridge import LinearHead
from kinegraph.plugins import plugin_classes

if TYPE_CHECKING:
    from kinegraph.models.tensor_forms import Table


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """A network whose head is fitted in closed form. seen: the channels that it sees. put: keeps the head."""

    network: "SkeletonNetwork"
    seen: Sequence[int]
    put: Callable[[LinearHead], None]


class SkeletonNetwork(nn.Module):
    """logits = head(mean over people, time and joints of forward_features(x)).

    A class of your own defines `forward_features`, and a constructor whose first three arguments are these. `config`
    records the arguments by itself, for the weights file: plain values, such as numbers, texts and lists.

    Args:
        adjacency: the graph in K partitions; adjacency[k, v, w] weighs the edge from joint v to joint w.
        channels: numbers per joint and frame.
        classes: number of classes.
        width: channels of what `forward_features` returns, by default those of x. 0: the class makes its head itself.
    """

    CHECKPOINTS: ClassVar[Sequence["Table"]] = ()  # how other projects name its tensors
    takes_copies: ClassVar[bool]  # whether `forward_features` has the argument `copies`
    brings_loss: ClassVar[bool] = False  # whether it defines `own_loss`
    keeps_places: ClassVar[bool] = True  # whether features are of moments and joints, so that answers can be explained
    at_once: ClassVar[int | None] = None  # bodies that a CPU's thread computes at once in inference, see `optimize`
    A: Float[Tensor, "K V V"]
    config: dict[str, Any]  # its class called with A and these builds it again
    head: nn.Linear

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        network = super().__new__(cls)
        network.__dict__["config"] = arguments_of(cls, args, kwargs)  # nn.Module is not yet ready for attributes
        return network

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _, *others = inspect.signature(cls.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(others)  # else that of __new__, which takes anything
        cls.brings_loss = cls.own_loss is not SkeletonNetwork.own_loss
        cls.takes_copies = "copies" in inspect.signature(cls.forward_features).parameters

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        width: int | None = None,
    ):
        super().__init__()
        graph = torch.as_tensor(adjacency, dtype=torch.get_default_dtype())
        check_sizes(graph, channels, classes)
        self.config |= {"channels": channels, "classes": classes}
        self.register_buffer("A", graph.clone())
        if width != 0:
            self.head = nn.Linear(channels if width is None else width, classes)

    def forward(
        self,
        x: Float[Tensor, "N M T V C"],
        people: Int[Tensor, "N"] | None = None,
        labels: Int[Tensor, "N"] | None = None,
    ) -> Any:
        """Logits (N, classes), before any softmax. x: as `prepare_clip` makes it. Raises ValueError for other joints or
        channels.

        people: how many bodies of each clip are real; the others are computed once, see `clip_logits`.
        labels: while training a network with `own_loss`; then logits and that loss.
        """
        if labels is not None:
            return clip_logits_and_loss(self, x, people, labels)
        return self.training_logits(x, people) if self.training else clip_logits(self, x, people)

    def training_logits(
        self, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N classes"]:
        """The logits while training; by default as in evaluation."""
        return clip_logits(self, x, people)

    def whole_clips(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N M T V C"]:
        """What is done to clips before their bodies are seen apart, such as a norm over all people; by default nothing.

        People who are not there have to stay alike, where they were.
        """
        return x

    def by_person(self, y: Float[Tensor, "N M S V"]) -> Float[Tensor, "N M S V"]:
        """What was said of the joints that `whole_clips` gave, in the order of people and joints that clips have."""
        return y

    @staticmethod
    def kept_graph(graph: Float[Tensor, "K V V"]) -> Float[Tensor, "P V V"]:
        """What a network keeps as A of the graph that it is built with; by default all of it."""
        return graph

    def forward_features(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B S V D"]:
        """The features of each moment and joint of each body. No body depends on another.

        May also take `copies`: while training, the last body stands for that many equal bodies, and must be counted
        that often in all that is computed over the batch (BatchNorm). Without `copies` absent bodies are computed one
        by one.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define forward_features(self, x)")

    def features_and_more(
        self, x: Float[Tensor, "B T V C"], copies: int = 1
    ) -> tuple[Float[Tensor, "B S V D"], Tensor]:
        """`forward_features`, and what `own_loss` needs of each body (B, ...); by default the features again."""
        features = self.bodies(x, copies)
        return features, features

    def own_loss(
        self, more: Float[Tensor, "N M ..."], logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]
    ) -> Float[Tensor, ""]:
        """A loss that is added to the run's loss while training. Networks with such a loss define this method.

        more: of each person of each clip, from `features_and_more`. logits: without gradient.
        """
        raise NotImplementedError(f"{type(self).__name__} brings no loss")

    def beside_blocks(self, blocks: int) -> Sequence[str]:
        """Modules and parameters before the last of so many first blocks, which are frozen with these."""
        return ("data_norm",)

    def features(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N P S W D"]:
        """`forward_features` of each person; their mean through `head` gives the logits."""
        return clip_features(self, x)

    def bodies(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The earlier name of `forward_features`."""
        return self.forward_features(x, copies) if self.takes_copies else self.forward_features(x)

    def closed_form_parts(self) -> Sequence[ClosedForm]:
        """Networks in it whose heads are fitted to the training clips before training; by default none."""
        return ()

    def of_whole_bodies(self) -> Mapping[str, slice]:
        """Networks in it whose features are the same at every place, and which features these are; by default none."""
        return {}

    def see(self, x: Float[Tensor, "B T V C"]) -> None:
        """Take from training bodies what is not trained, before a head is fitted; by default nothing."""

    def undecayed(self) -> Sequence[Tensor]:
        """Parameters that no weight decay pulls to zero, whatever the recipe says; by default none."""
        return ()

    def choose_strides(self, widths: Sequence[int], strides: Sequence[int] | None) -> list[int]:
        """The strides of blocks of these widths, by the published rule if None; `config` records them."""
        chosen = published_strides(widths) if strides is None else list(strides)
        if "strides" in self.config and self.config["strides"] is None:
            self.config["strides"] = chosen
        return chosen

    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """A copy for inference; a class that can be made quicker returns one that computes in dtype.

        A copy that stays in float32 is run by `optimize` under autocast to dtype.
        """
        return deepcopy(self).eval().requires_grad_(False).float()

    def streamed(self) -> StreamedNetwork:
        """A copy whose `forward_features` is computed as frames arrive; of a class that says how.

        Raises NotImplementedError with the reason why features cannot be exact before the recording ends.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it is computed frame by frame")

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        """For classes with CHECKPOINTS: what it is built with, from the shapes of its tensors."""
        raise NotImplementedError(f"{cls.__name__} does not define config_of(tensors), which its CHECKPOINTS need")


def build_network(kind: Callable[..., nn.Module], adjacency: Tensor, channels: int, classes: int) -> nn.Module:
    """kind(adjacency, channels, classes), as a BlackBox where it is no SkeletonNetwork, or has a
    forward of its own that does not take `people`.

    kind: a class, or a partial of one with its options.
    """
    options = kind.keywords if isinstance(kind, partial) else {}
    kind = kind.func if isinstance(kind, partial) else kind
    bind_arguments(kind, adjacency, channels, classes, options)
    takes_people = "people" in inspect.signature(getattr(kind, "forward", kind)).parameters
    if isinstance(kind, type) and not (issubclass(kind, SkeletonNetwork) and takes_people):
        return BlackBox(kind, adjacency, channels, classes, **options)
    return kind(adjacency, channels, classes, **options)


def has_linear_head(network: nn.Module) -> bool:
    """Whether the logits are what one linear layer makes of the mean features; a class of the user's own may differ."""
    known = isinstance(network, SkeletonNetwork) and type(network).forward is SkeletonNetwork.forward
    return known and isinstance(network.head, nn.Linear) and network.head.bias is not None


def last_layer(network: nn.Module) -> nn.Linear:
    """The layer that makes the logits. Raises ValueError where there is none."""
    if not has_linear_head(network):
        raise ValueError(
            f"the last layer of {network_kind(network).__name__} is not known, which a temperature, new classes and "
            "ensembles need: that is `head`, an nn.Linear with bias, of a SkeletonNetwork without a forward of its own"
        )
    assert isinstance(network, SkeletonNetwork)
    return network.head


def divide_logits(network: nn.Module, temperature: float) -> nn.Module:
    """The network itself, its logits divided from now on. Raises ValueError as `last_layer`."""
    with torch.no_grad():
        for parameter in last_layer(network).parameters():
            parameter.div_(temperature)
    return network


def network_kind(network: nn.Module) -> type[nn.Module]:
    """The class of a network, of a BlackBox the class of what is in it."""
    return type(network.module) if isinstance(network, BlackBox) else type(network)


def network_class(name: str) -> type[nn.Module]:
    """The class that a weights file names: one of NETWORKS, or of a loaded plugin. Nothing else is ever imported.

    Raises ValueError that says what the name has to be.
    """
    if name in NETWORKS:
        module, _, attribute = name.rpartition(".")
        return getattr(import_module(module), attribute)
    found = plugin_classes().get(name)
    if found is not None and issubclass(found, nn.Module):
        return found
    module, _, attribute = name.rpartition(".")
    ours = {path.rpartition(".")[2]: path for path in NETWORKS}
    close = nearest(attribute, ours)
    needed = f" or of your plugins; did you mean '{ours[close]}'?" if close else " or of your plugins"
    if module.isidentifier() and attribute.isidentifier():
        needed = (
            f"; it needs --plugins {module}.py that defines class {attribute}: ask the author of the weights for that "
            "file, and use it only where you trust the author; or for an export (kinegraph export), which needs no file"
        )
    raise ValueError(f"asks for the network {quoted(name)}, expected one of kinegraph.models{needed}")


def rebuild(
    network: type[nn.Module], config: Mapping[str, Any], state: Mapping[str, Tensor], origin: object
) -> nn.Module:
    """network(graph, **config) with that state, in evaluation mode.

    Raises ValueError, which begins with the origin, when they do not fit each other.
    """
    try:
        model = _built_again(network, config, state)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(f"{origin} describes no {network.__name__}: {one_line(error)}") from None
    expected = model.state_dict()
    if wrong := sorted(expected.keys() ^ state.keys()):
        raise ValueError(f"{origin} {'lacks' if wrong[0] in expected else 'has an unknown'} tensor {quoted(wrong[0])}")
    for name, tensor in expected.items():
        found = state[name]
        if found.shape != tensor.shape or found.is_floating_point() != tensor.is_floating_point():
            raise ValueError(
                f"{origin}: tensor '{name}' is {tuple(found.shape)} of {found.dtype}, "
                f"expected {tuple(tensor.shape)} of {tensor.dtype}"
            )
    model.load_state_dict(state, assign=_is_ours(network))
    return model.eval()


def with_classes(network: "SkeletonNetwork", classes: int) -> "SkeletonNetwork":
    """A copy in evaluation mode, for another number of classes: what is sized by classes is zero, all else the same."""
    kind, config, state = type(network), network.config | {"classes": classes}, network.state_dict()
    expected = _built_again(kind, config, state).state_dict()
    sized = {
        name: tensor.clone() if tensor.shape == expected[name].shape else tensor.new_zeros(expected[name].shape)
        for name, tensor in state.items()
    }
    copied = rebuild(kind, config, sized, f"this {kind.__name__}")
    assert isinstance(copied, SkeletonNetwork)
    return copied


def _built_again(network: type[nn.Module], config: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    options = {name: value for name, value in config.items() if name not in ("channels", "classes")}
    arguments = partial(network, **options), graph_of(state), config["channels"], config["classes"]
    if _is_ours(network):
        with torch.device("meta"):  # shapes alone: no memory for what the file only claims, no random numbers
            return build_network(*arguments)
    dtypes = [tensor.dtype for name, tensor in state.items() if tensor.is_floating_point() and name != "A"]
    with torch.random.fork_rng(devices=[]):  # constructors of users may not know of the device "meta"
        return build_network(*arguments).to(dtypes[0] if dtypes else None)


def graph_of(state: Mapping[str, Tensor]) -> Tensor:
    """The graph (K, V, V) a network was built with; where all blocks learned their own, the first block's."""
    if (graph := state.get("A", state.get("blocks.0.graph"))) is None:
        raise ValueError("it lacks the tensor 'A', the graph")
    return graph


def _is_ours(network: type[nn.Module]) -> bool:
    return f"{network.__module__}.{network.__qualname__}" in NETWORKS


def arguments_of(kind: type[nn.Module], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor by name, defaults too, as plain values.

    Not the first one, the graph; the next two are "channels" and "classes", whatever the class calls them.
    """
    signature = inspect.signature(kind)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return {}  # the constructor says what is wrong; and copying calls __new__ without arguments
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for place, (name, value) in enumerate(bound.arguments.items()):
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif place:
            found[("channels", "classes")[place - 1] if place < 3 else name] = value
    return {name: plain(value) for name, value in found.items()}
