"""The player's page and figures: what is in them, and that it is what was recorded."""

import base64
import json
import re

import numpy as np
import pytest

from kinegraph.report.player import UNSEEN, player_css, player_fragment, player_html
from kinegraph.report.scene import Answers, Scene, answers_of
from tests.report import moving

NASTY = "<script>alert(1)</script>\"'& <b>"


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def coordinates(data: dict) -> np.ndarray:
    whole = np.frombuffer(base64.b64decode(data["points"]), "<i2").reshape(data["shape"]).astype(float)
    return np.where(whole == UNSEEN, np.nan, np.array(data["origin"]) + data["step"] * whole)


def test_coordinates_are_kept_to_a_tenth_of_a_millimetre_and_unseen_joints_stay_away():
    clip = moving.clip(people=2)
    clip.keypoint[1, 5, 3] = 0
    found = coordinates(data_of(player_html(Scene(clip))))
    unseen = np.isnan(found).all(axis=-1)
    assert np.argwhere(unseen).tolist() == [[1, 5, 3]]
    assert np.abs(found - clip.keypoint)[~unseen].max() < 1e-4


def test_a_joint_of_no_confidence_is_not_seen_and_others_keep_theirs():
    clip = moving.flat_clip()
    data = data_of(player_html(Scene(clip)))
    wrist = clip.layout.joints.index("left_wrist")
    assert np.isnan(coordinates(data)[:, :, wrist]).all()
    score = np.frombuffer(base64.b64decode(data["score"]), np.uint8) / 255
    assert np.allclose(score, clip.score.ravel(), atol=1 / 510)


def test_a_page_of_ten_seconds_with_two_people_is_small():
    clip = moving.clip(people=2, frames=300)
    classes = [f"class {i}" for i in range(120)]
    answers = Answers(classes, np.arange(301), np.full((300, 120), 1 / 120))
    page = player_html(Scene(clip, answers=answers, importance=np.ones((2, 300, 25))))
    assert len(page.encode()) < 400_000


def test_text_from_data_stays_text_and_nothing_is_loaded_from_elsewhere():
    scene = Scene(
        moving.clip(name=NASTY), note=NASTY, label=NASTY, answers=Answers([NASTY, "b"], [0, 40], [[0.9, 0.1]])
    )
    page = player_html(scene, heading=NASTY)
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert page.count("<script") == 2  # the data and the player
    assert data_of(page)["answers"]["names"][0] == NASTY
    assert not re.search(r"(src|href)=|url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)


def test_the_style_sheet_touches_players_only():
    plain = re.sub(r"@media[^{]*\{|/\*.*?\*/", "", player_css(), flags=re.DOTALL)
    selectors = [one for block in re.findall(r"([^{}]+)\{", plain) for one in block.split(",")]
    assert len(selectors) > 40
    assert all(selector.strip().startswith(".kg-player") for selector in selectors)


def test_answers_lead_with_the_classes_that_win():
    answers = Answers(["a", "b", "c", "d"], [0, 10, 30, 40], [[0.6, 0.1, 0.3, 0], [0.1, 0.1, 0.8, 0], [0, 0, 0, 0]])
    assert answers.best().tolist() == [0, 2, -1]
    assert answers.winners() == [2, 0]
    assert answers.leading(3) == [2, 0, 1]
    assert [answers.at(frame).argmax() for frame in (-5, 0, 9, 10, 29)] == [0, 0, 0, 2, 2]


def test_nothing_is_said_between_the_stretches_of_a_timeline():
    answers = answers_of(["a", "b"], [(0, 10, np.array([0.9, 0.1])), (15, 20, np.array([0.2, 0.8]))])
    assert answers.edges.tolist() == [0, 10, 15, 20]
    assert answers.best().tolist() == [0, -1, 1]
    assert data_of(player_fragment(Scene(moving.clip(), answers=answers)))["answers"]["best"] == [0, -1, 1]


def test_a_rate_that_nobody_knows_is_not_told_as_seconds():
    assert Scene(moving.clip()).time(30) == "frame 31"
    assert Scene(moving.clip(fps=25.0)).time(30) == "1.20 s"
    assert not data_of(player_fragment(Scene(moving.clip())))["timed"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Answers(["a"], [0, 5], [[0.5, 0.5]]), "expected 1 spans and 1 classes"),
        (lambda: Answers(["a"], [0, 5, 5], [[1.0], [1.0]]), "expected frames that rise"),
        (lambda: Scene(moving.clip(), importance=np.ones((1, 40, 3))), r"people, frames and joints are \(1, 40, 25\)"),
        (lambda: Scene(moving.clip(frames=0)), "nothing to draw"),
        (lambda: player_html(Scene(_filled(0))), "shows nobody"),
        (lambda: player_html(Scene(_filled(np.nan))), "not finite"),
    ],
)
def test_what_cannot_be_shown_is_said(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def _filled(value: float):
    clip = moving.clip()
    clip.keypoint[:] = value
    return clip
