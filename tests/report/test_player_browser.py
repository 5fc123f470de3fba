"""The player in a browser: played, scrubbed, turned, pointed at, on a desk and on a phone."""

import numpy as np
import pytest
from PIL import Image

from kinegraph.report.player import player_css, player_fragment, player_html, player_js
from kinegraph.report.scene import Answers, Scene
from kinegraph.report.stage import project, stage_of
from tests.browser import needs_browser, open_page
from tests.report import moving

pytestmark = needs_browser

FIGURE = "document.querySelector('.kg-player')"
CLASSES = ["stand", "lift <i>the</i> hand", "wave"]


def scene() -> Scene:
    """Two people, the first stands still before the hand goes up."""
    answers = Answers(CLASSES, [0, 20, 40], [[0.9, 0.06, 0.04], [0.2, 0.7, 0.1]])
    clip = moving.clip(people=2, fps=20.0)
    return Scene(clip, title="A lift", label=CLASSES[1], answers=answers)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    file = tmp_path_factory.mktemp("player") / "lift.html"
    file.write_text(player_html(scene()), encoding="utf-8")
    with open_page(file, 900, 1000) as page:
        page.until(f"{FIGURE}.player && {FIGURE}.player.places().length")
        page.folder = file.parent
        yield page
        assert page.messages == []  # no errors, no requests


@pytest.fixture(autouse=True)
def at_the_start(page):
    page.run(f"{FIGURE}.player.pause(), {FIGURE}.player.seek(0), {FIGURE}.player.setSpeed(1)")
    page.until(f"{FIGURE}.dataset.frame === '0' && {FIGURE}.dataset.playing === 'false'")


def frame(page) -> int:
    return int(page.run(f"{FIGURE}.dataset.frame"))


def spots(page) -> np.ndarray:
    """Where joints are drawn, (people, joints, 2)."""
    found = page.run(f"new Promise(r => requestAnimationFrame(() => r({FIGURE}.player.places().map(p => p.spots))))")
    return np.array(found)[..., :2]


def test_play_goes_on_and_pause_stays(page):
    page.click(".kg-play")
    page.until(f"Number({FIGURE}.dataset.frame) > 3")
    assert page.run("document.querySelector('.kg-play').ariaLabel") == "Pause"
    page.click(".kg-play")
    page.until(f"{FIGURE}.dataset.playing === 'false'")
    at = frame(page)
    page.run("new Promise(r => setTimeout(r, 150))")
    assert frame(page) == at
    assert f"{at + 1} / 40" in page.run("document.querySelector('.kg-clock').textContent")


def test_it_begins_again_at_the_end(page):
    page.run(f"{FIGURE}.player.setSpeed(4), {FIGURE}.player.seek(38), {FIGURE}.player.play()")
    page.until(f"Number({FIGURE}.dataset.frame) < 30")


def test_scrubbing_goes_to_the_time_pointed_at(page):
    page.click(".kg-scrub", across=0.75)
    page.until(f"{FIGURE}.dataset.frame !== '0'")
    assert 27 <= frame(page) <= 31
    assert "seconds" in page.run("document.querySelector('.kg-scrub').getAttribute('aria-valuetext')")


def test_joints_are_where_python_puts_them(page):
    stage = stage_of(scene())
    box = "document.querySelector('canvas').getBoundingClientRect()"
    width, height = page.run(f"(({{width, height}}) => [width, height])({box})")
    for at in (0, 33):
        page.run(f"{FIGURE}.player.seek({at})")
        page.until(f"{FIGURE}.dataset.frame === '{at}'")
        assert np.abs(spots(page) - project(stage, stage.points[:, at], width, height)[0]).max() < 0.2


def test_keys_step_zoom_and_turn(page):
    page.run("document.querySelector('canvas').focus()")
    for key, expected in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 39), ("Home", 0)]:
        page.key(key)
        page.until(f"{FIGURE}.dataset.frame === '{expected}'")
    before = spots(page)
    page.key("+")
    near = spots(page)
    assert np.ptp(near[..., 1]) > 1.1 * np.ptp(before[..., 1])
    page.key("a")
    assert np.abs(spots(page) - near).max() > 3
    page.key("0")
    assert np.allclose(spots(page), before)
    page.key(" ")
    page.until(f"{FIGURE}.dataset.playing === 'true'")


def test_dragging_turns_the_view_and_a_double_click_turns_it_back(page):
    before = spots(page)
    x, y = page.spot("canvas")
    page.mouse("mousePressed", x, y)
    page.mouse("mouseMoved", x + 120, y)
    page.mouse("mouseReleased", x + 120, y)
    turned = spots(page)
    assert np.abs(turned - before).max() > 20
    page.run("document.querySelector('canvas').dispatchEvent(new MouseEvent('dblclick'))")
    assert np.allclose(spots(page), before)


def test_pointing_at_a_joint_tells_its_name(page):
    layout = scene().clip.layout
    hand = spots(page)[1, layout.joints.index("left_wrist")]
    left, top = page.run("(({x, y}) => [x, y])(document.querySelector('canvas').getBoundingClientRect())")
    page.hover(left + hand[0], top + hand[1])
    page.until("!document.querySelector('.kg-name').hidden")
    assert page.run("document.querySelector('.kg-name').textContent") == "left_wrist · Person 2"


def test_a_person_is_left_out_and_comes_back(page):
    chip = "document.querySelectorAll('.kg-chip')[1]"
    page.run(f"{chip}.click()")
    assert spots(page).shape[0] == 1
    assert page.run(f"{chip}.ariaPressed") == "false"
    page.run(f"{chip}.click()")
    assert spots(page).shape[0] == 2


def test_answers_follow_the_time(page):
    best = "document.querySelector('.kg-best').textContent"
    assert "stand" in page.run(best)
    page.run(f"{FIGURE}.player.seek(30)")
    page.until(f"{best}.includes('lift <i>the</i> hand70.0 %')")
    page.click(".kg-course", across=0.25)
    page.until(f"{best}.includes('stand90.0 %')")
    assert 8 <= frame(page) <= 11


def test_a_screenshot_shows_people_in_their_colours(page):
    file = page.screenshot(page.folder / "desk.png")
    image = np.asarray(Image.open(file).convert("RGB")).astype(int)
    red, green, blue = np.moveaxis(image, -1, 0)
    assert ((blue - red > 80) & (blue - green > 60)).sum() > 300  # the first one's right side
    assert ((red - blue > 100) & (red - green > 60)).sum() > 300  # the second one's


@pytest.mark.parametrize(("dark", "phone"), [(True, False), (False, True), (True, True)])
def test_light_dark_and_phone(tmp_path, dark, phone):
    file = tmp_path / "flat.html"
    file.write_text(player_html(Scene(moving.flat_clip())), encoding="utf-8")
    size = (360, 740) if phone else (900, 900)
    with open_page(file, *size, dark=dark, phone=phone) as page:
        page.until(f"{FIGURE}.player && {FIGURE}.player.places().length")
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        picture = np.asarray(Image.open(page.screenshot(tmp_path / "page.png")).convert("L"))
        assert (np.median(picture) < 60) == dark
        small = (
            "[...document.querySelectorAll('button, select, input')].filter(e => e.offsetHeight && e.offsetHeight < 32)"
        )
        assert page.run(f"{small}.length") == 0
        assert page.messages == []


def test_many_players_in_a_page_wake_when_they_come_near(tmp_path):
    figures = "".join(player_fragment(scene(), compact=True) for _ in range(8))
    file = tmp_path / "many.html"
    style = f"<style>body {{ width: 320px }} {player_css()}</style>"
    file.write_text(
        f"<!doctype html><meta charset=utf-8>{style}{figures}<script>{player_js()}</script>", encoding="utf-8"
    )
    with open_page(file, 360, 700) as page:
        page.until(f"{FIGURE}.player")
        awake = "document.querySelectorAll('[data-awake]').length"
        assert page.run(awake) < 5
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.run("scrollTo(0, document.body.scrollHeight)")
        page.until("[...document.querySelectorAll('.kg-player')].at(-1).player")
        page.run("[...document.querySelectorAll('.kg-player')].at(-1).player.seek(7)")
        page.until("[...document.querySelectorAll('.kg-player')].at(-1).dataset.frame === '7'")
        assert frame(page) == 0  # each has a time of its own
        assert page.messages == []


def test_on_paper_a_film_strip_stands_for_what_moves(page):
    size = "(() => {const it = document.querySelector('.kg-strip'); return it && [it.width > 1000, it.height > 300]})()"
    assert page.run(size) is None
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(size) == [True, True]
    colours = "new Set(document.querySelector('.kg-strip').getContext('2d').getImageData(0, 0, 1500, 400).data).size"
    assert page.run(colours) > 100  # people are in it
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(size) is None


def test_people_have_the_names_of_the_source(tmp_path):
    file = tmp_path / "mice.html"
    names = {"individuals": "mouse 1, <b>mouse</b> 2"}
    file.write_text(player_html(Scene(moving.clip(people=2, attributes=names))), encoding="utf-8")
    with open_page(file, 900, 900) as other:
        other.until("document.querySelectorAll('.kg-chip').length > 1")
        assert other.run("document.querySelectorAll('.kg-chip')[1].textContent") == "<b>mouse</b> 2"


def test_a_small_player_keeps_its_controls_inside(tmp_path):
    file = tmp_path / "small.html"
    figure = player_fragment(scene(), compact=True)
    file.write_text(
        f"<style>{player_css()}</style><div style='width: 280px'>{figure}</div><script>{player_js()}</script>"
    )
    with open_page(file, 900, 900) as other:
        other.until(f"{FIGURE}.player")
        assert other.run("document.querySelector('.kg-speed').getBoundingClientRect().right") <= 8 + 280
