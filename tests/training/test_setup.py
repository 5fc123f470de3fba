"""What a run is made of: what follows from the recipe and the machine."""

from functools import partial

import pytest
import torch

from kinegraph.models.ensemble import Ensemble
from kinegraph.models.jointdistances import JointDistances
from kinegraph.models.stgcn import STGCN
from kinegraph.training.distributed import start_processes
from kinegraph.training.setup import with_streams


@pytest.mark.parametrize(("fp32", "bf16", "precision"), [(2, 1, "bf16-mixed"), (1, 2, "32-true"), (1, 1, "32-true")])
def test_precision_auto_is_the_one_measured_faster(monkeypatch, tmp_path, fp32, bf16, precision):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    times = {"32-true": fp32, "bf16-mixed": bf16}
    monkeypatch.setattr(
        "kinegraph.models.quickest.milliseconds", lambda calls: {name: times.get(name, 1) for name in calls}
    )
    state = torch.get_rng_state()
    assert start_processes("cpu", 1, precision="auto").strategy.precision.precision == precision
    assert torch.equal(torch.get_rng_state(), state)


def test_a_class_with_streams_is_built_for_those_of_the_preprocessing():
    class Own(STGCN):
        def __init__(self, adjacency, channels, classes, *, streams: list[str] = ()): ...  # of another meaning

    members = [{"network": "kinegraph.models.jointdistances.JointDistances"}]
    assert with_streams(partial(Ensemble, members=members), 4).keywords == {"members": members, "streams": 4}
    assert with_streams(JointDistances, 2).keywords == {"streams": 2}
    assert with_streams(partial(JointDistances, streams=1), 2).keywords == {"streams": 1}  # as the recipe says
    assert with_streams(STGCN, 4) is STGCN
    assert with_streams(Own, 4) is Own
