// A file of joints -> the network's answer, by onnxruntime-web, and the player that shows both.

(() => {
const about = JSON.parse(document.querySelector("#about script").textContent);
const said = document.getElementById("said"), result = document.getElementById("result"), drop = document.getElementById("drop");
const V = about.joints.length, C = about.dimensions, D = C + about.scored;

// ---- the network -----------------------------------------------------------------------------------------------------

async function unpacked(id) {
  const text = atob(document.getElementById(id).textContent), bytes = Uint8Array.from(text, (it) => it.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function started() {
  const [script, machine, model] = await Promise.all(["script", "machine", "model"].map(unpacked));
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const ort = await import(address);
  ort.env.wasm.numThreads = 1;  // several need headers that a file does not have
  ort.env.wasm.wasmBinary = machine;
  ort.env.logLevel = "error";
  return { ort, session: await ort.InferenceSession.create(model, { executionProviders: ["wasm"] }) };
}

let network = null;

// The scores of all classes. recording: {values: people x frames x joints x numbers, frames}, absent people zero.
async function scores(recording) {
  const { ort, session } = await (network ??= started());
  const values = new Float32Array(about.people * recording.frames * V * D);
  values.set(recording.values.subarray(0, values.length));
  const tensor = new ort.Tensor("float32", values, [about.people, recording.frames, V, D]);
  return (await session.run({ recording: tensor })).logits.data;
}

function shares(logits) {
  const most = Math.max(...logits), powers = Array.from(logits, (it) => Math.exp(it - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((it) => it / sum);
}

// ---- files -----------------------------------------------------------------------------------------------------------

function fail(reason) {
  throw new Error(reason);
}

const FRAMES = ["frames", "data", "results"], ANY = ["landmarks", "landmark", "keypoints"];
const POSE = C === 3 ? ["pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks", ...ANY] : ["pose_landmarks", "poseLandmarks", ...ANY];
const isPoint = (it) => Array.isArray(it) === false && typeof it === "object" && it !== null && "x" in it;

// The bodies of a frame of MediaPipe: lists of points {x, y, z, visibility}.
function bodies(frame) {
  if (Array.isArray(frame)) return isPoint(frame[0]) ? [frame] : frame.flatMap(bodies);
  const key = POSE.find((it) => frame?.[it]);
  return key ? bodies(frame[key]) : [];
}

// Landmarks of MediaPipe; null for what are none. Fractions of the picture become pixels, where the network wants them.
function fromLandmarks(content) {
  const inside = Array.isArray(content) ? content : FRAMES.map((it) => content?.[it]).find(Array.isArray) ?? [content];
  const frames = (isPoint(inside[0]) ? [inside] : inside).map(bodies);
  if (!frames.some((it) => it.length)) return null;
  const lacking = about.landmarks.indexOf(-1);
  if (lacking >= 0) fail(`MediaPipe has no joint "${about.joints[lacking]}", which the network wants`);
  const fractions = frames.flat(2).every((it) => Math.abs(it.x) < 10 && Math.abs(it.y) < 10);
  const [width, height] = content.image_size ?? [content.width, content.height], scaled = C === 2 && fractions && about.units === "px";
  if (scaled && !(width > 0 && height > 0)) fail('the landmarks are fractions of the picture: the file needs {"image_size": [width, height], "frames": [...]}');
  return packed(Math.max(...frames.map((it) => it.length)), frames.length, content.fps, (m, t, v) => {
    const point = frames[t][m]?.[about.landmarks[v]];
    if (!point) return null;
    const [x, y] = scaled ? [point.x * width, point.y * height] : [point.x, point.y];
    return [x, y, ...(C === 3 ? [point.z] : []), ...(about.scored ? [point.visibility ?? point.score ?? 1] : [])];
  });
}

// {keypoint: frames of joints, or people of frames of joints; score, fps} or the frames alone; or MediaPipe's landmarks.
function fromJson(text) {
  const content = parsed(text), landmarks = fromLandmarks(content);
  if (landmarks) return landmarks;
  const given = Array.isArray(content) ? { keypoint: content } : content ?? {};
  const depth = (it) => (Array.isArray(it) ? 1 + it.reduce((most, part) => Math.max(most, depth(part)), 0) : 0);
  const levels = depth(given.keypoint);  // whoever was not seen is null, also in the first place
  if (levels && given.keypoint.flat(4).every((it) => it === null)) fail("the file shows nobody: every joint is null");
  if (levels !== 3 && levels !== 4) fail('the file has no "keypoint": frames of joints, or people of frames of joints; and no landmarks of MediaPipe');
  const people = levels === 3 ? [given.keypoint] : given.keypoint;
  const sure = given.score && (levels === 3 ? [given.score] : given.score);
  if (about.scored && !sure) fail('the network wants a "score" for each joint');
  return packed(people.length, Math.max(...people.map((it) => it.length)), given.fps, (m, t, v) => {
    const row = people[m][t];
    if (!row) return null;
    if (row.length !== V) fail(`frame ${t} has ${row.length} joints, the network wants ${V}`);
    return about.scored ? [...row[v].slice(0, C), sure[m][t][v]] : row[v];
  });
}

// NaN, as Python writes it, is no JSON.
const parsed = (text) => JSON.parse(text.replace(/\bNaN\b/g, "null"));

// A frame a line, as `kinegraph stream` takes them: {people: [{keypoint, score, id}, ...], frame}; the first may be {fps}.
function fromLines(text) {
  const lines = text.split("\n").filter((line) => line.trim()).map(parsed), frames = new Map(), known = [];
  let last = -1;
  for (const line of lines.filter((it) => it.people)) {
    const number = line.frame ?? last + 1;
    if (!(number > last && number <= 100000)) fail(`frame ${number} follows frame ${last}; numbers count up`);
    frames.set((last = number), new Map(line.people.map((it, place) => [it.id ?? place, it])));
    for (const who of frames.get(number).keys()) if (!known.includes(who)) known.push(who);
  }
  if (frames.size && !known.length) fail("the file shows nobody");
  const first = Math.min(...frames.keys());
  return packed(known.length, frames.size && last + 1 - first, lines.find((it) => it.fps)?.fps, (m, t, v) => {
    const body = frames.get(first + t)?.get(known[m]), joint = body?.keypoint?.[v];
    if (!joint) return null;
    if (body.keypoint.length !== V) fail(`frame ${first + t} has ${body.keypoint.length} joints, the network wants ${V}`);
    if (about.scored && !body.score) fail('the network wants a "score" for each joint');
    return about.scored ? [...joint.slice(0, C), body.score[v]] : joint;
  });
}

// A row a joint: frame, joint, x, y, z, and person and score where there are any.
function fromCsv(text) {
  const rows = text.trim().split(/\r?\n/).map((line) => line.split(",").map((cell) => cell.trim().replace(/^"|"$/g, "")));
  const heads = rows.shift().map((it) => it.toLowerCase()), wanted = ["frame", "joint", ..."xyz".slice(0, C), ...(about.scored ? ["score"] : [])];
  const missing = wanted.find((it) => !heads.includes(it));
  if (missing) fail(`the table has no column "${missing}"; expected ${wanted.join(", ")}`);
  const clips = heads.indexOf("clip"), at = wanted.map((it) => heads.indexOf(it)), person = heads.indexOf("person");
  const places = new Map(about.joints.map((name, i) => [name.toLowerCase(), i])), found = new Map(), known = [];
  const numbered = rows.every((row) => /^\d+$/.test(row[at[1]]));
  const first = Math.min(...rows.map((row) => Number(row[at[0]])));
  let frames = 0;
  for (const row of rows) {
    if (clips >= 0 && row[clips] !== rows[0][clips]) continue;
    const joint = numbered ? Number(row[at[1]]) : places.get(row[at[1]].toLowerCase());
    const who = person < 0 ? "" : row[person], frame = Number(row[at[0]]) - first;
    if (joint === undefined || joint >= V) fail(`the network has no joint "${row[at[1]]}"; it has ${about.joints.join(", ")}`);
    if (!Number.isInteger(frame) || frame < 0 || frame > 100000) fail(`"${row[at[0]]}" is no number of a frame`);
    if (!known.includes(who)) known.push(who);
    frames = Math.max(frames, frame + 1);
    found.set(`${known.indexOf(who)} ${frame} ${joint}`, at.slice(2).map((it) => (row[it] === "" ? 0 : Number(row[it]))));
  }
  return packed(known.length, frames, null, (m, t, v) => found.get(`${m} ${t} ${v}`));
}

function packed(people, frames, fps, of) {
  const kept = Math.min(people, about.people), values = new Float32Array(kept * frames * V * D);
  if (!values.length) fail("the file holds no frames");
  for (let m = 0, i = 0; m < kept; m++) for (let t = 0; t < frames; t++) for (let v = 0; v < V; v++, i += D) {
    const joint = of(m, t, v);
    if (joint && joint.length !== D) fail(`joint ${v} of frame ${t} has ${joint.length} numbers, the network wants ${D}`);
    if (joint) values.set(joint, i);
  }
  if (!values.every(Number.isFinite)) fail("the file holds values that are no numbers");
  if (!values.some((it) => it !== 0)) fail("the file shows nobody: every joint is zero");
  return { people: kept, frames, fps: fps > 0 ? fps : about.fps, left: people - kept, values };
}

// ---- the picture -----------------------------------------------------------------------------------------------------

// The recording with y upward, NaN where a joint was not seen: what the player draws.
function points(recording) {
  const { values } = recording, found = new Float64Array((values.length / D) * C).fill(NaN);
  for (let i = 0, j = 0; i < values.length; i += D, j += C) {
    const place = values.subarray(i, i + C);
    if (place.every((it) => it === 0)) continue;
    found.set(C === 2 ? place : about.upright.map((row) => row.reduce((sum, it, axis) => sum + it * place[axis], 0)), j);
  }
  return found;
}

function viewOf(places, recording) {
  const low = Array(C).fill(Infinity), high = Array(C).fill(-Infinity), sizes = [];
  for (let from = 0; from < places.length; from += V * C) {
    const a = Array(C).fill(Infinity), b = Array(C).fill(-Infinity);
    for (let i = from; i < from + V * C; i++) if (!isNaN(places[i])) {
      const axis = i % C;
      [a[axis], b[axis]] = [Math.min(a[axis], places[i]), Math.max(b[axis], places[i])];
      [low[axis], high[axis]] = [Math.min(low[axis], places[i]), Math.max(high[axis], places[i])];
    }
    if (a[0] < Infinity) sizes.push(Math.hypot(...a.map((it, axis) => b[axis] - it)));
  }
  const { pitch, distance, margin, room } = about.stage, size = Math.max(sizes.sort((p, q) => p - q)[sizes.length >> 1], 1e-6);
  for (let axis = 0; axis < C; axis++) high[axis] = Math.max(high[axis], low[axis] + 1e-6);
  const shown = { size, distance, margin, floor: 0, yaw: 0, pitch: 0, grid: 1 };
  if (C === 2) return { ...shown, low: low.map((it) => it - room * size), high: high.map((it) => it + room * size), half: (high[1] - low[1]) / 2 };
  const power = 10 ** Math.floor(Math.log10(size / 3)), steps = [1, 2, 5, 10].map((it) => it * power);
  const grid = steps.reduce((a, b) => (Math.abs(Math.log(size / 3 / a)) < Math.abs(Math.log(size / 3 / b)) ? a : b));
  const reach = Math.hypot(high[0] - low[0], high[2] - low[2]) / 2;
  return { ...shown, low, high, floor: low[1], yaw: front(places), pitch, grid, half: (high[1] - low[1]) / 2, reach };
}

// The yaw of an eye that sees faces, as report/stage.py has it for one person.
function front(places) {
  let x = 0, z = 0;
  const [left, right] = about.shoulders;
  if (right !== undefined) for (let from = 0; from < places.length; from += V * C) {
    const across = places[from + right * C] - places[from + left * C], deep = places[from + right * C + 2] - places[from + left * C + 2];
    if (!isNaN(across)) [x, z] = [x + deep, z - across];
  }
  return (Math.hypot(x, z) > 1e-6 ? Math.atan2(x, z) : Math.PI) + about.stage.aside;
}

const base64 = (array) => {
  const bytes = new Uint8Array(array.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
};

// The figure that the player wakes, with the data that report/player.py gives it.
function figureOf(recording, chances, title) {
  const places = points(recording), view = viewOf(places, recording), known = [...places].filter((it) => !isNaN(it));
  const low = known.reduce((a, b) => Math.min(a, b)), step = Math.max((known.reduce((a, b) => Math.max(a, b)) - low) / 65534, 1e-12);
  const whole = Int16Array.from(places, (it) => (isNaN(it) ? -32768 : Math.round((it - low) / step) - 32767));
  const order = chances.map((_, i) => i).sort((a, b) => chances[b] - chances[a]).slice(0, 5);
  const data = {
    shape: [recording.people, recording.frames, V, C], fps: recording.fps, timed: true, ...about.layout, view, image: [], label: "",
    points: base64(whole), origin: Array(C).fill(low + 32767 * step), step,
    answers: {
      names: order.map((i) => about.class_names[i]), edges: [0, recording.frames], best: [0],
      probabilities: base64(Uint16Array.from(order, (i) => Math.round(chances[i] * 65535))),
    },
  };
  const figure = document.createElement("figure"), caption = document.createElement("figcaption"), name = document.createElement("div");
  figure.className = "kg-player";
  Object.assign(figure.dataset, { frame: "0", playing: "false" });
  name.className = "kg-title";
  name.textContent = title;
  caption.append(name);
  const stage = document.createElement("div"), canvas = document.createElement("canvas"), script = document.createElement("script");
  stage.className = "kg-stage";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Moving skeleton: ${title}`);
  stage.append(canvas);
  script.type = "application/json";
  script.textContent = JSON.stringify(data);
  figure.append(caption, stage, script);
  return figure;
}

// ---- the page --------------------------------------------------------------------------------------------------------

async function take(file) {
  said.className = "";
  said.textContent = `reading ${file.name} ...`;
  try {
    const recording = read(file.name, await file.text());
    compare(recording);
    await (network ??= started());  // the first file waits seconds for it
    const begin = performance.now();
    const chances = shares(await scores(recording)), best = chances.indexOf(Math.max(...chances));
    const sure = chances[best] < about.least ? "rather none of the classes; the likeliest is " : "";
    const left = recording.left ? `; ${recording.left} more ${recording.left === 1 ? "person was" : "people were"} left out` : "";
    said.textContent = `${sure}${about.class_names[best]}, ${(100 * chances[best]).toFixed(1)} % (${Math.round(performance.now() - begin)} ms${left})`;
    result.replaceChildren(figureOf(recording, chances, file.name));
    window.kinegraphPlayers();
  } catch (error) {
    said.className = "wrong";
    said.textContent = `${file.name}: ${error.message}`;
    result.replaceChildren();
  }
}

// Bodies of another size are in other units: an answer would be wrong.
function compare(recording) {
  const places = points(recording), [least, , most] = about.size;
  const { size } = viewOf(places, recording), times = about.other;
  if (most && !(size > least / times && size < most * times)) fail(`bodies are ${size.toPrecision(3)} large, in the training ${least} to ${most}: other units?`);
}

const FORMS = { csv: fromCsv, jsonl: fromLines, ndjson: fromLines };
const read = (name, text) => (FORMS[name.toLowerCase().split(".").at(-1)] ?? fromJson)(text);

drop.querySelector("input").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
for (const kind of ["dragenter", "dragover"]) document.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("over")));
for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.remove("over")));
document.addEventListener("drop", (event) => event.dataTransfer.files[0] && take(event.dataTransfer.files[0]));
window.kinegraphAnswers = { read, scores, take };
})();
