"""A real Chromium, without a network of its own: what it shows of a page, and whom the page asks.

Runs where a Chromium is installed; CI installs one, so there its absence is a failure.
"""

import json
import os
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next((path for path in map(shutil.which, NAMES) if path), None)
OFFLINE = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
OWN = "not an origin"  # what Chromium's log gives as the initiator of its own requests


class Browser:
    """Chromium with a *profile* folder of its own."""

    def __init__(self, profile):
        if PROGRAM is None:
            reason = f"no Chromium found (looked for {', '.join(NAMES)}); install the package 'chromium'"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        self.profile = profile

    def __call__(self, place, *flags):
        """Open *place*, a path or an address, with more flags; returns what it prints."""
        address = place if isinstance(place, str) else place.as_uri()
        command = [PROGRAM, *OFFLINE, f"--user-data-dir={self.profile}", *flags, address]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
        return done.stdout.decode()

    def requests(self, place, folder, *flags):
        """The URLs that the page, not the browser on its own account, asked for."""
        log = folder / "net.json"
        self(place, f"--log-net-log={log}", "--dump-dom", *flags)
        found = json.loads(log.read_text("utf-8"))
        names = {number: name for name, number in found["constants"]["logEventTypes"].items()}
        jobs = [event.get("params", {}) for event in found["events"] if names[event["type"]] == "URL_REQUEST_START_JOB"]
        return [job["url"] for job in jobs if "url" in job and job["initiator"] != OWN]
