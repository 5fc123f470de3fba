"""The learning rate over time, on numbers worked out by hand; the optimizer under 16-mixed."""

import pytest
import torch
from lightning_fabric.plugins.precision.amp import MixedPrecision

from kinegraph.training.optim import Schedule, unfuse


def test_published_steps():
    """lr 0.1, x0.1 after epochs 10 and 50, as MMAction2 0.x: epochs counted from 1, ten at the first rate."""
    schedule = Schedule("step", milestones=(10, 50))
    rates = [schedule.factor(epoch * 7 + 6, steps=80 * 7, epochs=80) for epoch in range(80)]
    assert rates[:10] == [1.0] * 10
    assert rates[10:50] == pytest.approx([0.1] * 40)
    assert rates[50:] == pytest.approx([0.01] * 30)


def test_step_falls_on_the_first_batch_of_an_epoch_whatever_the_number_of_batches():
    for batches in range(1, 60):
        schedule = Schedule("step", milestones=(3,))
        factors = [schedule.factor(step, steps=10 * batches, epochs=10) for step in range(10 * batches)]
        assert factors.index(0.1) == 3 * batches


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (Schedule("step", milestones=(10, 50), warmup_steps=20), []),
        (Schedule("cosine", warmup=0.1, floor=0.1, period=5), []),
        (Schedule("step", milestones=(10, 80, 90)), ["schedule.milestones 80, 90 do nothing"]),
        (Schedule("cosine", milestones=(10,)), ["schedule.milestones does nothing with kind cosine"]),
        (Schedule("step", floor=0.5, period=3), ["schedule.floor does", "schedule.period does"]),
        (Schedule("cosine", warmup_steps=1600), ["800 steps, fewer than schedule.warmup_steps, so 50% of the rate"]),
    ],
)
def test_what_of_a_schedule_does_nothing_is_said(schedule, said):
    found = schedule.remarks(steps=800, epochs=80)
    assert [part in line for part, line in zip(said, found, strict=True)] == [True] * len(said)
    if "warmup_steps" in "".join(said):
        assert max(schedule.factor(step, 800, 80) for step in range(800)) == pytest.approx(0.5)


def test_cosine_with_warmup():
    schedule = Schedule("cosine", warmup=0.1)
    factors = [schedule.factor(step, steps=100, epochs=5) for step in range(100)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert factors[55] == pytest.approx(0.5)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001


def test_warmup_in_steps_and_a_cosine_that_ends_above_zero():
    """mmcv's warmup_iters and min_lr: 4 steps of rise, then from 1 to 0.1, half way at (1 + 0.1) / 2."""
    schedule = Schedule("cosine", warmup_steps=4, floor=0.1)
    factors = [schedule.factor(step, steps=24, epochs=2) for step in range(25)]
    assert factors[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert (factors[14], factors[24]) == pytest.approx((0.55, 0.1))
    with pytest.raises(ValueError, match="warmup_steps is 4, expected 0 or more, without warmup"):
        Schedule(warmup=0.1, warmup_steps=4)


def test_a_cosine_of_some_epochs_rises_again_as_torchs_does():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=16)
    ours = Schedule("cosine", period=16)
    for epoch in range(80):
        assert ours.factor(epoch, 80, 80) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


WRONG = [
    {"kind": "poly"},
    {"period": -1.0},
    {"warmup": 1.0},
    {"warmup": -0.1},
    {"milestones": (50, 10)},
    {"floor": 1.0},
]
WRONG += [{"milestones": (-1, 10)}, {"gamma": -0.1}, {"milestones": (float("nan"),)}]


@pytest.mark.parametrize("wrong", WRONG)
def test_impossible_schedules_are_named(wrong):
    with pytest.raises(ValueError, match=f"schedule.{next(iter(wrong))}"):
        Schedule(**wrong)


def test_a_fused_optimizer_can_be_clipped_under_16_mixed():
    """Fabric refuses to clip gradients of a fused optimizer; without that the step is the one of an unfused."""
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2)]
    fused, plain = (torch.optim.AdamW([w], fused=fuse) for w, fuse in zip(weights, (True, None), strict=True))
    unfuse(fused)
    precision = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu"))
    for weight, optimizer in zip(weights, (fused, plain), strict=True):
        (precision.scaler.scale((weight**3).sum())).backward()
        precision.unscale_gradients(optimizer)
        optimizer.step()
    assert torch.equal(*weights)
