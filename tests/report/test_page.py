"""The page in a browser, on a wide and on a narrow screen, and its colours."""

import itertools
import re
from pathlib import Path

import browser
import pytest
from report_support import MODELS

from mimii.report import page

CLICKS = """
<script>
addEventListener("load", () => setTimeout(() => {
  const value = (cell) => cell.dataset.value ?? cell.textContent;
  const column = (table, index) => [...table.tBodies[0].rows].map((row) => value(row.cells[index]));
  const table = document.querySelector("#table-auc_6dB");
  const buttons = table.querySelectorAll("button");
  const found = {orders: {}, rows: table.tBodies[0].rows.length};
  const box = table.parentElement;
  found.shown = box.scrollHeight <= box.clientHeight + 1;  // no row is hidden
  found.scrolls = box.scrollWidth > box.clientWidth + 1;
  box.scrollLeft = 60;
  const left = (element) => element.getBoundingClientRect().left;
  found.first = left(table.tBodies[0].rows[0].cells[0]) - left(box);
  found.cut = [...document.querySelectorAll("main tbody th")].filter((cell) => cell.scrollWidth > cell.clientWidth + 1);
  found.cut = found.cut.map((cell) => cell.textContent);
  for (const [name, index] of [["mean", 1], ["again", 1], ["model", 0]]) {
    buttons[index].click();
    found.orders[name] = column(table, index);
    found[name] = buttons[index].parentElement.getAttribute("aria-sort");
  }
  found.sorted = document.querySelectorAll("#table-auc_6dB [aria-sort]").length;
  found.headings = [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1]));
  found.sections = [...document.querySelectorAll("h2")].map((heading) => heading.textContent);
  found.dead = [...document.querySelectorAll("a[href^='#']")].map((link) => link.getAttribute("href").slice(1))
    .filter((name) => !document.getElementById(name));
  found.skips = document.body.querySelector("a").getAttribute("href");
  found.images = [...document.images].map((image) => image.complete && image.naturalWidth);
  const figures = [...document.querySelectorAll(".choice figure")];
  found.seen = figures.filter((figure) => figure.checkVisibility()).length;
  document.querySelectorAll(".choice input")[1].click();
  found.chosen = figures.findIndex((figure) => figure.checkVisibility());
  const folded = document.querySelector("details table");
  location.hash = folded.id;
  found.width = [document.documentElement.scrollWidth, innerWidth];
  found.errors = errors;
  setTimeout(() => {
    found.opened = folded.closest("details").open;
    parent.postMessage(found, "*");
  }, 50);
}, 100));
</script>
"""


@pytest.fixture(scope="module")
def seen(made, tmp_path_factory):
    """What a browser says of the page, by the width of the screen."""
    source = (made / "index.html").read_text(encoding="utf-8")
    return browser.seen(source, CLICKS, tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_on_a_screen(seen, width):
    found = seen[width]
    assert found["errors"] == []
    assert len(found["images"]) == 8
    assert min(found["images"]) > 300
    assert found["width"][0] <= found["width"][1]
    assert found["shown"]
    assert found["cut"] == []
    assert (found["seen"], found["chosen"]) == (1, 1)  # one of three figures, and then the other
    assert found["opened"]


def test_a_click_sorts(seen):
    found = seen[1280]
    values = [float(value) for value in found["orders"]["mean"]]
    assert len(values) == found["rows"] == 3
    assert values == sorted(values, reverse=True)
    assert [float(value) for value in found["orders"]["again"]] == values[::-1]
    assert found["orders"]["model"] == sorted(MODELS)
    assert (found["mean"], found["again"], found["model"]) == ("descending", "ascending", "ascending")
    assert found["sorted"] == 1


def test_a_table_scrolls_on_a_narrow_screen_and_its_names_stay(seen):
    assert not seen[1280]["scrolls"]
    assert seen[390]["scrolls"]
    assert abs(seen[390]["first"]) <= 1


def test_who_reads_by_headings_and_links_finds_everything(seen):
    found = seen[1280]
    assert found["sections"] == [
        *("Findings", "Anomaly detection", "Figures", "Classification", "Costs", "Do the models differ?", "Details"),
        "How it was run",
    ]
    levels = found["headings"]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert found["dead"] == []
    assert found["skips"] == "#main"


def colours(scheme):
    """The colours of the page by their names."""
    text = Path(page.__file__).with_name("page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): #([0-9a-f]{3,6})\b", blocks[0]))
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w-]+): #([0-9a-f]{3,6})\b", blocks[1]))
    return {name: "".join(digit * 2 for digit in value) if len(value) == 3 else value for name, value in found.items()}


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("behind", ["paper", "soft", "hover", "warning"])
def test_texts_stand_out(scheme, behind):
    """By at least 4.5 to 1, as WCAG's level AA asks."""
    known = colours(scheme)
    for text in ("ink", "quiet", "accent"):
        low, high = sorted(luminance(known[name]) for name in (text, behind))
        assert (high + 0.05) / (low + 0.05) >= 4.5, text
