"""A browser without a window, driven by the WebDriver protocol over plain HTTP."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVERS = ("chromedriver", "chromium.chromedriver")
MISSING = (
    "these tests need Chromium and its driver: type make browser, or as root on Debian "
    "apt-get install chromium chromium-driver"
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-default-apps --hide-scrollbars --window-size=1200,900"
).split()
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
SECONDS = 240
DRAW_ALL = """
const [done] = [...arguments].slice(-1);
dispatchEvent(new Event("beforeprint"));
const look = () => [...document.querySelectorAll(".chart")].every((e) => "drawn" in e.dataset)
  ? done(true) : requestAnimationFrame(look);
look();
"""


class Browser:
    """One page at a time; ``call`` speaks to the driver, the other methods say it shorter."""

    def __init__(self, address: str, session: str) -> None:
        self._base = f"{address}/session/{session}"

    def call(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """Return what the driver answers."""
        return _ask(f"{self._base}/{path}", body if method == "POST" else None, method)

    def open(self, page: Path) -> None:
        """Show a file, returns when it is loaded; what was logged before is forgotten."""
        self.go(page.as_uri())

    def go(self, address: str) -> None:
        """Show what is at an address, as ``open`` does."""
        self.call("url", {"url": "about:blank"})
        self.complaints()
        self.requests()
        self.call("url", {"url": address})

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what ``script`` returns."""
        return self.call("execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click as a person does: the element is scrolled to and must not be covered."""
        self.call(f"element/{self._find(selector)}/click", {})

    def type(self, selector: str, words: str) -> None:
        """Type into a field."""
        self.call(f"element/{self._find(selector)}/value", {"text": words})

    def choose(self, selector: str, words: str) -> None:
        """Choose from a list by what it shows; typed, the words would have to come fast enough."""
        option = self.run(
            "return [...document.querySelector(arguments[0]).options]"
            ".find((e) => e.text === arguments[1])",
            selector,
            words,
        )
        assert option is not None, f"{selector} does not show {words!r}"
        self.call(f"element/{option[ELEMENT]}/click", {})

    def texts(self, selector: str) -> list[str]:
        """Return what is seen of every element that can be seen."""
        script = (
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((e) => e.checkVisibility()).map((e) => e.innerText)"
        )
        return list(self.run(script, selector))

    def screen(
        self, width: int, height: int = 844, *, dark: bool = False, phone: bool = False
    ) -> None:
        """Be a screen of that size, in the light or in the dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.devtools("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen, or the whole page, as a PNG file."""
        asked = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            area = self.devtools("Page.getLayoutMetrics", {})["cssContentSize"]
            asked["clip"] = {**area, "scale": 1}
        path.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot", asked)["data"]))

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """Run a command of the browser's own protocol."""
        return self.call("goog/cdp/execute", {"cmd": command, "params": parameters})

    def complaints(self) -> list[str]:
        """Return what the console has shown since the last time, errors of the page included."""
        return [entry["message"] for entry in self.call("se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Return every address that was asked for since the last time."""
        entries = self.call("se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def _find(self, selector: str) -> str:
        found = self.call("element", {"using": "css selector", "value": selector})
        return str(found[ELEMENT])


def draw_all(page: Browser) -> None:
    """Draw every chart, also those that nobody has scrolled to."""
    assert page.call("execute/async", {"script": DRAW_ALL, "args": []})


def point_at(page: Browser, selector: str) -> str:
    """Move the mouse over the first of these marks and return what the page says about it."""
    page.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
    x, y = page.run(
        "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2]",
        selector,
    )
    page.devtools("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x - 3, "y": y})
    page.devtools("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    return "\n".join(page.texts("#tip"))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in ``folder``; it and its driver end with the context."""
    driver, program = _first(DRIVERS), _first(BROWSERS)
    assert driver and program, MISSING
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            address = f"http://127.0.0.1:{_port(process.stdout)}"
            options = {"binary": program, "args": [*FLAGS, f"--user-data-dir={folder}"]}
            logs = {"browser": "ALL", "performance": "ALL"}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
            asked = {"capabilities": {"alwaysMatch": wanted}}
            session = _ask(f"{address}/session", asked, "POST")["sessionId"]
            try:
                yield Browser(address, session)
            finally:
                _ask(f"{address}/session/{session}", None, "DELETE")
        finally:
            process.terminate()


def _first(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def _port(output: IO[str] | None) -> str:
    assert output is not None
    for line in output:
        if found := re.search(r"successfully on port (\d+)", line):
            return found[1]
    raise AssertionError(f"the browser's driver did not start; {MISSING}")


def _ask(address: str, body: dict[str, Any] | None, method: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=SECONDS) as answer:
            return json.load(answer)["value"]
    except HTTPError as error:
        raise AssertionError(json.load(error)["value"]["message"].partition("\n")[0]) from None
