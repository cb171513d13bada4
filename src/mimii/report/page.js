for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button")?.addEventListener("click", () => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const value = (row) => row.cells[column].dataset.value;
    const numeric = rows.some((row) => value(row) !== undefined);
    // numbers begin with the highest, names with A
    const before = heading.getAttribute("aria-sort");
    const sign = (before ? before === "descending" : !numeric) ? 1 : -1;
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    rows.sort((a, b) => {
      if (!numeric) {
        return sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", {numeric: true});
      }
      const [x, y] = [value(a), value(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);  // dashes stay last
      return sign * (Number(x) - Number(y));
    });
    body.append(...rows);
  }));
}

// what has no need to scroll must not be a scroll container, or the headings could not stay in view
const fit = new ResizeObserver((entries) => {
  for (const {target} of entries) {
    const fits = target.firstElementChild.offsetWidth <= target.clientWidth;
    target.classList.toggle("fits", fits);
    if (fits) target.removeAttribute("tabindex");
    else target.tabIndex = 0;
  }
});
for (const scroll of document.querySelectorAll(".scroll")) fit.observe(scroll);

for (const choice of document.querySelectorAll(".choice")) {
  choice.firstElementChild.hidden = false;
  const choose = () => {
    const chosen = choice.querySelector("input:checked").value;
    for (const figure of choice.querySelectorAll("figure")) figure.hidden = figure.id !== chosen;
  };
  choice.addEventListener("change", choose);
  choose();
}

// a link into something that is folded or not chosen opens it
const reveal = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  document.querySelector(`input[value="${CSS.escape(target.id)}"]`)?.click();
  target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

// what is folded is printed too, but for tables of many pages
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) {
    details.open = details.querySelectorAll("tbody tr").length <= 100;
  }
  for (const figure of document.querySelectorAll(".choice figure")) figure.hidden = false;
});
