// What a live stream shows: its people on the stage, painted by the player's functions. A ring of the latest frames.

const MOMENTS = 40;  // frames that trails look back
const SLOTS = 20;

function liveScene(stage) {
  const canvas = stage.querySelector("canvas"), video = stage.querySelector("video"), context = canvas.getContext("2d");
  let theme = themeOf(stage.closest(".kg-player")), facts = null, target = null, view = null, waiting = false;
  let camera = null, trail = false, filmed = false;
  const slots = new Map();  // id -> {slot, frames: [[frame, joints]], seen}

  function begin(head) {
    facts = head;
    target = view = camera = null;
    slots.clear();
    facts.ends = facts.joints.map((_, i) => i).filter((i) => facts.bones.filter((bone) => bone.includes(i)).length === 1);
    facts.head = facts.ends.find((joint) => facts.joints[joint].toLowerCase().includes("head"));
    if (head.view) look(head.view);
    redraw();
  }

  function look(next) {
    target = next;
    if (!view) view = structuredClone(next);
    camera ??= { yaw: next.yaw, pitch: next.pitch, zoom: 1, x: 0, y: 0 };
  }

  function slotOf(id) {
    if (!slots.has(id)) {
      const taken = new Set([...slots.values()].map((it) => it.slot));
      slots.set(id, { slot: [...Array(SLOTS).keys()].find((it) => !taken.has(it)) ?? 0, frames: [], seen: facts?.now ?? 0 });
    }
    return slots.get(id).slot;
  }

  function show(message) {
    if (!facts) return;
    if (message.view) look(message.view);
    for (const { id, joints } of message.people) {
      slotOf(id);
      const one = slots.get(id);
      one.frames.push(joints);
      if (one.frames.length > MOMENTS) one.frames.shift();
      one.seen = message.frame;
    }
    for (const [id, one] of slots) if (message.frame - one.seen > 2 * facts.fps) slots.delete(id);
    facts.now = message.frame;
    redraw();
  }

  // The people who are there as a clip of the player: the last moment is the present.
  function clip() {
    const there = [...slots.values()].filter((one) => facts.now - one.seen < 0.34 * facts.fps && one.frames.length);
    const joints = facts.joints.length, channels = view.low.length, size = joints * channels, people = 1 + Math.max(-1, ...there.map((it) => it.slot));
    const points = new Float64Array(people * MOMENTS * size).fill(NaN);
    for (const { slot, frames } of there) {
      frames.forEach((pose, at) => {
        const from = (slot * MOMENTS + MOMENTS - frames.length + at) * size;
        pose.forEach((joint, i) => joint && joint.slice(0, channels).forEach((value, axis) => (points[from + i * channels + axis] = value)));
      });
    }
    return { ...facts, view, points, shape: [people, MOMENTS, joints, channels], image: filmed ? [] : facts.image, shown: there.map((it) => it.slot) };
  }

  // The view follows people without haste, so that nobody who walks makes the picture jump.
  function follow() {
    const near = (a, b) => a + 0.12 * (b - a), whole = filmed && target.low.length === 2 && facts.image.length;
    const goal = whole ? { ...target, low: [0, 0], high: facts.image } : target;
    let moving = false;
    for (const [key, value] of Object.entries(goal)) {
      const old = view[key];
      if (key === "yaw" || key === "pitch" || typeof value === "object") {
        if (Array.isArray(value)) view[key] = value.map((it, axis) => (whole ? it : near(old[axis], it)));
      } else view[key] = key === "grid" ? value : near(old, value);
    }
    moving = Math.abs(view.half - goal.half) > 0.002 * view.size || Math.abs(view.high[0] - goal.high[0]) > 0.002 * view.size;
    return moving;
  }

  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }
  function draw() {
    waiting = false;
    const { clientWidth: width, clientHeight: height } = canvas, dense = Math.min(window.devicePixelRatio || 1, 3);
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      [canvas.width, canvas.height] = [Math.round(width * dense), Math.round(height * dense)];
    }
    context.setTransform(dense, 0, 0, dense, 0, 0);
    if (!facts || !view) {
      context.clearRect(0, 0, width, height);
      fit(width, height);
      return;
    }
    const moving = follow(), made = clip();
    stage.places = paint(context, width, height, made, theme, { time: MOMENTS - 1, camera, shown: made.shown, trail });
    fit(width, height);
    if (moving) redraw();
  }

  // The camera's picture lies under the skeleton where joints are its pixels, else in a corner.
  function fit(width, height) {
    if (!filmed) return;
    const flat = !view || view.low.length === 2;
    video.classList.toggle("aside", !flat);
    stage.classList.toggle("filmed", flat);
    stage.style.setProperty("--shape", `${video.videoWidth || 4} / ${video.videoHeight || 3}`);
    const [wide, high] = [video.videoWidth || 4, video.videoHeight || 3];
    let box = null;
    if (view && flat && facts.image.length) {
      const place = projection({ view, shape: [0, 0, 0, 2] }, camera, width, height), a = place(0, 0), b = place(...facts.image);
      box = [a[0], a[1], b[0] - a[0], b[1] - a[1]];
    } else {
      const scale = 0.96 * Math.min(width / wide, height / high);
      box = [(width - wide * scale) / 2, (height - high * scale) / 2, wide * scale, high * scale];
    }
    if (!flat) return video.removeAttribute("style");
    ["left", "top", "width", "height"].forEach((name, i) => (video.style[name] = `${box[i]}px`));
  }

  function turn(right, up) {
    if (!camera) return;
    if (view.low.length === 2) [camera.x, camera.y] = [camera.x + right, camera.y + up];
    else [camera.yaw, camera.pitch] = [camera.yaw - right * 0.009, Math.min(Math.max(camera.pitch + up * 0.007, -0.35), 1.5)];
    redraw();
  }
  function zoom(by) {
    if (camera) camera.zoom = Math.min(Math.max(camera.zoom * by, 0.3), 12);
    redraw();
  }
  const keys = {
    a: () => turn(-20, 0), d: () => turn(20, 0), w: () => turn(0, -20), s: () => turn(0, 20), "+": () => zoom(1.2), "=": () => zoom(1.2),
    "-": () => zoom(1 / 1.2), 0: () => target && ((camera = null), look(target), redraw()),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    const sign = stage.classList.contains("mirrored") ? -1 : 1;
    if (event.buttons) turn(sign * event.movementX, event.movementY);
  });
  canvas.addEventListener("dblclick", () => keys[0]());
  new ResizeObserver(redraw).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    theme = themeOf(stage.closest(".kg-player"));
    redraw();
  });
  return {
    begin, show, redraw, slotOf,
    clear: () => ((facts = view = target = null), slots.clear(), redraw()),
    film: (on) => ((filmed = on), (video.hidden = !on), on || stage.classList.remove("filmed"), redraw()),
    trails: (on) => ((trail = on), redraw()),
    theme: () => theme,
  };
}
