"""A JupyterLab of its own, and a notebook opened in it. Nothing of the reader's configuration or kernels is used."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat

SECONDS = 180  # the longest wait for anything but a whole notebook: imports are slow beside a busy neighbour
SIZE = {"width": 1280, "height": 1500}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SHOWN = ".jp-Notebook .jp-Cell.jp-mod-active .jp-OutputArea"  # outputs of the active cell
SCRIPTS = Path(__file__).with_name("page.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Server:
    """A running JupyterLab.

    Args:
        address: with the port, without a path.
        token: that opens it.
        folder: its notebooks; inside the checkout, so that the ledger is found from there.
    """

    address: str
    token: str
    folder: Path

    def keep(self, name, cells):
        """Writes a notebook of code cells."""
        page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(page, self.folder / name)
        return name


@contextmanager
def serving(folder, private):
    """JupyterLab over `folder` on a free port of this machine, its own folders in `private`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, log = Server(f"http://127.0.0.1:{port}", secrets.token_hex(16), folder), private / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command(port, private, folder), stdout=out, stderr=out, env=environment(private, server.token), cwd=folder
        )
    try:
        wait_for(server, process, log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        finally:
            process.kill()


def command(port, private, folder):
    quiet = private / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps({"fetchNews": "false"}))
    options = {
        "ServerApp.ip": "127.0.0.1", "ServerApp.port": port, "ServerApp.port_retries": 0, "ServerApp.root_dir": folder,
        "LabApp.expose_app_in_browser": True, "LabApp.extension_manager": "readonly", "LabApp.news_url": "None",
        "LabApp.workspaces_dir": private / "workspaces", "LabApp.user_settings_dir": private / "settings",
    }  # fmt: skip
    given = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *given]


def environment(private, token):
    folders = {f"JUPYTER_{name}_DIR": str(private / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "TQDM_DISABLE": "1", "IPYTHONDIR": str(private / "ipython")}
    return {**os.environ, **folders, **quiet, "JUPYTER_TOKEN": token}


def wait_for(server, process, log):
    request = urllib.request.Request(f"{server.address}/api/status", headers={"Authorization": f"token {server.token}"})
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


class Opened:
    """A notebook open in JupyterLab: run, driven by keyboard, looked at."""

    def __init__(self, server, browser, name):
        self.page = browser.new_context(viewport=SIZE).new_page()
        self.page.set_default_timeout(1000 * SECONDS)
        self.page.goto(f"{server.address}/lab/tree/{name}?reset&token={server.token}")
        self.page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel")
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.ready")
        self.page.add_script_tag(content=SCRIPTS)
        self.protocol = self.page.context.new_cdp_session(self.page)

    def dress(self, theme):
        self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", THEMES[theme])
        self.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light", arg=str(theme == "light").lower()
        )
        self.page.wait_for_timeout(300)  # ms; colours fade

    def run(self):
        """Runs all cells; the errors of its outputs, none if all went well."""
        return self.page.evaluate("seconds => reader.run(seconds)", 4 * SECONDS)

    def ask(self, expression):
        """What the kernel answers to a Python expression."""
        found = self.page.evaluate("code => reader.ask(code)", f"__import__('json').dumps({expression})")
        assert found["status"] == "ok", found
        return json.loads(eval(found["data"]["text/plain"]))

    def stand_in(self, number):
        """Makes a cell the active one, as arrow keys do, and returns its outputs."""
        self.page.evaluate("number => reader.standIn(number)", number)
        return self.page.locator(SHOWN).first

    def tab_to(self, label, most=40):
        """Presses Tab until the control of that name has the focus."""
        for _ in range(most):
            if self.page.evaluate("() => reader.label(document.activeElement)") == label:
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{label!r} is not reached by {most} times Tab")

    def choose(self, label, keys):
        """Reaches a list by Tab, opens it, moves by `keys`, takes what is reached; the HTML shown before and after."""
        return self._press(label, ["Space", *keys, "Enter"])

    def tick(self, label):
        """Reaches a box by Tab and ticks it; the HTML shown before and after."""
        return self._press(label, ["Space"])

    def _press(self, label, keys):
        view = self.page.locator(f"{SHOWN} .widget-html-content").first
        before = view.inner_html()
        self.tab_to(label)
        for key in keys:
            self.page.keyboard.press(key)
        self.page.wait_for_function(
            "([at, before]) => document.querySelector(at).innerHTML !== before",
            arg=[f"{SHOWN} .widget-html-content", before],
        )
        return before, view.inner_html()

    def named(self, within):
        """(role, name) of everything one can focus in a CSS scope, as the browser tells a screen reader."""
        count = self.page.evaluate("within => reader.focusable(within).length", within)
        return [self._told(f"reader.focusable({within!r})[{i}]") for i in range(count)]

    def _told(self, element):
        found = self.protocol.send("Runtime.evaluate", {"expression": element})["result"]["objectId"]
        node = self.protocol.send("Accessibility.getPartialAXTree", {"objectId": found, "fetchRelatives": False})[
            "nodes"
        ][0]
        return node["role"]["value"], node.get("name", {}).get("value", "")

    def faint(self, within):
        """Texts in a CSS scope whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3)."""
        return self.page.evaluate("within => reader.faint(within)", within)

    def close(self):
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.context.close()
