"""Batches: each clip once, and nothing but (seed, epoch, clip) decides what is drawn for it."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.data.augment import Augmentation
from kinegraph.data.dataset import write_dataset
from kinegraph.data.loading import ClipDataset, EpochBatches, class_balanced, fixed_loader, train_loader
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("ntu25")
HOW = Preprocessing(sampling="resample", frames=8, augment=Augmentation(rotation=(1, 1, 1), crop=0.5))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    rng = np.random.default_rng(0)
    made = [
        SkeletonClip(rng.normal(size=(1 + i % 2, 10 + i, 25, 3)).astype(np.float32), LAYOUT, name=f"c{i}", label=i % 3)
        for i in range(11)
    ]
    path = tmp_path_factory.mktemp("loading") / "dataset"
    folder = write_dataset(path, made, layout=LAYOUT, class_names=["a", "b", "c"], units="m", source="made up")
    return ClipDataset(folder, np.arange(11), HOW, seed=5)


def drawn(loader):
    """{position: what the network sees}"""
    return {int(p): view.numpy() for views, _, _, positions in loader for p, view in zip(positions, views, strict=True)}


def test_workers_and_processes_change_nothing(clips):
    alone = drawn(train_loader(clips, 4, epoch=2))
    assert len(alone) == 11
    several = drawn(train_loader(clips, 4, epoch=2, workers=2))
    shared = drawn(train_loader(clips, 2, epoch=2, rank=0, processes=2)) | drawn(
        train_loader(clips, 2, epoch=2, rank=1, processes=2)
    )
    for other in (several, shared):
        assert other.keys() == alone.keys()
        assert all(np.array_equal(other[position], alone[position]) for position in alone)
    again = drawn(train_loader(clips, 4, epoch=3))
    assert not any(np.array_equal(again[position], alone[position]) for position in alone)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_scheduler_stops_the_run_and_not_its_workers(clips, number):
    """What comes to the run itself at this moment is not lost: it waits until the workers are there."""
    loading = iter(train_loader(clips, 1, epoch=0, workers=2))
    for worker in loading._workers:  # perhaps before they have begun
        os.kill(worker.pid, number)
    first = next(loading)
    for worker in loading._workers:
        os.kill(worker.pid, number)
    assert len([first, *loading]) == 11
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


@given(
    st.integers(1, 60), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(0, 10)
)
def test_an_epoch_is_a_permutation_shared_out(clips_count, batch_size, seed, epoch, processes, skip):
    shares = [EpochBatches(clips_count, batch_size, seed, epoch, 0, rank, processes) for rank in range(processes)]
    keys = [key for share in shares for batch in share for key in batch]
    assert {position for _, position in keys} == set(range(clips_count))
    assert len(keys) == -(-clips_count // processes) * processes  # nobody twice but to fill up the last row
    for rank, share in enumerate(shares):
        rest = EpochBatches(clips_count, batch_size, seed, epoch, skip, rank, processes)
        assert list(rest) == list(share)[skip:]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 100), st.integers(0, 9))
def test_class_balanced_draws(labels, draws, seed):
    labels = np.array(labels)
    drawn = class_balanced(labels, draws, np.random.default_rng(seed))
    assert len(drawn) == draws == len(set(drawn.tolist()))  # a clip that comes back has another position
    per_class = np.bincount(labels[drawn % len(labels)], minlength=5)[np.unique(labels)]
    assert per_class.max() - per_class.min() <= 1
    for label in np.unique(labels):  # no clip of a class a second time before all had their turn
        turns = np.bincount((drawn % len(labels))[labels[drawn % len(labels)] == label], minlength=len(labels))
        turns = turns[labels == label]
        assert turns.max() - turns.min() <= 1


def test_class_balanced_epochs_follow_from_seed_and_epoch_alone(clips):
    labels = np.array([0] * 9 + [1] * 2)
    whole, again = (EpochBatches(11, 3, seed=5, epoch=2, labels=labels) for _ in range(2))
    assert list(whole) == list(again)
    assert list(EpochBatches(11, 3, seed=5, epoch=2, skip=2, labels=labels)) == list(whole)[2:]
    assert list(EpochBatches(11, 3, seed=5, epoch=3, labels=labels)) != list(whole)
    views = drawn(train_loader(clips, 4, epoch=1, balanced=True))
    assert len(views) == 11


def test_testing_visits_every_clip_once_over_all_processes(clips):
    fixed = ClipDataset(clips.folder, clips.indices, HOW)
    seen = [
        int(p)
        for rank in range(3)
        for *_, positions in fixed_loader(fixed, 2, rank=rank, processes=3)
        for p in positions
    ]
    assert sorted(seen) == list(range(11))


def test_repeating_gives_other_views_of_the_same_clips(clips):
    twice = drawn(train_loader(clips, 4, epoch=0, repeat=2))
    assert sorted(twice) == list(range(22))
    assert not np.array_equal(twice[0], twice[11])


def test_batches_say_how_many_people_are_there(clips):
    (_, labels, people, positions), *_ = fixed_loader(ClipDataset(clips.folder, clips.indices, HOW), 11)
    assert people.tolist() == [1 + p % 2 for p in positions.tolist()]
    assert labels.tolist() == [p % 3 for p in positions.tolist()]


def test_a_blended_clip_lies_on_the_way_to_another_of_its_class_and_number_of_people(clips):
    plain = replace(HOW, augment=Augmentation())
    blended = ClipDataset(clips.folder, clips.indices, replace(plain, augment=Augmentation(mixup=1.0)), seed=5)
    still = ClipDataset(clips.folder, clips.indices, plain, seed=5)
    label, people = clips.folder.label, clips.folder.people
    for position in range(len(clips)):
        alike = np.flatnonzero((label == label[position]) & (people == people[position]))
        own, moved = still[0, position][0], blended[0, position][0]
        ways = [still[0, other][0] - own for other in alike.tolist()]
        shares = [((moved - own) * way).sum() / max((way**2).sum(), 1e-9) for way in ways]
        on = [np.allclose(moved - own, share * way, atol=1e-5) for share, way in zip(shares, ways, strict=True)]
        assert any(0 <= share <= 0.5 for share, fits in zip(shares, on, strict=True) if fits)


def test_lent_limbs_change_nothing_but_bone_lengths(clips):
    plain = replace(HOW, people=1, augment=Augmentation())
    lent = ClipDataset(clips.folder, clips.indices, replace(plain, augment=Augmentation(bone_lengths=1.0)), seed=5)
    still = ClipDataset(clips.folder, clips.indices, plain, seed=5)
    own, other = (np.concatenate([data[0, i][0][:, 0] for i in range(len(clips))]) for data in (still, lent))
    assert not np.allclose(own, other, atol=0.1)
    bones = [view - view[:, :, list(LAYOUT.parents)] for view in (own, other)]
    lengths = [np.linalg.norm(bone, axis=-1) for bone in bones]
    np.testing.assert_allclose((bones[0] * bones[1]).sum(-1), lengths[0] * lengths[1], atol=1e-3)
