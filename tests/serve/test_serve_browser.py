"""The page in a browser: a recording, a camera, the frames of a program; on a desk and on a phone; by keys."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.weights import save_weights
from kinegraph.plugins import load_plugins, plugin_classes
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests.browser import needs_browser, open_page
from tests.inference.test_stream import NAMES, written
from tests.serve import serving

pytestmark = needs_browser
FAKE = Path(__file__).with_name("fake_camera.py")
FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SPOTS = "document.querySelector('#scene .kg-stage').places?.flatMap(it => it.spots.map(s => s && s.slice(0, 2)))"
EVENTS = "[...document.querySelectorAll('#events .what')].map(it => it.textContent)"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def address(here):
    with serving.served(here, "w.safetensors", "--enter", "0.3", "--least", "0.2s") as address:
        yield address


@pytest.fixture
def page(address):
    with open_page(address) as page:
        page.until("document.getElementById('network').textContent")
        yield page
        refused = "Failed to load resource: the server responded with a status of 4"
        assert [it for it in page.messages if not it.startswith(refused)] == []  # no requests but to the server


def drop(page, name: str, content: str) -> None:
    file = f"new File([{json.dumps(content)}], {json.dumps(name)})"
    page.run(
        f"(() => {{ const data = new DataTransfer(); data.items.add({file});"
        "const input = document.getElementById('file'); input.files = data.files;"
        "input.dispatchEvent(new Event('change')); })()"
    )


def test_a_recording_is_played_with_its_answer(here, page):
    assert f"{len(NAMES)} classes" in page.run("document.getElementById('network').textContent")
    drop(page, "two.jsonl", (here / "two.jsonl").read_text())
    page.until("document.querySelector('#result figure')?.player?.places().length === 2", 60)
    page.until("Number(document.querySelector('#result figure').dataset.frame) > 2")
    assert page.run("document.querySelector('#result .kg-best span').textContent") in NAMES


def test_a_file_that_is_none_is_refused_in_a_line(page):
    drop(page, "two.exe", "x")
    page.until("!document.getElementById('problem').hidden")
    assert "no format has this ending" in page.run("document.getElementById('problem').textContent")
    drop(page, "two.csv", "x")
    page.until("document.getElementById('problem').textContent.includes('two.csv')", 60)
    assert not page.run("document.querySelector('#result figure')")


def test_the_frames_of_a_program_are_watched(here, address, page):
    from websockets.sync.client import connect

    lines = (here / "two.jsonl").read_text().splitlines()
    page.run("document.getElementById('tab-files').focus()")
    page.key("ArrowLeft")  # round to the last tab
    page.until("document.getElementById('tab-watch').ariaSelected === 'true'")
    with connect(address.replace("http", "ws") + "/stream?name=gym&count=1") as program:
        page.until("document.getElementById('streams').value")
        page.run("(document.getElementById('tab-files').click(), document.getElementById('tab-watch').click())")
        assert not page.run("document.getElementById('streams').hidden")  # also where the stream was there before
        for line in lines[:30]:
            program.send(line)
        page.until(f"({SPOTS})?.filter(it => it).length === 50")
        before = np.array(page.run(SPOTS))
        for line in lines[30:]:
            program.send(line)
        page.until("document.getElementById('clock').textContent === '0:01.3'")
        assert np.abs(np.array(page.run(f"new Promise(r => setTimeout(() => r({SPOTS}), 300))")) - before).max() > 2
        names = page.run("[...document.querySelectorAll('.person .who')].map(it => it.textContent)")
        assert [name[0] for name in names] == ["a", "b"]
        program.send("")
        page.until(f"({EVENTS}).length")
    page.until("document.getElementById('streams').hidden")


def test_live_may_be_chosen_while_the_socket_is_connecting(page):
    opened = "new Promise(done => { const it = kinegraph.watchSource(document.createElement('select'), () => 0, done);"
    assert page.run(f"{opened} it.start(); it.again(); }})") == []  # nobody sends; the fixture reads the console


def video(path: Path, seconds: int = 2) -> Path:
    """160 x 120, 10 frames a second: a bright square above for some seconds, and below for as many (Y4M)."""
    dark, bright, grey = 16, 235, np.full(2 * 80 * 60, 128, np.uint8).tobytes()
    content = b"YUV4MPEG2 W160 H120 F10:1 Ip A1:1 C420jpeg\n"
    for top in (20, 80):
        image = np.full((120, 160), dark, np.uint8)
        image[top : top + 20, 70:90] = bright
        content += (b"FRAME\n" + image.tobytes() + grey) * (10 * seconds)
    path.write_bytes(content)
    return path


def test_a_camera_is_answered_live(tmp_path):
    load_plugins([FAKE])
    layout, how = load_layout("coco17"), Preprocessing(people=1, normalize="image")
    network = plugin_classes()["fake_camera.Height"](adjacency(layout, "spatial"), 3, 2).eval()
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[9.0, 0.0], [0.0, 9.0]]))
        network.head.bias.zero_()
    about = {"layout": layout, "class_names": ("up", "down"), "preprocessing": how.to_dict()}
    save_weights(tmp_path / "w.safetensors", network, **about, extra={"training": {"frames": [5, 10, 20]}})
    words = ["w.safetensors", "--plugins", FAKE, "--pose", "fake_camera.people"]
    flags = (*FLAGS, f"--use-file-for-fake-video-capture={video(tmp_path / 'square.y4m')}")
    with serving.served(tmp_path, *words) as address, open_page(address, flags=flags) as page:
        page.until("document.getElementById('network').textContent")
        page.click("#tab-camera")
        page.click("#start")
        page.until(f"({SPOTS})?.filter(it => it).length === 17", 60)
        heights = set()
        for _ in range(100):
            heights.add(round(np.mean([it[1] for it in page.run(SPOTS) if it]) / 50))
            if len(heights) > 1 and {"up", "down"} <= set(page.run(EVENTS)):
                break
            page.run("new Promise(r => setTimeout(r, 200))")
        assert max(heights) - min(heights) >= 3  # the skeleton goes up and down with the square
        assert {"up", "down"} <= set(page.run(EVENTS))
        page.click("#start")
        page.until("document.getElementById('start').textContent === 'Start the camera'")
        assert page.messages == []


def test_without_an_estimator_the_page_says_what_is_missing(address):
    with open_page(address, flags=FLAGS) as page:
        page.until("document.getElementById('network').textContent")
        missing = page.run("fetch('/about').then(it => it.json()).then(it => it.camera)")
        if missing is None:
            pytest.skip("an estimator is installed")
        page.click("#tab-camera")
        assert page.run("document.getElementById('empty').textContent") == missing
        assert page.run("document.getElementById('start').disabled")


def test_a_token_is_taken_from_the_address_or_asked_for(here):
    with serving.served(here, "w.safetensors", "--token", "a-word-of-mine") as address:
        plain, _, word = address.partition("/#")
        assert word == "token=a-word-of-mine"
        with open_page(address) as page:
            page.until("document.getElementById('network').textContent")
            assert "token" not in page.run("location.href")
        with open_page(plain) as page:
            page.until("!document.getElementById('ask-token').hidden")
            page.run("document.querySelector('#ask-token input').value = 'a-word-of-mine'")
            page.click("#ask-token button")
            page.until("document.getElementById('network').textContent")


@pytest.mark.parametrize(("dark", "phone"), [(True, False), (False, True), (True, True)])
def test_light_dark_and_phone(address, dark, phone):
    with open_page(address, 390 if phone else 1200, 844, dark=dark, phone=phone) as page:
        page.until("document.getElementById('network').textContent")
        for name in ("files", "camera", "watch"):
            page.click(f"#tab-{name}")
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
            light = page.run(
                "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)[0] > 127"
            )
            assert light is not dark
