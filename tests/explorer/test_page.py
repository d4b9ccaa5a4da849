"""The page in headless Chromium, as a visitor uses it."""

import io
import json
import socket
import time
from contextlib import suppress

import pytest
from browser import BROWSERS, find_browser
from explorer_client import serving
from PIL import Image

from latentedit.explorer.server import Handler
from latentedit.explorer.setting import Setting
from latentedit.inversion import ProjectionSettings
from latentedit.pictures import to_pil

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def browser():
    """Chromium, where this machine has one."""
    path = find_browser()
    if path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """One open page; what its console complains of and what it asks of other machines is kept."""

    def __init__(self, browser, url, **settings):
        self.page = browser.new_context(**settings).new_page()
        self.complaints, self.elsewhere = [], []
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request", lambda asked: asked.url.startswith((url, "data:", "blob:")) or self.elsewhere.append(asked.url)
        )
        self.page.goto(url)
        self.wait(lambda: self.count("repaint") >= 1)

    def count(self, kind):
        """Count the repaints so far: `preview` while dragging, else `repaint`."""
        return self.page.evaluate(f"performance.getEntriesByName('{kind}').length")

    def wait(self, holds):
        """Wait until something holds; the page's own policy forbids that it be told code."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, self.page.inner_text("body")
            self.page.wait_for_timeout(20)

    def after(self, act, repaints=1):
        """Act, and wait until the page has painted in full."""
        wanted = self.count("repaint") + repaints
        act()
        self.wait(lambda: self.count("repaint") >= wanted)

    def image(self, when="after"):
        return self.page.get_attribute(f"#{when} img", "src")

    def score(self, when="after"):
        return float(self.page.inner_text(f"#score-{when}").split()[0])

    def commands(self):
        return self.page.inner_text("#commands")

    def slide(self, name, alpha):
        self.after(lambda: self.page.locator(f"#alpha-{name}").fill(str(alpha)))


@pytest.fixture
def visitor(browser, server):
    visitor = Visitor(browser, server.url)
    yield visitor
    assert visitor.complaints == []
    assert visitor.elsewhere == []
    visitor.page.context.close()


def test_a_page_opens_with_a_face_and_its_sliders(visitor, workshop):
    assert visitor.image("before") == visitor.image("after")
    assert visitor.page.locator("#sliders input").count() == 4
    assert visitor.page.inner_text("#network").startswith(f"faces, {workshop.config.img_resolution}")
    for control in visitor.page.locator("input, select, button").all():
        assert control.evaluate("one => one.labels?.length || one.ariaLabel || one.textContent.trim()"), control


def test_a_slider_is_dragged_let_go_and_reset(visitor):
    page, before = visitor.page, visitor.image()
    slider = page.locator("#alpha-smile")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y, middle, right = box["y"] + box["height"] / 2, box["x"] + box["width"] / 2, box["x"] + 0.75 * box["width"]
    page.mouse.move(middle, y)
    page.mouse.down()
    for share in (0.3, 0.6, 1):
        page.mouse.move(middle + share * (right - middle), y)
        page.wait_for_timeout(30)
    visitor.wait(lambda: visitor.count("preview") >= 1)
    assert "apply --direction smile" not in visitor.commands()
    visitor.after(page.mouse.up)
    assert visitor.image() != before == visitor.image("before")
    assert 2.5 < float(slider.input_value()) < 3.5
    assert f"--direction smile --alpha {float(slider.input_value())}" in visitor.commands()
    visitor.after(slider.dblclick)
    visitor.wait(lambda: visitor.image() == before)
    assert slider.input_value() == "0"


def test_keys_move_a_slider_and_bring_another_face(visitor):
    slider = visitor.page.locator("#alpha-age")
    slider.focus()
    visitor.after(lambda: slider.press("ArrowRight"))
    assert slider.get_attribute("aria-valuetext") == "+0.1 sigma"
    seed = visitor.page.input_value("#seed")
    visitor.after(lambda: slider.press("r"))
    assert visitor.page.input_value("#seed") != seed
    assert "before" in visitor.page.inner_text("#status")


def test_what_is_kept_changes_the_face_and_the_command(visitor):
    visitor.slide("w_sq", 3)
    free = visitor.image()
    visitor.after(lambda: visitor.page.locator("#keep").get_by_text("age", exact=True).click())
    assert visitor.image() != free
    assert "latentedit condition w_sq --without age --name w_sq_keeping_age" in visitor.commands()


def test_layers_scores_strip_and_ratings(visitor, workshop):
    page = visitor.page
    visitor.slide("smile", 2)
    visitor.after(lambda: page.locator("#layers").get_by_text("fine", exact=True).click())
    assert "--layers fine" in visitor.commands()
    visitor.after(lambda: page.fill("#layers-text", "40") or page.press("#layers-text", "Enter"), repaints=0)
    visitor.wait(lambda: f"this generator has layers 0-{workshop.config.num_ws - 1}" in page.inner_text("#notice"))
    visitor.after(lambda: page.locator("#layers").get_by_text("all", exact=True).click())
    visitor.after(lambda: page.select_option("#scorer", "omi:happy"))
    assert visitor.score() > visitor.score("before") + 5
    page.click("#show-strip")
    visitor.wait(lambda: page.locator("#strip button").count() == 7)
    visitor.after(page.locator("#strip button").last.click)
    assert page.input_value("#alpha-smile") == "6"
    page.click("#show-others")
    assert page.locator("#others tbody tr").count() == 8


def test_a_heat_map_lies_over_the_face_until_it_moves(visitor, monkeypatch):
    pytest.importorskip("captum")
    monkeypatch.setattr("latentedit.explanation.pixels.POINTS", (4, 4))
    monkeypatch.setattr("latentedit.explanation.pixels.MOST_HALVINGS", 0)
    visitor.slide("smile", 2)
    face = visitor.image()
    visitor.page.click("#show-heat")
    visitor.wait(lambda: visitor.image() != face)
    assert visitor.page.get_attribute("#show-heat", "aria-pressed") == "true"
    visitor.slide("smile", 2.1)
    assert visitor.page.get_attribute("#show-heat", "aria-pressed") == "false"


def test_files_are_saved_and_an_edit_is_opened_again(visitor, workshop):
    page = visitor.page
    visitor.slide("smile", 2)
    with page.expect_download() as started:
        page.locator("#save").get_by_text("Image").click()
    with Image.open(started.value.path()) as picture:
        assert picture.size == 2 * (workshop.config.img_resolution,)
    with page.expect_download() as started:
        page.locator("#save").get_by_text("Edit").click()
    content = started.value.path().read_bytes()
    assert json.loads(content)["alphas"]["smile"] == 2
    edited = visitor.image()
    visitor.after(lambda: page.click("#reset"))
    file = {"name": "edit.json", "mimeType": "application/json", "buffer": content}
    visitor.after(lambda: page.set_input_files("#file", file))
    assert visitor.image() == edited


def test_two_visitors_do_not_see_each_other(visitor, browser, server, workshop):
    other = Visitor(browser, server.url)
    content = io.BytesIO()
    to_pil(workshop.paint(workshop.move(Setting(seed=9)))[0]).save(content, "PNG")
    visitor.page.check("#aligned")
    photo = {"name": "me.png", "mimeType": "image/png", "buffer": content.getvalue()}
    visitor.after(lambda: visitor.page.set_input_files("#file", photo))
    assert visitor.page.inner_text("#photo-name") == "me.png: done"
    assert "latentedit invert me.png --aligned" in visitor.commands()
    other.slide("smile", 3)
    assert "photo" not in other.commands()
    assert other.page.is_hidden("#photo-state")
    assert visitor.page.input_value("#alpha-smile") == "0"
    hostile = {"name": "evil.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\nno"}
    other.page.check("#aligned")
    other.page.set_input_files("#file", hostile)
    other.wait(lambda: other.page.is_visible("#notice"))
    assert other.page.inner_text("#notice").startswith("evil.png can't be read as an image")
    assert visitor.page.is_hidden("#notice")
    assert other.complaints == other.elsewhere == []
    other.page.context.close()


def test_the_page_goes_on_when_its_server_was_killed_and_started_again(browser, workshop, monkeypatch):
    connections, setup = [], Handler.setup
    monkeypatch.setattr(Handler, "setup", lambda self: connections.append(self.request) or setup(self))
    with serving(workshop) as server:
        port = server.server_address[1]
        visitor = Visitor(browser, server.url)
        visitor.slide("smile", 2)
        edited = visitor.image()
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    visitor.page.locator("#alpha-age").fill("1")
    visitor.wait(lambda: "The server is gone" in visitor.page.inner_text("#notice"))
    with serving(workshop, port=port, settings=ProjectionSettings(num_steps=2)):
        visitor.wait(lambda: visitor.page.is_hidden("#notice"))
        visitor.slide("age", 0)
        visitor.wait(lambda: visitor.image() == edited)
        visitor.page.context.close()


def test_the_page_fits_its_window_in_light_and_dark(visitor):
    page, colours = visitor.page, set()
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.locator("#alpha-gender").scroll_into_view_if_needed()
        assert page.locator("#after img").evaluate("one => one.getBoundingClientRect().bottom") > 100  # in sight
    assert len(colours) == 2
