// What is said of the people of a stream: a card each, the last minute as ribbons, and events.

const SHORT = 15, MINUTE = 60, ROW = 34, MOST_EVENTS = 100;

function liveBoard(scene) {
  const [people, events, course, clock, notes] = ["people", "events", "course", "clock", "notes"].map((id) => document.getElementById(id));
  const cards = new Map(), hues = new Map();
  const course_of = new Map(), open = new Map();
  let facts = null, now = 0, span = SHORT, waiting = false;

  const colourOf = (name) => {
    if (!hues.has(name)) hues.set(name, hues.size);
    const classes = scene.theme().classes;
    return classes[hues.get(name) % classes.length];
  };
  const swatchOf = (id) => {
    const at = scene.slotOf(id) % (facts?.hues ?? 5);
    const hue = (side) => element("i", { style: `background: var(--kg-${side}-${at})` });
    return element("span", { class: "swatch", "aria-hidden": "true" }, hue("left"), hue("right"));
  };
  const nameOf = (id) => (typeof id === "number" ? `Person ${id}` : id);
  const clockOf = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

  function begin(head) {
    facts = head;
    now = 0;
    for (const map of [cards, course_of, open]) map.clear();
    people.replaceChildren();
    events.replaceChildren();
    document.getElementById("no-events").hidden = false;
    notes.replaceChildren(...(head?.notes ?? []).map((line) => element("li", {}, line)));
    clock.textContent = "";
    redraw();
  }

  function cardOf(id) {
    if (!cards.has(id)) {
      const count = element("b"), says = element("div", { class: "says" }), bars = element("ol", { class: "bars" });
      const root = element("div", { class: "person" }, element("div", { class: "who" }, swatchOf(id), nameOf(id), count), says, bars);
      people.append(root);
      cards.set(id, { root, count, says, bars, seen: 0 });
    }
    return cards.get(id);
  }

  function answer(it) {
    const card = cardOf(it.person), top = it.top ?? [{ class: it.class, probability: it.probability }];
    card.seen = it.frame_seconds;
    card.root.classList.toggle("lost", Boolean(it.lost));
    card.says.textContent = it.class;
    card.bars.replaceChildren(...top.slice(0, 3).map((one) => {
      const bar = element("i", { style: `width: ${100 * one.probability}%; background: ${colourOf(one.class)}` });
      return element("li", {}, bar, element("span", {}, one.class), element("b", {}, `${(100 * one.probability).toFixed(0)} %`));
    }));
    const line = course_of.get(it.person) ?? [];
    line.push([(it.start_seconds + it.stop_seconds) / 2, it.class, it.probability]);
    while (line.length && line[0][0] < now - MINUTE - 2) line.shift();
    course_of.set(it.person, line);
  }

  function happen(it) {
    const key = `${it.person} ${it.start} ${it.class}`;
    document.getElementById("no-events").hidden = true;
    if (it.kind === "end" && open.has(key)) {
      const row = open.get(key);
      open.delete(key);
      row.querySelector("time").textContent = `${clockOf(it.start_seconds)} – ${clockOf(it.end_seconds)}`;
      row.querySelector(".what").classList.remove("now");
      row.querySelector("b").textContent = `${(100 * it.confidence).toFixed(0)} %`;
      return;
    }
    const time = element("time", {}, it.end_seconds === undefined ? clockOf(it.start_seconds) : `${clockOf(it.start_seconds)} – ${clockOf(it.end_seconds)}`);
    const what = element("span", { class: it.kind === "begin" ? "what now" : "what" }, it.class);
    const row = element("li", {}, swatchOf(it.person), time, what, element("b", {}, `${(100 * it.confidence).toFixed(0)} %`));
    events.prepend(row);
    while (events.children.length > MOST_EVENTS) events.lastChild.remove();
    if (it.kind === "begin") open.set(key, row);
  }

  function take(message) {
    if (message.kind === "head") begin(message);
    else if (message.kind === "answer") answer(message);
    else if (message.kind === "begin" || message.kind === "end") happen(message);
    else if (message.kind === "repetition") cardOf(message.person).count.textContent = `× ${message.count}`;
    const frame = message.frame_seconds ?? (message.kind === "frame" && facts ? message.frame / facts.fps : now);
    now = Math.max(now, frame);
    if (facts) clock.textContent = clockOf(now);
    for (const [id, card] of cards) {
      if (now - card.seen < 3) continue;
      card.root.remove();
      cards.delete(id);
    }
    redraw();
  }

  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }
  function draw() {
    waiting = false;
    for (const [id, line] of course_of) if (!line.length || line.at(-1)[0] < now - MINUTE) course_of.delete(id);
    course.style.height = `${Math.max(course_of.size, 1) * (ROW + 8) + 16}px`;
    span = Math.min(Math.max(now, SHORT), MINUTE);
    const { clientWidth: width, clientHeight: height } = course, dense = Math.min(window.devicePixelRatio || 1, 3), theme = scene.theme();
    [course.width, course.height] = [Math.round(width * dense), Math.round(height * dense)];
    const context = course.getContext("2d"), across = (second) => width - ((now - second) / span) * width;
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "alphabetic";
    const step = span > 30 ? 10 : 5;
    for (let second = Math.floor(now / step) * step; second > now - span && second >= 0; second -= step) {
      context.fillStyle = theme.line;
      context.fillRect(Math.round(across(second)), 0, 1, height - 14);
      context.fillStyle = theme.quiet;
      const text = clockOf(second).slice(0, -2), wide = context.measureText(text).width;
      if (across(second) > wide / 2) context.fillText(text, Math.min(across(second) - wide / 2, width - wide), height - 2);
    }
    let top = 0;
    for (const [id, line] of course_of) {
      row(context, theme, line, across, top, scene.slotOf(id));
      top += ROW + 8;
    }
  }

  // A ribbon of the likeliest class; below it how likely it is.
  function row(context, theme, line, across, top, slot) {
    const ribbon = 18;
    for (let from = 0, to; from < line.length; from = to) {
      for (to = from + 1; to < line.length && line[to][1] === line[from][1] && line[to][0] - line[to - 1][0] < 1; ) to++;
      const end = to < line.length && line[to][0] - line[to - 1][0] < 1 ? line[to][0] : line[to - 1][0] + 0.1;
      const [x, wide] = [across(line[from][0]), across(end) - across(line[from][0])], colour = colourOf(line[from][1]);
      context.fillStyle = colour;
      context.beginPath();
      context.roundRect(x, top, Math.max(wide - 1, 0.5), ribbon, 4);
      context.fill();
      context.save();
      context.globalAlpha = 0.3;
      context.beginPath();
      context.moveTo(x, top + ROW);
      for (let at = from; at < to; at++) context.lineTo(across(line[at][0]), top + ROW - line[at][2] * (ROW - ribbon - 2));
      context.lineTo(x + wide, top + ROW - line[to - 1][2] * (ROW - ribbon - 2));
      context.lineTo(x + wide, top + ROW);
      context.fill();
      context.restore();
      context.fillStyle = css(theme.ground);
      const text = fitting(context, line[from][1], wide - 12);
      if (text) context.fillText(text, Math.max(x, 0) + 6, top + ribbon - 5);
    }
    context.fillStyle = css(theme.person(slot, LEFT));
    context.fillRect(across(now) - 3, top, 3, ROW);
  }
  new ResizeObserver(redraw).observe(course.parentElement);
  return { begin, take, redraw };
}
