// The confusion matrix: drawn on a canvas with its labels standing still; ordered, zoomed, dragged and read.
// figure.matrix.state and .named() tell its state, .select(i, j) shows a cell; i, j are rows and columns.
const PAPER = { width: 700, height: 620 };  // in pixels; below the figures there is room for it on the first page
const LEAST_NAMED = { screen: 8, phone: 19, paper: 7 };  // size of a cell from which its row is named
for (const figure of document.querySelectorAll("figure.matrix")) {
  const { names, shown, clips, cells, near, wrong } = JSON.parse(figure.querySelector("script").textContent);
  const canvas = figure.querySelector("canvas"), pen = canvas.getContext("2d"), count = names.length;
  const counts = new Map(cells.map(([i, j, number]) => [i * count + j, number]));
  const of = (i, j) => counts.get(i * count + j) ?? 0, rate = (i) => (clips[i] ? of(i, i) / clips[i] : 2);
  const numbers = names.map((_, index) => index);
  const orders = {
    number: () => numbers,
    accuracy: () => [...numbers].sort((a, b) => rate(a) - rate(b)),
    near: () => near,
    clips: () => [...numbers].sort((a, b) => clips[b] - clips[a]),
    name: () => [...numbers].sort((a, b) => names[a].localeCompare(names[b])),
  };
  const state = { order: numbers, zoom: 1, x: 0, y: 0, only: false, cell: null };
  let paper = false, place, box;  // where a class stands; the geometry of the last drawing

  const measure = () => {
    const width = paper ? PAPER.width : figure.clientWidth;
    const least = LEAST_NAMED[paper ? "paper" : width < 560 ? "phone" : "screen"];
    pen.font = `${paper ? Math.max(8, Math.min(12, 500 / count)) : 12}px system-ui, sans-serif`;
    const longest = Math.max(...names.map((name) => pen.measureText(name).width));
    const beside = Math.ceil(Math.min(longest, width * 0.3)) + 44, top = 24;
    const named = (width - beside) / count >= least, left = named ? beside : 34, room = width - left - 1;
    const whole = Math.min(room / count, count <= 12 ? 40 : 30, paper ? (PAPER.height - top) / count : Infinity);
    const cell = whole * state.zoom, side = cell * count;
    const wide = Math.min(room, side), high = Math.min(side, Math.max(whole * count, 320));
    state.x = Math.max(0, Math.min(state.x, side - wide));
    state.y = Math.max(0, Math.min(state.y, side - high));
    return { width, left, top, cell, wide, high, named };
  };

  const shortened = (text, room) => {
    if (pen.measureText(text).width <= room) return text;
    let kept = text.length;
    const cut = () => `${text.slice(0, Math.ceil(kept / 2)).trimEnd()}…${text.slice(text.length - Math.floor(kept / 2)).trimStart()}`;
    while (kept > 1 && pen.measureText(cut()).width > room) kept -= 1;
    return cut();
  };

  const draw = () => {
    box = measure();
    place = [];
    state.order.forEach((label, position) => (place[label] = position));
    const { width, left, top, cell, wide, high } = box, ratio = paper ? 3 : devicePixelRatio || 1;
    const style = getComputedStyle(figure), colour = (name) => style.getPropertyValue(`--${name}`).trim();
    canvas.width = width * ratio;
    canvas.height = (top + high + 1) * ratio;
    canvas.style.height = `${top + high + 1}px`;
    canvas.style.touchAction = state.zoom > 1 ? "none" : "pan-y";
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.save();
    pen.beginPath();
    pen.rect(left, top, wide + 1, high + 1);
    pen.clip();
    pen.fillStyle = colour("faint");
    pen.fillRect(left, top, wide, high);
    const spot = (i, j) => [left + place[j] * cell - state.x, top + place[i] * cell - state.y];
    for (const i of numbers) {
      if (clips[i]) continue;
      pen.fillStyle = colour("empty");
      pen.fillRect(left, spot(i, 0)[1], wide, cell);
    }
    const most = Math.max(...cells.map(([i, j, number]) => (i !== j && state.only ? number / clips[i] : 0)), 0);
    for (const [i, j, number] of cells) {
      if (state.only && i === j) continue;
      const [x, y] = spot(i, j), share = number / clips[i] / (most || 1), strength = 0.12 + 0.88 * share ** 0.7;
      if (x + cell < left || y + cell < top || x > left + wide || y > top + high) continue;
      pen.globalAlpha = strength;
      pen.fillStyle = colour(i === j ? "accent" : "wrong");
      pen.fillRect(x, y, cell + 0.3, cell + 0.3);
      pen.globalAlpha = 1;
      if (cell >= 19) {
        pen.fillStyle = colour(strength > 0.55 ? "on-accent" : "text");
        pen.font = `${Math.min(12, (1.45 * cell) / Math.max(String(number).length, 2))}px system-ui, sans-serif`;
        pen.textAlign = "center";
        pen.textBaseline = "middle";
        pen.fillText(number, x + cell / 2, y + cell / 2 + 0.5);
      }
    }
    if (cell >= 9) {
      pen.strokeStyle = colour("ground");
      pen.lineWidth = cell >= 19 ? 1 : 0.5;
      pen.beginPath();
      for (let line = 1; line < count; line += 1) {
        const [x, y] = [left + line * cell - state.x, top + line * cell - state.y];
        pen.moveTo(x, top); pen.lineTo(x, top + high);
        pen.moveTo(left, y); pen.lineTo(left + wide, y);
      }
      pen.stroke();
    }
    if (state.cell) {
      const [x, y] = spot(...state.cell);
      pen.strokeStyle = colour("text");
      pen.lineWidth = 1.5;
      pen.strokeRect(x + 0.75, y + 0.75, Math.max(cell - 1.5, 1), Math.max(cell - 1.5, 1));
    }
    pen.restore();
    label(colour);
  };

  const label = (colour) => {
    const { left, top, cell, wide, high, named } = box, step = [1, 2, 5, 10, 20, 50].find((s) => s * cell >= 21) ?? 100;
    const size = Math.min(12, Math.max(cell - 1, 7.5));
    pen.textBaseline = "middle";
    for (let position = 0; position < count; position += 1) {
      const index = state.order[position], middle = (position + 0.5) * cell;
      const [x, y] = [left + middle - state.x, top + middle - state.y];
      const marked = state.cell && [state.cell[0] === index, state.cell[1] === index];
      const across = x >= left && x <= left + wide, down = y >= top && y <= top + high;
      pen.font = "11px system-ui, sans-serif";
      if (across && (position % step === 0 || marked?.[1])) {
        pen.fillStyle = colour(marked?.[1] ? "text" : "quiet");
        if (!state.cell || marked[1] || Math.abs(place[state.cell[1]] - position) * cell > 20) {
          pen.textAlign = "center";
          pen.fillText(shown[index], x, top - 10);
        }
      }
      if (!down) continue;
      pen.font = `${size}px system-ui, sans-serif`;
      pen.fillStyle = colour(marked?.[0] ? "text" : "quiet");
      pen.textAlign = "right";
      const crowded = state.cell && !marked[0] && Math.abs(place[state.cell[0]] - position) * cell < 12;
      if (named || marked?.[0] || (position % step === 0 && !crowded)) pen.fillText(shown[index], left - 7, y + 0.5);
      if (named) pen.fillText(shortened(names[index], left - 42), left - 34, y + 0.5);
    }
  };

  const tell = () => {
    const [line, list] = [figure.querySelector(".cell"), figure.querySelector(".clips")];
    list.textContent = "";
    const [i, j] = state.cell, share = clips[i] ? ` (${((100 * of(i, j)) / clips[i]).toFixed(1)} %)` : "";
    const what = i === j ? `${names[i]}, predicted right` : `${names[i]} → ${names[j]}`;
    line.textContent = `${what}: ${of(i, j)} of ${clips[i]} clips${share}`;
    const here = wrong[`${i},${j}`] ?? [], first = here.slice(0, 12);
    if (first.length) list.textContent = first.join(" · ") + (of(i, j) > first.length ? ` and ${of(i, j) - first.length} more` : "");
  };
  const select = (i, j) => {
    if (state.cell && state.cell[0] === i && state.cell[1] === j) return;
    state.cell = [i, j];
    const { cell, wide, high } = box, [x, y] = [place[j] * cell, place[i] * cell];
    state.x = Math.max(x + cell - wide, Math.min(state.x, x));  // into view
    state.y = Math.max(y + cell - high, Math.min(state.y, y));
    draw();
    tell();
  };
  const zoom = (factor, x = box.left + box.wide / 2, y = box.top + box.high / 2) => {
    const most = Math.max(1, (40 * state.zoom) / box.cell), wanted = Math.max(1, Math.min(state.zoom * factor, most));
    const grown = wanted / state.zoom;
    state.x = (state.x + x - box.left) * grown - (x - box.left);
    state.y = (state.y + y - box.top) * grown - (y - box.top);
    state.zoom = wanted;
    draw();
  };
  const cellAt = (x, y) => {
    const { left, top, cell, wide, high } = box;
    if (x < left || y < top || x > left + wide || y > top + high) return null;
    const [column, row] = [Math.floor((x - left + state.x) / cell), Math.floor((y - top + state.y) / cell)];
    return row < count && column < count ? [state.order[row], state.order[column]] : null;
  };
  const at = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };

  const held = new Map();  // pointers that are down: one drags, two pinch
  const point = (event) => {
    const cell = cellAt(...at(event));
    if (cell) select(...cell);
  };
  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, at(event));
    point(event);
    if (state.zoom > 1) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return point(event);
    const now = at(event), others = [...held].filter(([id]) => id !== event.pointerId).map(([, spot]) => spot);
    held.set(event.pointerId, now);
    if (others.length) {
      const far = (a, b) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1), other = others[0];
      zoom(far(now, other) / far(before, other), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if (state.zoom > 1) {
      state.x -= now[0] - before[0];
      state.y -= now[1] - before[1];
      draw();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => held.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;  // without a key the page scrolls
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 200), ...at(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(2, ...at(event)));
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }, move = moves[event.key];
    if (event.key === "+") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (move) {
      const [row, column] = state.cell ? state.cell.map((label) => place[label]) : [0, 0];
      const go = (position, by) => state.order[Math.max(0, Math.min(count - 1, position + by))];
      select(go(row, state.cell ? move[0] : 0), go(column, state.cell ? move[1] : 0));
    } else return;
    event.preventDefault();
  });

  figure.querySelector(".in").addEventListener("click", () => zoom(1.6));
  figure.querySelector(".out").addEventListener("click", () => zoom(1 / 1.6));
  figure.querySelector(".fit").addEventListener("click", () => zoom(1 / state.zoom));
  figure.querySelector(".order").addEventListener("change", (event) => {
    state.order = orders[event.target.value]();
    draw();
  });
  figure.querySelector(".only").addEventListener("change", (event) => {
    state.only = event.target.checked;
    draw();
  });
  for (const button of document.querySelectorAll("button.show")) {
    button.addEventListener("click", () => {
      select(...button.dataset.cell.split(",").map(Number));
      figure.scrollIntoView({ block: "start", behavior: "smooth" });
    });
  }
  figure.matrix = { state, select, named: () => box.named };
  new ResizeObserver(draw).observe(figure);
  const printing = (on) => {
    document.documentElement.classList.toggle("kg-printing", on);  // the light colours
    paper = on;
    draw();
  };
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}
