"""A page in a browser, on a wide and on a narrow screen."""

import html
import json
import re
import shutil
import subprocess

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
# [ms] of the page's time, which hurries where nothing is to be done, while sounds load at their own pace
PATIENCE = 1_000_000
COLLECT_ERRORS = """
<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message || "a file can't be loaded"), true);
</script>
"""
FRAMES = """<!DOCTYPE html><body><pre id="answer"></pre>
<iframe src="page.html" allow="autoplay" width="1280" height="900"></iframe>
<iframe src="page.html" allow="autoplay" width="390" height="900"></iframe>
<script>
const answers = {};
addEventListener("message", ({data}) => {
  answers[data.width[1]] = data;
  document.querySelector("#answer").textContent = JSON.stringify(answers);
});
</script>
"""


def seen(source, script, directory):
    """What a script says of a page, by the width of the screen: 1280 and 390.

    The script sends its answer to ``parent`` with ``width``, those of the content and of the screen. The errors of the
    page are in ``errors``.
    """
    if BROWSER is None:
        pytest.skip("no browser is installed")
    source = source.replace("<head>", f"<head>{COLLECT_ERRORS}", 1).replace("</body>", f"{script}</body>", 1)
    (directory / "page.html").write_text(source, encoding="utf-8")
    (directory / "frames.html").write_text(FRAMES, encoding="utf-8")
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
        *(f"--user-data-dir={directory / 'profile'}", "--window-size=1800,1900", f"--virtual-time-budget={PATIENCE}"),
        "--autoplay-policy=no-user-gesture-required",
    ]
    address = (directory / "frames.html").as_uri()
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", address], capture_output=True, encoding="utf-8", timeout=120, check=True
    )
    assert "CONSOLE" not in done.stderr
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)[1]
    found = {int(width): found for width, found in json.loads(html.unescape(answer)).items()}
    assert sorted(found) == [390, 1280]
    return found
