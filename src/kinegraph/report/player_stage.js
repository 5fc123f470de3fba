// Decoding a figure's data, and painting one moment of it on a canvas.

const UNSEEN = -32768;
const LEFT = 0, MIDDLE = 1, RIGHT = 2;

function unpacked(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// The data with its arrays; numbers are little-endian, as on nearly every machine, so they are read by DataView.
function decoded(data) {
  const bytes = unpacked(data.points), view = new DataView(bytes.buffer), channels = data.shape[3];
  const points = new Float64Array(bytes.length / 2);
  for (let i = 0; i < points.length; i++) {
    const whole = view.getInt16(2 * i, true);
    points[i] = whole === UNSEEN ? NaN : data.origin[i % channels] + data.step * whole;
  }
  const share = (packed) => packed && Float32Array.from(unpacked(packed), (byte) => byte / 255);
  const clip = { ...data, points, score: share(data.score), importance: share(data.importance) };
  clip.ends = data.joints.map((_, i) => i).filter((i) => data.bones.filter((bone) => bone.includes(i)).length === 1);
  clip.head = clip.ends.find((joint) => data.joints[joint].toLowerCase().includes("head"));
  if (data.answers) {
    const raw = unpacked(data.answers.probabilities), shares = new DataView(raw.buffer);
    const probabilities = Array.from({ length: raw.length / 2 }, (_, i) => shares.getUint16(2 * i, true) / 65535);
    clip.answers = { ...data.answers, probabilities };
  }
  return clip;
}

// All joints of a person at a time between frames: a flat list of coordinates, NaN where unseen.
function pose(clip, person, time) {
  const [, frames, joints, channels] = clip.shape, size = joints * channels;
  const first = Math.min(Math.floor(time), frames - 1), second = Math.min(first + 1, frames - 1), part = time - first;
  const a = (person * frames + first) * size, b = (person * frames + second) * size;
  const found = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const from = clip.points[a + i], to = clip.points[b + i];
    found[i] = isNaN(to) ? from : isNaN(from) ? (part > 0.5 ? to : NaN) : from + part * (to - from);
  }
  return found;
}

function shareOf(values, clip, person, time) {
  const [, frames, joints] = clip.shape, frame = Math.min(Math.round(time), frames - 1);
  const from = (person * frames + frame) * joints;
  return values ? values.subarray(from, from + joints) : null;
}

// The view: where the eye is, and the function that takes a place into the picture; report/stage.py has the same.
// camera: {yaw, pitch, zoom, x, y}; x and y shift the picture. Gives [x, y, how far away, pixels per unit].
function projection(clip, camera, width, height) {
  const { view } = clip, [low, high] = [view.low, view.high];
  const centre = low.map((value, axis) => (value + high[axis]) / 2);
  const middle = [width / 2 + camera.x, height / 2 + camera.y];
  if (clip.shape[3] === 2) {
    const scale = 0.96 * camera.zoom * Math.min(width / (high[0] - low[0]), height / (high[1] - low[1]));
    return (x, y) => [middle[0] + (x - centre[0]) * scale, middle[1] + (y - centre[1]) * scale, 0, scale];
  }
  const [cy, sy, cp, sp] = [Math.cos(camera.yaw), Math.sin(camera.yaw), Math.cos(camera.pitch), Math.sin(camera.pitch)];
  const tall = view.half * Math.cos(view.pitch) + view.reach * Math.sin(view.pitch);
  const eye = view.distance * Math.max(view.half, view.reach);
  const fit = view.margin * camera.zoom * Math.min(height / 2 / tall, width / 2 / view.reach);
  return (x, y, z) => {
    x -= centre[0], y -= centre[1], z -= centre[2];
    const right = x * cy - z * sy, level = x * sy + z * cy;
    const up = y * cp - level * sp, toward = y * sp + level * cp;
    const scale = (fit * eye) / Math.max(eye - toward, eye / 10);
    return [middle[0] + right * scale, middle[1] - up * scale, -toward, scale];
  };
}

// ---- colours --------------------------------------------------------------------------------------------------------

function themeOf(element) {
  const style = getComputedStyle(element), list = (name) => style.getPropertyValue(`--kg-${name}`).trim().split(/\s+/);
  const [left, middle, right] = ["left", "middle", "right"].map(list);
  return {
    ground: rgb(list("ground")[0]), text: list("text")[0], quiet: list("quiet")[0], line: list("line")[0], faint: list("faint")[0],
    person: (index, side) => rgb([left, middle, right][side][index % left.length]),
    classes: list("classes"), heat: list("heat").map(rgb),
  };
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mixed = (a, b, part) => a.map((value, i) => value + part * (b[i] - value));
const css = (colour, alpha = 1) => `rgba(${colour.map(Math.round).join(",")},${alpha})`;

function heatOf(theme, share) {
  const at = Math.min(Math.max(share, 0), 1) * (theme.heat.length - 1), first = Math.min(Math.floor(at), theme.heat.length - 2);
  return mixed(theme.heat[first], theme.heat[first + 1], at - first);
}

// ---- painting -------------------------------------------------------------------------------------------------------

// options: {time, camera, shown: [people], trail}. Gives where joints are, for pointing at them.
function paint(context, width, height, clip, theme, options) {
  const place = projection(clip, options.camera, width, height), flat = clip.shape[3] === 2;
  context.clearRect(0, 0, width, height);
  context.lineCap = context.lineJoin = "round";
  if (flat) paintFrame(context, clip, theme, place);
  else paintFloor(context, clip, theme, place);
  const people = [...options.shown].map((person) => posed(clip, person, options.time, place));
  if (!flat) for (const person of people) paintShadow(context, clip, theme, place, person);
  if (options.trail) for (const person of people) paintTrails(context, clip, theme, place, person, options.time);
  const parts = people.flatMap((person) => partsOf(clip, theme, person));
  parts.sort((a, b) => b.far - a.far);
  const depth = flat ? 0 : 1 / (2 * Math.max(clip.view.half, clip.view.reach));
  for (const part of parts) {
    const away = Math.min(Math.max(0.14 + 0.8 * part.far * depth, 0), 0.5) * (flat ? 0 : 1);
    paintPart(context, theme, part, mixed(part.colour, theme.ground, away));
  }
  return people;
}

function posed(clip, person, time, place) {
  const at = pose(clip, person, time), channels = clip.shape[3], spots = [];
  for (let i = 0; i < at.length; i += channels) spots.push(isNaN(at[i]) ? null : place(at[i], at[i + 1], at[i + 2]));
  const share = (values) => shareOf(values, clip, person, time);
  return { person, at, spots, score: share(clip.score), importance: share(clip.importance) };
}

// Bones and joints with colour, width and how far away they are.
function partsOf(clip, theme, { person, spots, score, importance }) {
  const parts = [], thick = 0.017 * clip.view.size;
  const sure = (joint) => (score ? 0.12 + 0.88 * score[joint] : 1);
  const width = (scale) => Math.min(Math.max(thick * scale, 1.8), 14);
  clip.bones.forEach(([i, j], bone) => {
    const [a, b] = [spots[i], spots[j]];
    if (!a || !b) return;
    const own = theme.person(person, clip.boneSide[bone]);
    const colour = importance ? mixed(own, theme.heat[0], 0.55) : own;
    parts.push({ a, b, far: (a[2] + b[2]) / 2, colour, alpha: Math.min(sure(i), sure(j)), width: width((a[3] + b[3]) / 2) });
  });
  spots.forEach((spot, joint) => {
    if (!spot) return;
    const colour = importance ? heatOf(theme, importance[joint]) : theme.person(person, clip.side[joint]);
    const share = importance ? 0.5 + 1.7 * importance[joint] : joint === clip.head ? 2.1 : 0.92;
    parts.push({ a: spot, far: spot[2] - 5 * thick, colour, alpha: sure(joint), radius: width(spot[3]) * share });
  });
  return parts;
}

function paintPart(context, theme, { a, b, alpha, width, radius }, colour) {
  context.globalAlpha = alpha;
  if (b) {
    // A rim in the colour of the ground tells a bone from those behind it.
    for (const [stroke, size] of [[css(theme.ground), width + 2.4], [css(colour), width]]) {
      context.strokeStyle = stroke;
      context.lineWidth = size;
      context.beginPath();
      context.moveTo(a[0], a[1]);
      context.lineTo(b[0], b[1]);
      context.stroke();
    }
  } else {
    context.fillStyle = css(colour);
    context.strokeStyle = css(theme.ground);
    context.lineWidth = 1.4;
    context.beginPath();
    context.arc(a[0], a[1], radius, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
  context.globalAlpha = 1;
}

// Lines that fade out away from the middle.
function paintFloor(context, clip, theme, place) {
  const { grid, floor, low, high, reach, size } = clip.view;
  const centre = [0, 2].map((axis) => (low[axis] + high[axis]) / 2), far = 1.25 * reach + 0.5 * size;
  const start = centre.map((value) => Math.ceil((value - far) / grid)), end = centre.map((value) => Math.floor((value + far) / grid));
  context.lineWidth = 1;
  for (let axis = 0; axis < 2; axis++) {
    for (let line = start[axis]; line <= end[axis]; line++) {
      const across = line * grid - centre[axis], half = Math.sqrt(Math.max(far * far - across * across, 0));
      const [a, b] = [-half, half].map((along) => {
        const [x, z] = axis ? [centre[0] + along, line * grid] : [line * grid, centre[1] + along];
        return place(x, floor, z);
      });
      const fade = context.createLinearGradient(a[0], a[1], b[0], b[1]), colour = rgb(theme.quiet);
      for (const stop of [0, 0.25, 0.5, 0.75, 1]) {
        const away = Math.hypot(across, half * (2 * stop - 1)) / far;
        fade.addColorStop(stop, css(colour, 0.4 * Math.max(1 - away * away, 0)));
      }
      context.strokeStyle = fade;
      context.beginPath();
      context.moveTo(a[0], a[1]);
      context.lineTo(b[0], b[1]);
      context.stroke();
    }
  }
}

// The image that the coordinates are pixels of.
function paintFrame(context, clip, theme, place) {
  if (!clip.image.length) return;
  const a = place(0, 0), b = place(...clip.image), box = [a[0], a[1], b[0] - a[0], b[1] - a[1]];
  context.fillStyle = theme.faint;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.fillStyle = css(theme.ground);
  context.fillRect(...box);
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(...box);
  context.fillStyle = theme.quiet;
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "top";
  context.fillText(`${clip.image[0]} × ${clip.image[1]} px`, Math.max(a[0], 0) + 10, Math.max(a[1], 0) + 9);
}

function paintShadow(context, clip, theme, place, { at }) {
  context.strokeStyle = theme.text;
  for (const [grow, alpha] of [[7, 0.014], [5.4, 0.016], [4, 0.018], [2.6, 0.022], [1.4, 0.03]]) {
    context.globalAlpha = alpha;
    context.beginPath();
    let width = 2;
    for (const [i, j] of clip.bones) {
      if (isNaN(at[3 * i]) || isNaN(at[3 * j])) continue;
      const [a, b] = [i, j].map((joint) => place(at[3 * joint], clip.view.floor, at[3 * joint + 2]));
      width = 0.017 * clip.view.size * a[3];
      context.moveTo(a[0], a[1]);
      context.lineTo(b[0], b[1]);
    }
    context.lineWidth = grow * width;
    context.stroke();
  }
  context.globalAlpha = 1;
}

// Where the ends of limbs were during the last second, or as far back as 30 frames; each the mean of three moments,
// because sensors tremble.
function paintTrails(context, clip, theme, place, { person }, time) {
  const channels = clip.shape[3], length = Math.min(time, Math.max(clip.fps, 12), 30), moments = [];
  for (let back = Math.ceil(length) + 1; back >= 0; back--) moments.push(pose(clip, person, Math.max(time - back, 0)));
  for (const joint of clip.ends) {
    let last = null;
    for (let at = 1; at < moments.length; at++) {
      const near = [at - 1, at, Math.min(at + 1, moments.length - 1)].map((i) => moments[at === moments.length - 1 ? at : i]);
      const spot = [...Array(channels).keys()].map((axis) => near.reduce((sum, one) => sum + one[joint * channels + axis], 0) / 3);
      const now = isNaN(spot[0]) ? null : place(...spot);
      if (now && last) {
        context.globalAlpha = 0.6 * (at / moments.length) ** 1.5;
        context.strokeStyle = css(theme.person(person, clip.side[joint]));
        context.lineWidth = 2.4;
        context.beginPath();
        context.moveTo(last[0], last[1]);
        context.lineTo(now[0], now[1]);
        context.stroke();
      }
      last = now;
    }
  }
  context.globalAlpha = 1;
}
