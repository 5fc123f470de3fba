// The controls of a figure. Everything is built here with textContent, so that names from data stay text.

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const HELP = [
  ["Space", "play, pause"], ["← →", "a frame back, on; with Shift ten"], ["Home End", "first, last frame"],
  ["↑ ↓", "faster, slower"], ["+ −", "nearer, farther"], ["A D W S", "turn the view"], ["0", "first view"],
  ["T", "trails"], ["1 … 9", "show a person or not"],
];
const ICONS = {
  play: "M5 3.2v13.6L16.5 10z", pause: "M5 3.5h3.6v13H5zM11.4 3.5H15v13h-3.6z",
  reset: "M4.2 4v4.2h4.2M4.6 8.2A6.2 6.2 0 1 1 3.8 11", help: "M7.3 7.6a2.7 2.7 0 1 1 4 2.4c-.9.5-1.3 1-1.3 2M10 14.6v.1",
};

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function icon(name, filled) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("class", filled ? "kg-filled" : "kg-drawn");
  svg.append(path);
  return svg;
}

const button = (label, kind, ...children) => element("button", { type: "button", class: kind, "aria-label": label, title: label }, ...children);

function wake(figure) {
  figure.dataset.awake = "true";
  const clip = decoded(JSON.parse(figure.querySelector("script[type='application/json']").textContent));
  const [people, frames] = clip.shape, flat = clip.shape[3] === 2, compact = figure.classList.contains("kg-compact");
  const stage = figure.querySelector(".kg-stage"), canvas = stage.querySelector("canvas"), context = canvas.getContext("2d");
  const firstView = () => ({ yaw: clip.view.yaw, pitch: clip.view.pitch, zoom: 1, x: 0, y: 0 });
  const state = { time: 0, playing: false, speed: 1, trail: false, camera: firstView(), shown: new Set([...Array(people).keys()]) };
  let theme = themeOf(figure), places = [], visible = true, before = null, waiting = false;

  // ---- parts of the page -------------------------------------------------------------------------------------------
  const controls = controlsOf(clip, state, compact), { play, scrub, clock, speed, toggles, trail, reset, help, keys } = controls;
  const course = clip.answers ? answersOf(clip, seek) : null;
  const name = element("div", { class: "kg-name", "aria-hidden": "true" });
  stage.append(name);
  const legends = element("div", { class: "kg-legends" }, ...controls.legend, ...(clip.importance ? [heatLegend()] : []));
  figure.querySelector("figcaption").append(legends);
  figure.append(controls.root, keys, ...(course ? [course.root] : []));

  // ---- time --------------------------------------------------------------------------------------------------------
  function seek(time) {
    state.time = Math.min(Math.max(time, 0), frames - 1);
    redraw();
  }
  function setPlaying(playing) {
    if (playing && state.time >= frames - 1) state.time = 0;
    state.playing = playing && frames > 1;
    before = null;
    redraw();
  }
  function step(by) {
    setPlaying(false);
    seek(Math.round(state.time) + by);
  }
  function setSpeed(value) {
    state.speed = value;
    speed.value = String(value);
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------
  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }
  function draw(now) {
    waiting = false;
    if (state.playing && visible) {
      const passed = before === null ? 0 : Math.min((now - before) / 1000, 0.25);
      state.time += passed * clip.fps * state.speed;
      if (state.time > frames - 1) state.time %= Math.max(frames - 1, 1);
      before = now;
    }
    const { width, height } = canvas.getBoundingClientRect(), dense = Math.min(window.devicePixelRatio || 1, 3);
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
    }
    context.setTransform(dense, 0, 0, dense, 0, 0);
    places = paint(context, width, height, clip, theme, state);
    tell();
    if (state.playing && visible) redraw();
  }
  function tell() {
    const frame = Math.round(state.time), seconds = (frame / clip.fps).toFixed(2);
    figure.dataset.frame = frame;
    if (figure.dataset.playing !== String(state.playing)) {
      figure.dataset.playing = state.playing;
      play.setAttribute("aria-label", state.playing ? "Pause" : "Play");
      play.title = state.playing ? "Pause" : "Play";
      play.replaceChildren(icon(state.playing ? "pause" : "play", true));
    }
    scrub.value = state.playing ? state.time : frame;
    scrub.style.setProperty("--share", `${(100 * state.time) / Math.max(frames - 1, 1)}%`);
    scrub.setAttribute("aria-valuetext", `frame ${frame + 1} of ${frames}` + (clip.timed ? `, ${seconds} seconds` : ""));
    clock.textContent = compact && clip.timed ? `${seconds} s` : `${frame + 1} / ${frames}${clip.timed ? ` · ${seconds} s` : ""}`;
    course?.tell(state.time, theme);
  }

  // ---- view --------------------------------------------------------------------------------------------------------
  function turn(right, up) {
    if (flat) {
      state.camera.x += right;
      state.camera.y += up;
    } else {
      state.camera.yaw -= right * 0.009;
      state.camera.pitch = Math.min(Math.max(state.camera.pitch + up * 0.007, -0.35), 1.5);
    }
    redraw();
  }
  function zoom(by) {
    const { camera } = state, old = camera.zoom;
    camera.zoom = Math.min(Math.max(old * by, 0.3), 12);
    camera.x *= camera.zoom / old;
    camera.y *= camera.zoom / old;
    redraw();
  }
  function firstAgain() {
    state.camera = firstView();
    redraw();
  }

  // ---- pointer: one drags the view round, two zoom it ----------------------------------------------------------------
  const pointers = new Map();
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
  };
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return point(event);
    const [x, y] = pointers.get(event.pointerId), wide = spread();
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    name.hidden = true;
    if (pointers.size > 1 && wide) zoom(spread() / wide);
    turn((event.clientX - x) / pointers.size, (event.clientY - y) / pointers.size);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      point(event);
    });
  }
  canvas.addEventListener("pointerleave", () => (name.hidden = true));
  canvas.addEventListener("dblclick", firstAgain);
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return;  // else a page could not be scrolled past
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0015));
  }, { passive: false });

  function point(event) {
    const box = canvas.getBoundingClientRect(), [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null, nearest = event.pointerType === "touch" ? 26 : 16;
    for (const { person, spots, score, importance } of places) {
      spots.forEach((spot, joint) => {
        const away = spot ? Math.hypot(spot[0] - x, spot[1] - y) : Infinity;
        if (away < nearest) [best, nearest] = [{ person, joint, spot, score, importance }, away];
      });
    }
    name.hidden = !best;
    if (!best) return;
    const lines = [clip.joints[best.joint]];
    if (people > 1) lines.push(clip.individuals[best.person]);
    if (best.score) lines.push(`confidence ${best.score[best.joint].toFixed(2)}`);
    if (best.importance) lines.push(`importance ${best.importance[best.joint].toFixed(2)}`);
    name.textContent = lines.join(" · ");
    const half = name.offsetWidth / 2;
    name.style.left = `${Math.min(Math.max(best.spot[0], half + 4), Math.max(box.width - half - 4, half + 4))}px`;
    name.style.top = `${best.spot[1] < 44 ? best.spot[1] + 40 : best.spot[1]}px`;
  }

  // ---- buttons and keys --------------------------------------------------------------------------------------------
  function toggle(person) {
    if (!toggles[person]) return;
    if (!state.shown.delete(person)) state.shown.add(person);
    toggles[person].setAttribute("aria-pressed", state.shown.has(person));
    redraw();
  }
  function toggleTrail() {
    state.trail = !state.trail;
    trail.setAttribute("aria-pressed", state.trail);
    redraw();
  }
  function faster(by) {
    const at = SPEEDS.indexOf(state.speed) + by;
    if (SPEEDS[at]) setSpeed(SPEEDS[at]);
  }
  const doing = {
    " ": () => setPlaying(!state.playing), ArrowLeft: (by) => step(-by), ArrowRight: (by) => step(by),
    Home: () => seek(0), End: () => seek(frames - 1), ArrowUp: () => faster(1), ArrowDown: () => faster(-1),
    "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2), 0: firstAgain, t: toggleTrail,
    a: () => turn(-20, 0), d: () => turn(20, 0), w: () => turn(0, -20), s: () => turn(0, 20),
  };
  figure.addEventListener("keydown", (event) => {
    const at = event.target, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || at === speed) return;
    if (key === " " && at.tagName === "BUTTON") return;  // it presses the button
    const act = doing[key] ?? (/^[1-9]$/.test(key) ? () => toggle(key - 1) : null);
    if (!act) return;
    event.preventDefault();
    act(event.shiftKey ? 10 : 1);
  });
  play.addEventListener("click", () => setPlaying(!state.playing));
  scrub.addEventListener("input", () => {
    setPlaying(false);
    seek(Number(scrub.value));
  });
  speed.addEventListener("change", () => setSpeed(Number(speed.value)));
  toggles.forEach((one, person) => one.addEventListener("click", () => toggle(person)));
  trail.addEventListener("click", toggleTrail);
  reset.addEventListener("click", firstAgain);
  help.addEventListener("click", () => {
    keys.hidden = !keys.hidden;
    help.setAttribute("aria-expanded", !keys.hidden);
  });

  // ---- the page around it ------------------------------------------------------------------------------------------
  new ResizeObserver(redraw).observe(stage);
  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    before = null;
    if (visible) redraw();
  }).observe(stage);
  function recolour() {
    theme = themeOf(figure);
    draw(performance.now());  // at once: a page that is printed waits for no frame
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  name.hidden = true;
  figure.player = { strip: () => stripOf(figure, clip, state), recolour, seek, step, play: () => setPlaying(true), pause: () => setPlaying(false), setSpeed, turn, zoom, toggle, state, places: () => places };
  redraw();
}
