import base64
import io
import json
import socket
import tempfile
import threading
import time

import numpy as np
import pytest
from explorer_client import Client
from PIL import Image

from latentedit.explorer.setting import Setting
from latentedit.explorer.visits import MOST, UnknownVisit, Visits
from latentedit.inversion import ProjectionSettings
from latentedit.pictures import to_pil

SMILE = {"seed": 5, "alphas": {"smile": 2}}


def open_image(address):
    content = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


def upload(client, content, name="me.png", aligned="yes"):
    """Send a photograph and wait for its end."""
    headers = {"Content_Type": "application/octet-stream", "X_Name": name, "X_Aligned": aligned}
    status, reply, _ = client.send("POST", "/photo", content, **headers)
    assert status == 200, reply
    for _ in range(600):
        progress = client.ask("/progress", {})
        if progress["state"] in ("done", "failed"):
            return progress
        time.sleep(0.02)
    raise AssertionError("no end")


@pytest.fixture(scope="module")
def photo(workshop):
    """A face of the generator, as PNG."""
    content = io.BytesIO()
    to_pil(workshop.paint(workshop.move(Setting(seed=9)))[0]).save(content, "PNG")
    return content.getvalue()


def test_a_face_is_painted_and_rated_before_and_after(client):
    reply = client.paint(**SMILE, both=True, scorer="omi:happy")
    assert reply["after"]["score"] > reply["before"]["score"] + 5
    assert open_image(reply["after"]["image"]).shape == (512, 512, 3)
    low, high = reply["after"]["interval"]
    assert low < reply["after"]["score"] < high
    assert reply["commands"][-1].startswith("latentedit apply --direction smile --alpha 2.0 --unit sigma")
    unmoved = client.paint(seed=5, both=True)
    assert unmoved["before"]["image"] == unmoved["after"]["image"] == reply["before"]["image"]


def test_a_preview_is_bf16_and_says_no_command(client, workshop, monkeypatch):
    asked, paint = [], workshop.paint
    monkeypatch.setattr(workshop, "paint", lambda latents, precision="fp32": asked.append(precision) or paint(latents))
    assert client.paint(**SMILE, preview=True)["commands"] == []
    client.paint(**SMILE)
    assert asked == ["bf16", "fp32"]


def test_what_is_no_longer_wanted_is_not_painted(client, server, workshop):
    replies = {}
    with workshop.turn:
        ask = lambda number: replies.update({number: client.ask("/face", {**SMILE, "number": number})})  # noqa: E731
        threads = [threading.Thread(target=ask, args=[number]) for number in (1, 2, 3)]
        for thread in threads:
            thread.start()
        while server.visits.find(client.visit).newest < 3:
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert {number: "stale" in reply for number, reply in replies.items()} == {1: True, 2: True, 3: False}


def test_a_strip_goes_through_zero(client):
    faces = client.ask("/strip", {**SMILE, "direction": "smile", "scorer": "omi:happy"})["faces"]
    assert [face["alpha"] for face in faces] == [-6, -4, -2, 0, 2, 4, 6]
    scores = [face["score"] for face in faces]
    assert scores[0] < scores[3] < scores[-1]
    assert "no direction to sweep" in client.ask("/strip", SMILE)["error"]


@pytest.mark.parametrize(
    ("kind", "start"), [("image", b"\x89PNG"), ("strip", b"\x89PNG"), ("edit", b"{"), ("latent", b"PK")]
)
def test_what_is_shown_can_be_saved(client, workshop, kind, start):
    config = workshop.checkpoint.config
    data = json.dumps({**SMILE, "kind": kind, "direction": "smile"}).encode()
    status, content, headers = client.send("POST", "/save", data, Content_Type="application/json")
    assert status == 200
    assert content.startswith(start)
    assert "attachment" in headers["Content-Disposition"]
    if kind == "image":
        assert Image.open(io.BytesIO(content)).size == 2 * (config.img_resolution,)
    if kind == "edit":
        assert json.loads(content)["alphas"] == {"smile": 2.0}
    if kind == "latent":
        with np.load(io.BytesIO(content)) as held:
            assert held["w"].shape == (1, config.num_ws, config.w_dim)


def test_a_film_goes_there_and_back(client, monkeypatch):
    monkeypatch.setattr("latentedit.explorer.keepsakes.NUM_FRAMES", 3)
    data = json.dumps({**SMILE, "kind": "video"}).encode()
    content = client.send("POST", "/save", data, Content_Type="application/json")[1]
    assert Image.open(io.BytesIO(content)).n_frames == 4


def test_a_photograph_is_inverted_and_seen_by_no_one_else(client, server, photo, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    other = Client(server)
    assert upload(client, photo)["state"] == "done"
    assert list(tmp_path.glob("latentedit-*")) == []
    mine = client.paint(from_photo=True, both=True)
    edit = "--direction age --alpha 0.0 --unit sigma --latents photo/me.npz --scorer omi:memorable"
    assert mine["commands"] == [
        "latentedit invert me.png --aligned --steps 2 --out photo",
        f"latentedit apply {edit} --out out",
    ]
    assert "no photograph is here" in other.ask("/face", {"number": 1, "from_photo": True})["error"]
    assert "no photograph is here" in other.ask("/progress", {})["error"]
    assert upload(other, photo, "you.png")["name"] == "you.png"
    assert client.ask("/progress", {})["name"] == "me.png"
    client.ask("/forget", {})
    assert "no photograph is here" in client.ask("/face", {"number": 99, "from_photo": True})["error"]


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"%PDF-1.4 evil"])
def test_a_hostile_file_gets_one_line_with_its_own_name(client, content):
    progress = upload(client, content, "..%2F..%2Fevil%0A.png")
    assert progress["state"] == "failed"
    assert "evil?.png" in progress["failure"] or "evil .png" in progress["failure"]
    assert "/tmp" not in progress["failure"]
    assert "\n" not in progress["failure"]


def test_another_photograph_ends_the_work_on_the_first(client, server, photo, monkeypatch):
    server.settings = ProjectionSettings(num_steps=10_000, candidates=4)
    monkeypatch.setattr("latentedit.inversion.projection._stands_still", lambda *_: False)
    headers = {"Content_Type": "application/octet-stream", "X_Name": "a.png", "X_Aligned": "yes"}
    client.send("POST", "/photo", photo, **headers)
    first = server.visits.find(client.visit).upload
    while first.step < 2:
        time.sleep(0.02)
    server.settings = ProjectionSettings(num_steps=2, candidates=4)
    assert upload(client, photo)["state"] == "done"
    assert (first.state, first.failure) == ("failed", "given up")


REFUSED = {
    "another host": ("POST", "/visit", b"{}", {"Host": "evil.example:80"}, 403, "is not this machine"),
    "a page elsewhere": ("POST", "/visit", b"{}", {"Origin": "https://evil.example"}, 403, "not served from here"),
    "no origin": ("POST", "/visit", b"{}", {"Origin": "null"}, 403, "not served from here"),
    "another site": ("GET", "/", None, {"Sec_Fetch_Site": "cross-site"}, 403, "another page asks"),
    "a form": ("POST", "/visit", b"{}", {"Content_Type": "text/plain"}, 415, "send application/json"),
    "no JSON": ("POST", "/visit", b"{", {}, 200, "this is no JSON"),
    "deep JSON": ("POST", "/visit", b"[" * 60000, {}, 200, "this is no JSON"),
    "a list": ("POST", "/visit", b"[]", {}, 200, "no object of JSON"),
    "much": ("POST", "/face", b" " * 65537, {}, 413, "0.1 MiB: 0.0625 MiB are the most"),
    "a large file": (
        "POST",
        "/photo",
        b"",
        {"Content_Type": "application/octet-stream", "Content_Length": "20971521"},
        413,
        "20 MiB",
    ),
    "a negative length": ("POST", "/face", b"", {"Content_Length": "-5"}, 411, "how long"),
    "an unknown visit": ("POST", "/face", b"{}", {"X_Visit": "x"}, 410, "begin anew"),
    "no such answer": ("POST", "/else", b"{}", {}, 404, "no such answer"),
    "no such page": ("GET", "/../server.py", None, {}, 404, "no such page"),
    "no kind": ("POST", "/save", b"{}", {}, 200, "choose one of image, strip"),
    "no number": ("POST", "/face", b"{}", {}, 200, "a whole number that grows"),
}


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_the_page_is_refused(client, method, path, body, headers, status, expected):
    found, content, _ = client.send(method, path, body, **{"Content_Type": "application/json", **headers})
    assert (found, expected in json.loads(content)["error"]) == (status, True), content


def test_only_this_machine_is_served_and_the_page_may_ask_no_other(client, server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    status, _, headers = client.send("GET", "/")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_client_that_hangs_up_harms_no_one(client, server):
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(b"POST /face HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9\r\n\r\n{" % client.port)
    assert client.paint(**SMILE)["number"] == 1


def test_the_longest_unseen_visit_goes_first():
    visits = Visits()
    first, second = visits.open(), visits.open()
    visits.find(first.name)
    for _ in range(MOST - 1):
        visits.open()
    assert visits.find(first.name) is first
    with pytest.raises(UnknownVisit):
        visits.find(second.name)


def test_a_scorer_without_intervals_says_none(workshop, monkeypatch):
    class Constant:
        name, range = "constant", (0.0, 1.0)

        def __call__(self, images):
            return images.mean(dim=(1, 2, 3))

    monkeypatch.setattr(workshop, "open_scorer", lambda name: Constant())
    assert workshop.rate("constant", workshop.paint(workshop.move(Setting())))[0].interval is None


def test_a_heat_map_lies_over_the_face(client, monkeypatch):
    pytest.importorskip("captum")
    monkeypatch.setattr("latentedit.explanation.pixels.POINTS", (4, 4))
    monkeypatch.setattr("latentedit.explanation.pixels.MOST_HALVINGS", 0)
    address = client.ask("/explain", {**SMILE, "scorer": "omi:happy"})["image"]
    heat = open_image(address)
    assert np.abs(heat - heat.mean(axis=2, keepdims=True)).max() > 60  # colour where the face is grey otherwise


def test_without_the_detector_the_page_says_where_it_comes_from(client, photo):
    progress = upload(client, photo, aligned="no")
    assert progress["failure"].startswith("finding a face needs YuNet: `latentedit models get yunet`")
