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
      return numeric ? x.dataset.value - y.dataset.value : x.textContent.localeCompare(y.textContent);
    };
    body.append(...[...body.rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b))));
  });
}

// Read the cell of the confusion matrix that is pointed at or tapped.
const matrix = document.querySelector("svg.matrix");
if (matrix) {
  const { names, clips, cells } = JSON.parse(document.getElementById("confusion").textContent);
  const counts = new Map(cells.map(([i, j, count]) => [i * names.length + j, count]));
  const mark = matrix.querySelector(".mark"), line = document.getElementById("cell");
  const { left, top, cell } = matrix.dataset;
  const read = (event) => {
    const spot = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.getScreenCTM().inverse());
    const i = Math.floor((spot.y - top) / cell), j = Math.floor((spot.x - left) / cell);
    if (i < 0 || j < 0 || i >= names.length || j >= names.length) return;
    mark.setAttribute("x", j * cell);
    mark.setAttribute("y", i * cell);
    mark.setAttribute("visibility", "visible");
    const count = counts.get(i * names.length + j) ?? 0;
    const share = clips[i] ? ` (${((100 * count) / clips[i]).toFixed(1)} %)` : "";
    const what = i === j ? `${names[i]}, predicted right` : `${names[i]} → ${names[j]}`;
    line.textContent = `${what}: ${count} of ${clips[i]} clips${share}`;
  };
  const phone = matchMedia("(max-width: 560px)"), { width, height } = matrix.viewBox.baseVal;
  const fit = () => {
    const cut = phone.matches ? left - matrix.dataset.numbers : 0;  // the names of the rows
    matrix.setAttribute("viewBox", `${cut} 0 ${width - cut} ${height}`);
    matrix.setAttribute("width", phone.matches ? "100%" : width);
  };
  phone.addEventListener("change", fit);
  fit();
  matrix.addEventListener("pointermove", read);
  matrix.addEventListener("click", read);
}
