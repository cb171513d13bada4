"""The page in a browser."""

import html
import json
import re
import shutil
import subprocess

import pytest
from report_support import MODELS

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
SELF_TEST = """
<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message || "a file can't be loaded"), true);
</script>
"""
CLICKS = """
<script>
addEventListener("load", () => {
  const value = (cell) => cell.dataset.value ?? cell.textContent;
  const column = (table, index) => [...table.tBodies[0].rows].map((row) => value(row.cells[index]));
  const table = document.querySelector("#table-auc_6dB");
  const buttons = table.querySelectorAll("button");
  const found = {columns: buttons.length, orders: {}};
  for (const [name, index] of [["mean", buttons.length - 1], ["again", buttons.length - 1], ["model", 0]]) {
    buttons[index].click();
    found.orders[name] = column(table, index);
    found[name] = buttons[index].parentElement.getAttribute("aria-sort");
  }
  found.sorted = document.querySelectorAll("#table-auc_6dB [aria-sort]").length;
  found.images = [...document.images].map((image) => image.complete && image.naturalWidth);
  found.width = [document.documentElement.scrollWidth, innerWidth];
  found.errors = errors;
  const answer = document.createElement("pre");
  answer.id = "answer";
  answer.textContent = JSON.stringify(found);
  document.body.append(answer);
});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_the_page_in_a_browser(made, tmp_path):
    source = (made / "index.html").read_text(encoding="utf-8")
    source = source.replace("<head>", f"<head>{SELF_TEST}", 1).replace("</body>", f"{CLICKS}</body>", 1)
    (tmp_path / "page.html").write_text(source, encoding="utf-8")
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,900", "--virtual-time-budget=10000"),
    ]
    page = (tmp_path / "page.html").as_uri()
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", page], capture_output=True, encoding="utf-8", timeout=120, check=True
    )
    found = json.loads(html.unescape(re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)[1]))
    assert found["errors"] == []
    assert "CONSOLE" not in done.stderr
    assert len(found["images"]) == 7
    assert min(found["images"]) > 300
    values = [float(value) for value in found["orders"]["mean"]]
    assert len(values) == 3
    assert values == sorted(values, reverse=True)
    assert [float(value) for value in found["orders"]["again"]] == values[::-1]
    assert found["orders"]["model"] == sorted(MODELS)
    assert (found["mean"], found["again"], found["model"]) == ("descending", "ascending", "ascending")
    assert found["sorted"] == 1
    assert found["width"][0] <= found["width"][1]
