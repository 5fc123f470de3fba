// The parts of a figure beside its canvas: buttons, the course of answers over time, a legend.

function controlsOf(clip, state, compact) {
  const [people, frames] = clip.shape;
  const play = button("Play", "kg-play", icon("play", true));
  const scrub = element("input", { type: "range", class: "kg-scrub", min: 0, max: frames - 1, step: "any", value: 0, "aria-label": "Time" });
  const clock = element("output", { class: "kg-clock" });
  const speed = element("select", { class: "kg-speed", "aria-label": "Speed", title: "Speed" });
  for (const value of SPEEDS) speed.append(element("option", { value, ...(value === 1 && { selected: "" }) }, `${value}×`));
  const sided = clip.side.some((side) => side !== MIDDLE);
  const hue = (person, side) => element("i", { style: `background: var(--kg-${side}-${person % clip.hues})` });
  const swatch = (...hues) => element("span", { class: "kg-swatch", "aria-hidden": "true" }, ...hues);
  const toggles = people < 2 ? [] : [...Array(people).keys()].map((person) => {
    const title = `Show ${clip.individuals[person]} or not` + (sided ? "; the first colour is the left side" : "");
    const hues = (sided ? ["left", "right"] : ["middle"]).map((side) => hue(person, side));
    return element("button", { type: "button", class: "kg-chip", "aria-pressed": "true", title }, swatch(...hues), clip.individuals[person]);
  });
  const hues = (side) => [...Array(Math.min(people, clip.hues)).keys()].map((person) => hue(person, side));
  const legend = sided ? [element("span", { class: "kg-legend" }, swatch(...hues("left")), "left", swatch(...hues("right")), "right")] : [];
  const trail = element("button", { type: "button", class: "kg-chip", "aria-pressed": "false", title: "Where hands and feet came from" }, "Trails");
  const reset = button("First view", "kg-icon", icon("reset"));
  const help = button("Keys", "kg-icon", icon("help"));
  help.setAttribute("aria-expanded", "false");
  const keys = element("dl", { class: "kg-keys" });
  for (const [key, what] of HELP) keys.append(element("dt", {}, key), element("dd", {}, what));
  keys.hidden = true;
  const first = element("div", { class: "kg-row" }, play, scrub, clock);
  const second = element("div", { class: "kg-row kg-more" }, speed, ...toggles, trail, element("span", { class: "kg-gap" }), reset, help);
  if (compact) first.append(speed);
  const root = element("div", { class: "kg-controls" }, first, ...(compact ? [] : [second]));
  return { root, legend, play, scrub, clock, speed, toggles, trail, reset, help, keys };
}

function heatLegend() {
  return element("span", { class: "kg-heat", title: "Of all joints and moments of this clip" }, "least", element("i"), "most important");
}

// Class and probability: bars of the present moment, and where the answer changes over time their course.
function answersOf(clip, seek) {
  const { names, edges, best, probabilities } = clip.answers, classes = names.length, spans = best.length;
  const root = element("div", { class: "kg-answers" }), rows = names.map((name, at) => {
    const value = element("b"), bar = element("i", { class: "kg-bar" });
    const right = clip.label && name === clip.label;
    const row = element("li", right ? { class: "kg-right", title: "the true class" } : {}, bar, element("span", {}, name), value);
    bar.style.setProperty("--at", at);
    return { row, value, bar };
  });
  const course = spans > 1 ? element("canvas", { class: "kg-course", role: "img" }) : null;
  if (course) {
    course.setAttribute("aria-label", "Probabilities of classes over time: " + best.map((at, span) => `from frame ${edges[span] + 1} ${names[at] ?? "nobody"}`).join(", "));
    const go = (event) => {
      const box = course.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * (clip.shape[1] - 1));
    };
    course.addEventListener("pointerdown", (event) => {
      course.setPointerCapture(event.pointerId);
      go(event);
    });
    course.addEventListener("pointermove", (event) => event.buttons && go(event));
    root.append(course);
  }
  if (clip.label) root.append(verdict(clip.label, names, best));
  root.append(element("ol", { class: "kg-classes" }, ...rows.map(({ row }) => row)));

  function spanAt(time) {
    let span = 0;
    while (span + 1 < spans && edges[span + 1] <= Math.round(time)) span++;
    return span;
  }
  function tell(time, theme) {
    const span = spanAt(time);
    rows.forEach(({ row, value, bar }, at) => {
      const share = probabilities[span * classes + at];
      value.textContent = `${(100 * share).toFixed(1)} %`;
      bar.style.width = `${100 * share}%`;
      bar.style.background = classColour(clip, theme, at);
      row.classList.toggle("kg-best", best[span] === at);
    });
    if (course) paintCourse(course, clip, theme, time);
  }
  return { root, tell };
}

function verdict(label, names, best) {
  const line = element("p", { class: "kg-label" }, "label: ", element("b", {}, label));
  if (new Set(best).size === 1) {
    const right = names[best[0]] === label;
    line.append(element("span", { class: right ? "kg-yes" : "kg-no" }, right ? "right" : "wrong"));
  }
  return line;
}

const classColour = (clip, theme, at) => {
  const { colours } = clip.answers;
  return colours ? colours[at] || theme.quiet : theme.classes[at % theme.classes.length];
};

// A ribbon of the likeliest class over steps of probability, with the present moment.
function paintCourse(canvas, clip, theme, time) {
  const { names, edges, best, probabilities } = clip.answers, classes = names.length, frames = clip.shape[1];
  const { width, height } = canvas.getBoundingClientRect(), dense = Math.min(window.devicePixelRatio || 1, 3);
  if (canvas.width !== Math.round(width * dense)) [canvas.width, canvas.height] = [Math.round(width * dense), Math.round(height * dense)];
  const context = canvas.getContext("2d"), ribbon = 22, top = ribbon + 6, bottom = height - 1;
  const across = (frame) => (Math.min(Math.max(frame, 0), frames - 1) / Math.max(frames - 1, 1)) * width;
  const colour = (at) => classColour(clip, theme, at);
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.clearRect(0, 0, width, height);
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  for (const share of [0, 0.5, 1]) {
    const y = Math.round(bottom - share * (bottom - top - 2)) - 0.5;
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.stroke();
  }
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (let span = 0, end; span < best.length; span = end) {
    for (end = span + 1; end < best.length && best[end] === best[span];) end++;
    if (best[span] < 0) continue;
    const [x, wide] = [across(edges[span]), across(edges[end]) - across(edges[span])];
    context.fillStyle = colour(best[span]);
    context.beginPath();
    context.roundRect(x + 0.5, 0, Math.max(wide - 1, 0.5), ribbon, 4);
    context.fill();
    context.fillStyle = css(theme.ground);
    const text = fitting(context, names[best[span]], wide - 14);
    if (text) context.fillText(text, x + 7, ribbon / 2 + 0.5);
  }
  for (let at = classes - 1; at >= 0; at--) {
    context.strokeStyle = colour(at);
    context.lineWidth = 1.8;
    context.beginPath();
    for (let span = 0; span < best.length; span++) {
      const y = bottom - 1 - probabilities[span * classes + at] * (bottom - top - 3);
      context.lineTo(across(edges[span]), y);
      context.lineTo(across(edges[span + 1]), y);
    }
    context.stroke();
  }
  context.fillStyle = theme.text;
  context.fillRect(across(time) - 0.75, 0, 1.5, height);
}

function fitting(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  for (let length = text.length - 1; length > 2; length--) {
    const cut = text.slice(0, length) + "…";
    if (context.measureText(cut).width <= width) return cut;
  }
  return "";
}

// ---- all figures of the page ----------------------------------------------------------------------------------------

// A figure is built when it comes near the window: a page may hold many.
function wakeAll() {
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      wake(target);
    }
  }, { rootMargin: "300px" });
  for (const figure of document.querySelectorAll(".kg-player:not([data-awake])")) near.observe(figure);
}

window.kinegraphPlayers = wakeAll;
wakeAll();
