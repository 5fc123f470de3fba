"""The ranges of options that are numbers."""

from dataclasses import fields
from typing import Any

LARGEST = 2**63 - 1  # what torch takes as a seed
MOST = {"workers": 128, "devices": 64, "nodes": 10_000}  # processes: more would take the machine's memory


def check_numbers(least: int = 1, **numbers: int | None) -> None:
    """Raises ValueError naming the option that is smaller than `least`, or larger than a machine can bear."""
    for name, number in numbers.items():
        if number is not None and number < least:
            raise ValueError(f"{name} is {number}, expected at least {least}")
        if number is not None and number > (most := MOST.get(name, LARGEST)):
            raise ValueError(f"{name} is {number}, expected at most {most}")


def check_ranges(options: Any) -> None:
    """Raises ValueError for the first option of a data class that is outside of its range."""
    for it in fields(options):
        least, above, number = it.metadata["least"], it.metadata["above"], getattr(options, it.name)
        if least is not None and not isinstance(number, str):
            check_numbers(least, **{it.name: number})
        if above is not None and number is not None and not number > above:
            raise ValueError(f"{it.name} is {number:g}, expected more than {above}")
