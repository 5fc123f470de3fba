"""What a run is made of: what follows from the recipe and the machine."""

from functools import partial

import pytest
import torch

from kinegraph.models.ensemble import Ensemble
from kinegraph.models.jointdistances import JointDistances
from kinegraph.models.stgcn import STGCN
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from kinegraph.training.distributed import start_processes
from kinegraph.training.options import TrainOptions
from kinegraph.training.setup import drop_before_head, open_data, with_streams
from tests import made_up


@pytest.mark.parametrize(("fp32", "bf16", "precision"), [(2, 1, "bf16-mixed"), (1, 2, "32-true"), (1, 1, "32-true")])
def test_precision_auto_is_the_one_measured_faster(monkeypatch, tmp_path, fp32, bf16, precision):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    times = {"32-true": fp32, "bf16-mixed": bf16}
    monkeypatch.setattr(
        "kinegraph.models.quickest.milliseconds", lambda calls, _=None: {name: times.get(name, 1) for name in calls}
    )
    state = torch.get_rng_state()
    assert start_processes("cpu", 1, precision="auto").strategy.precision.precision == precision
    assert torch.equal(torch.get_rng_state(), state)


def test_epochs_auto_are_as_many_for_two_processes_with_half_of_the_batch(tmp_path):
    """They are to train to the weights of one."""
    made_up.dataset(tmp_path / "data", count=480)  # 320 to train
    usual = {"dataset": tmp_path / "data", "split": "xsub", "epochs": "auto"}
    sizes = [{"batch_size": 16}, {"batch_size": 8, "devices": 2}, {"batch_size": 4, "devices": 2, "nodes": 2}]
    one, *several = (open_data(TrainOptions(**usual, **size)).epochs for size in sizes)
    assert several == [one, one]


def test_a_class_with_streams_is_built_for_those_of_the_preprocessing():
    class Own(STGCN):
        def __init__(self, adjacency, channels, classes, *, streams: list[str] = ()): ...  # of another meaning

    members = [{"network": "kinegraph.models.jointdistances.JointDistances"}]
    assert with_streams(partial(Ensemble, members=members), 4).keywords == {"members": members, "streams": 4}
    assert with_streams(JointDistances, 2).keywords == {"streams": 2}
    assert with_streams(partial(JointDistances, streams=1), 2).keywords == {"streams": 1}  # as the recipe says
    assert with_streams(STGCN, 4) is STGCN
    assert with_streams(Own, 4) is Own


def test_dropout_before_the_head_is_of_training_alone():
    torch.manual_seed(0)
    network = STGCN(adjacency(load_layout("ntu25")), 3, 4)
    seen = []
    network.head.register_forward_pre_hook(lambda head, given: seen.append(given[0]))
    drop_before_head(network, 0.5)
    network.head.register_forward_pre_hook(lambda head, given: seen.append(given[0]))
    clips = torch.randn(2, 2, 8, 25, 3)
    network(clips)
    before, after = seen
    dropped = after == 0
    assert 0.3 < dropped.double().mean() < 0.7
    assert torch.equal(after[~dropped], 2 * before[~dropped])  # the rest makes up for it
    network.eval()(clips)
    assert torch.equal(seen[2], seen[3])
    members = [{"network": "kinegraph.models.stgcn.STGCN", "streams": [0]}]
    with pytest.raises(ValueError, match="Ensemble has several heads while training"):
        drop_before_head(Ensemble(adjacency(load_layout("ntu25")), 3, 4, members=members), 0.5)


def test_half_precision_on_a_cpu_is_said_in_a_line(capsys, recwarn):
    fabric = start_processes("cpu", 1, precision="16-mixed")
    assert fabric.strategy.precision.precision == "bf16-mixed"
    assert capsys.readouterr().err == "warning: 16-mixed needs a GPU; on this CPU it is bf16-mixed\n"
    assert not recwarn.list
