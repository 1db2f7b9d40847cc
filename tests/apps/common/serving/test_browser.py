"""The pages in a real browser: typed to, dropped on, live, small and dark."""

import base64
import re
import shutil
import subprocess
import sys

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from data_pipelines.vision import video
from tests.apps.test_earlier_runs import FOLDER
from tests.apps.tools import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
DRIVER = shutil.which("chromedriver")
APPS = ("captioning", "sentiment", "translation", "video_labeling")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu"),
    *("--disable-dev-shm-usage", "--window-size=1280,900"),
    # A webcam that shows a clock, and that nobody has to allow.
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], "dropped.png"));
document.getElementById("drop").dispatchEvent(
  new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="no Chromium with its driver here; on Debian and Ubuntu:"
        " apt-get install chromium chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a server that shows a run of every app."""
    folder = tmp_path_factory.mktemp("runs")
    for app in APPS:
        shutil.copytree(FOLDER / app, folder / app / "before")
    command = ["apps.common.serving.server", "--port", "0", "--runs-path"]
    with subprocess.Popen(
        [sys.executable, "-m", *command, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield re.search(r"http://\S+/", server.stdout.readline())[0]
        server.terminate()


@pytest.fixture(scope="module")
def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """A browser in which nothing may break the pages' own policy."""
    chromium.get_log("browser")
    yield chromium
    broken = [
        entry["message"]
        for entry in chromium.get_log("browser")
        if "Content Security Policy" in entry["message"]
        or "Uncaught" in entry["message"]
    ]
    assert not broken, broken[0]


def open_run(browser, site, app):
    browser.get(f"{site}{app}/before")
    WebDriverWait(browser, 90).until(
        lambda b: b.execute_script("return document.readyState") == "complete"
    )


def part(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def wait(browser, selector, seconds=180):
    """Waits until something can be read, and returns what."""

    def text(browser):
        shown = browser.find_elements(By.CSS_SELECTOR, selector)
        return shown and shown[0].is_displayed() and shown[0].text

    # What is shown is replaced while it grows.
    replaced = [StaleElementReferenceException]
    try:
        return WebDriverWait(browser, seconds, 0.05, replaced).until(text)
    except TimeoutException:
        page = part(browser, "body").text
        log = browser.get_log("browser")
        pytest.fail(f"no {selector} on the page:\n{page}\n{log}")


def as_video(tmp_path):
    """A video that browsers play, too."""
    source = FOLDER / "video_labeling/inputs/videos/test_00.mkv"
    path, about = tmp_path / "clip.mp4", video.probe(source)
    size = video.upright_size(source)
    video.write(path, list(video.frames(source, size)), about.fps)
    return path


def test_a_run_is_chosen_and_a_text_labelled_by_keyboard_alone(browser, site):
    browser.get(site)
    links = browser.find_elements(By.CSS_SELECTOR, ".runs a")
    assert len(links) == len(APPS)
    keyboard = webdriver.ActionChains(browser)
    for _ in range(20):
        keyboard.send_keys(Keys.TAB).perform()
        focused = browser.switch_to.active_element
        if "/sentiment/" in (focused.get_attribute("href") or ""):
            break
    keyboard.send_keys(Keys.ENTER).perform()
    WebDriverWait(browser, 90).until(lambda b: "sentiment" in b.current_url)
    while browser.switch_to.active_element.get_attribute("id") != "text":
        keyboard.send_keys(Keys.TAB).perform()
    keyboard.send_keys("A dull <b>start</b>, a lovely end.").perform()
    keyboard.key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(
        Keys.CONTROL
    ).perform()
    assert wait(browser, "#output .verdict").startswith("good")
    words = [m.text for m in browser.find_elements(By.CSS_SELECTOR, "mark")]
    assert words[:3] == ["a", "dull", "start"]
    assert not browser.find_elements(By.CSS_SELECTOR, ".words b")


def test_a_sentence_is_translated_and_its_attention_shown(browser, site):
    open_run(browser, site, "translation")
    part(browser, "#text").send_keys("Five two three.")
    part(browser, "#n_best").clear()
    part(browser, "#n_best").send_keys("2")
    part(browser, "#go").click()
    assert wait(browser, ".hypotheses li:first-child span")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".hypotheses li")) == 2
    assert part(browser, ".matrix tbody td").get_attribute("title")


def test_a_picture_is_dropped_and_a_broken_one_named(browser, site, tmp_path):
    open_run(browser, site, "captioning")
    picture = FOLDER / "captioning/inputs/images/45.png"
    content = base64.b64encode(picture.read_bytes()).decode()
    browser.execute_script(DROP, content)
    assert wait(browser, ".hypotheses li:first-child span")
    tiles = browser.find_elements(By.CSS_SELECTOR, ".tiles img")
    assert tiles
    assert all(int(tile.get_property("naturalWidth")) for tile in tiles)
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:50])
    part(browser, "#drop input").send_keys(str(broken))
    assert wait(browser, "#error").startswith("picture: is cut off or damaged")
    assert not part(browser, "#output").is_displayed()
    # And the page goes on.
    part(browser, "#drop input").send_keys(str(picture))
    assert wait(browser, ".hypotheses li:first-child span")
    assert not part(browser, "#error").is_displayed()


def test_a_video_fills_its_timeline(browser, site, tmp_path):
    open_run(browser, site, "video_labeling")
    part(browser, "#drop input").send_keys(str(as_video(tmp_path)))
    assert "frames labelled" in wait(browser, "#output .note")
    assert browser.find_elements(By.CSS_SELECTOR, ".timeline svg svg")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".film img")) == 10
    no_video = tmp_path / "no.mp4"
    no_video.write_text("text")
    part(browser, "#drop input").send_keys(str(no_video))
    assert wait(browser, "#error") == "video: is not a video"


def test_a_video_is_labelled_while_it_plays(browser, site, tmp_path):
    open_run(browser, site, "video_labeling")
    part(browser, "#played").send_keys(str(as_video(tmp_path)))
    assert wait(browser, "#live-output .verdict")
    assert "ms from frame to label" in wait(browser, "#delay")
    part(browser, "#webcam").click()
    assert wait(browser, "#live-output .verdict")
    part(browser, "#live-stop").click()
    assert not part(browser, "#live-stop").is_displayed()
    assert not part(browser, "#error").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_screen_needs_no_scrolling_sideways(browser, site, scheme):
    size = {"width": 375, "height": 700, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [feature]}
    )
    try:
        for path in ("", *(f"{app}/before" for app in APPS)):
            browser.get(f"{site}{path}")
            if path.startswith("sentiment"):
                part(browser, "#text").send_keys("lovely " * 20 + "a" * 300)
                part(browser, "#go").click()
                wait(browser, "#output .verdict")
            for details in browser.find_elements(By.TAG_NAME, "summary"):
                details.click()
            width = browser.execute_script(
                "return document.documentElement.scrollWidth"
            )
            assert width <= 375, path
            colour = browser.execute_script(
                "return getComputedStyle(document.body).backgroundColor"
            )
            bright = sum(map(int, re.findall(r"\d+", colour)[:3])) > 380
            assert bright == (scheme == "light")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
