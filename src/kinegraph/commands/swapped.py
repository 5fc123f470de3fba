"""Words of a command line in another order than the command expects them: understood, and said."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kinegraph.models.zoo import zoo_names


def weights_first(verb: str, weights: Path, others: Sequence[Path]) -> tuple[Path, list[Path]]:
    """The weights and the other words of `kinegraph VERB WEIGHTS ...`, if one of the others is the weights."""
    found = [path for path in others if _are_weights(path)]
    if _are_weights(weights) or not weights.exists() or len(found) != 1:
        return weights, list(others)
    rest = [weights, *(path for path in others if path is not found[0])]
    _say(verb, [found[0], *rest])
    return found[0], rest


def config_first(verb: str, config: Path, weights: Path) -> tuple[Path, Path]:
    """The words of `kinegraph VERB CONFIG WEIGHTS`."""
    if weights.suffix not in (".yaml", ".yml") or not _are_weights(config):
        return config, weights
    _say(verb, [weights, config])
    return weights, config


def with_config_of_run(argv: Sequence[str]) -> list[str]:
    """The words of `kinegraph test RUN ...` with the config of the run before it, where a run folder stands alone."""
    alone = bool(argv) and (len(argv) == 1 or argv[1].startswith("-"))
    if not alone or argv[0].startswith("-") or not (config := Path(argv[0]) / "config.yaml").is_file():
        return list(argv)
    return [str(config), *argv]


def _are_weights(path: Path) -> bool:
    """A weights file or checkpoint, a run folder, or a name in the zoo."""
    if path.is_dir():
        if (path / "checkpoint").is_file():  # of TensorFlow
            return True
        return (path / "checkpoints").is_dir() or (path / "last.safetensors").is_file()
    return path.suffix in (".safetensors", ".pth", ".pt", ".index") or (not path.exists() and str(path) in zoo_names())


def _say(verb: str, words: Sequence[Path]) -> None:
    print(f"note: read as kinegraph {verb} {' '.join(map(str, words))}", file=sys.stderr)
