// Sort a table by a heading: numbers from large to small first, names from A to Z, and back at the second click.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    const numeric = head.classList.contains("number"), before = head.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : numeric;
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const compare = (a, b) => {
      const [x, y] = [a.cells[column], b.cells[column]];
      return numeric ? x.dataset.value - y.dataset.value
                     : x.textContent.localeCompare(y.textContent, undefined, { numeric: true });
    };
    body.append(...[...body.rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b))));
  });
}

// Read the values of curves where they are pointed at: a line through the nearest epoch, its values in the caption.
for (const chart of document.querySelectorAll("svg.curve")) {
  const lines = JSON.parse(chart.dataset.lines), at = chart.querySelector(".at");
  const keys = [...chart.closest("figure").querySelectorAll(".key b")];
  const leave = () => {
    at.setAttribute("visibility", "hidden");
    for (const key of keys) key.textContent = "";
  };
  chart.addEventListener("pointerleave", leave);
  chart.addEventListener("pointermove", (event) => {
    const spot = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    const all = lines.flat(), near = all.reduce((a, b) => (Math.abs(b[1] - spot.x) < Math.abs(a[1] - spot.x) ? b : a));
    at.setAttribute("x1", near[1]);
    at.setAttribute("x2", near[1]);
    at.setAttribute("visibility", "visible");
    lines.forEach((line, index) => {
      const here = line.find(([epoch]) => epoch === near[0]);
      if (keys[index]) keys[index].textContent = here ? ` ${+here[2].toPrecision(3)}` : " –";
    });
  });
}
