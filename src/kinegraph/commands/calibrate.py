"""`kinegraph calibrate WEIGHTS RESULT --out NEW`: probabilities that say how often answers are right."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinegraph.files import check_new_file
from kinegraph.messages import counted


def calibrate(
    weights: Path,
    result: Path,
    *,
    out: Path,
    accepted: float = 0.95,
    overwrite: bool = False,
    plugins: list[Path] | None = None,
) -> None:
    """Make probabilities say how often answers are right, and say below which a clip is rather none of the classes.

    Logits are divided by one number, the temperature, which goes into the last layer: the likeliest class stays the
    same, where the network looks at one view of a clip. It is fitted on clips that the network was not trained on:
    those of `kinegraph crossval` with the same config, or of a validation part.

    Args:
        weights: a .safetensors file or a run folder.
        result: the result.pkl of `kinegraph crossval` or `kinegraph test`, with its .json beside it.
        out: weights file to write, NAME.safetensors.
        accepted: share of the rightly answered new clips that reach the least probability.
        overwrite: replace the file that is there.
        plugins: Python files that define the network, where the weights name one of your own.

    Examples:
        kinegraph calibrate runs/small_data folds/result.pkl --out mine.safetensors
    """
    if not 0 < accepted < 1:
        raise ValueError(f"--accepted is {accepted}, expected a share between 0 and 1")
    check_new_file(out, (".safetensors",), overwrite=overwrite)

    from kinegraph.commands.reading import weights_first
    from kinegraph.evaluation.about_result import read_evaluation
    from kinegraph.evaluation.calibration import TEMPERATURES, best_temperature, calibration, least_probability
    from kinegraph.evaluation.evaluation import Evaluation
    from kinegraph.models.network import divide_logits
    from kinegraph.models.weights import load_weights, save_weights
    from kinegraph.models.weights_path import find_weights

    weights, (result,) = weights_first("calibrate", weights, [result])
    known, (tested, about_test) = load_weights(weights), read_evaluation(result)
    if (before := known.extra.get("temperature")) is not None:
        raise ValueError(
            f"{weights} is calibrated already, by temperature {before:.2f}, and a result of the network before that "
            "would count twice; give the weights that it was made of"
        )
    if tested.class_names != tuple(known.class_names):
        raise ValueError(f"{result} has other classes than {weights}")
    if tested.part == "train":
        raise ValueError(f"{result} is of clips that the network was trained on; give one of others")
    if not tested.right.any():
        raise ValueError(
            f"{result}: of its {counted(len(tested.labels), 'clip')} none is answered right, so nothing can be fitted"
        )
    always = bool(tested.right.all())  # then the sharpest probabilities would be likeliest, however few clips there are
    temperature = 1.0 if always else best_temperature(tested.scores, tested.labels)
    least = least_probability(tested.scores / temperature, tested.labels, accepted)
    divide_logits(known.model, temperature)
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    half = known.extra.get("stored") == "float16"
    extra = known.extra | {"least_probability": least, "temperature": temperature}
    save_weights(out, known.model, **about, extra=extra, half=half)
    after = Evaluation(tested.scores / temperature, tested.labels, tested.names, tested.class_names)
    first, now = (calibration(result.confidence, result.right).error for result in (tested, after))
    why = "; all of them are answered right, which does not tell how often others are wrong" if always else ""
    if temperature in (TEMPERATURES[0], TEMPERATURES[-1]):
        why = "; it is the last that was tried, as these clips do not decide it: give more, or better answers" + why
    print(f"{out}: temperature {temperature:.2f} by {counted(len(tested.labels), 'clip')}{why}")
    print(f"calibration error {first:.1%} -> {now:.1%}; below a probability of {least:.2%} rather none of the classes")
    _say_views(known.preprocessing, out)
    _say_promise(int(tested.right.sum()), accepted)
    of = Path(str(about_test["environment"].get("weights", "")))  # a result of crossval names none
    of = find_weights(of) if of.is_dir() and of != Path() else of
    if of != Path() and of.resolve() != (own := find_weights(weights)).resolve():
        print(f"note: {result} is of {of}, not of {own}: the temperature is that network's")


def _say_views(preprocessing: Mapping[str, Any], out: Path) -> None:
    """Print where the probabilities of a clip are the mean over views: they do not change as the mean's logarithm."""
    if (views := preprocessing.get("test_clips", 1) * (1 + preprocessing.get("test_mirror", False))) > 1:
        print(
            f"note: an answer is the mean probability of {views} views of a clip. The temperature divides the logits "
            "of each view, and was fitted to their mean: these figures are not exact, and a few answers may become "
            f"others; `kinegraph test` with {out} gives its own"
        )


def _say_promise(right: int, accepted: float) -> None:
    """Print where so few right answers cannot promise the share."""
    from kinegraph.evaluation.calibration import promised

    if (kept := promised(right, accepted)) < accepted:
        print(
            f"note: {counted(right, 'right answer')} cannot promise --accepted {accepted:g}: of new clips that are "
            f"answered right, about {kept:.1%} reach this probability"
        )
