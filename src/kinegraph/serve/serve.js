// The page: its tabs, the token, and which source is shown.

const token = { value: new URLSearchParams(location.hash.slice(1)).get("token") ?? sessionStorage.getItem("kinegraph-token") ?? "" };
const at = (id) => document.getElementById(id);
if (token.value) {
  sessionStorage.setItem("kinegraph-token", token.value);
  history.replaceState(null, "", location.pathname);  // the word is not for the address bar
}

function problem(text) {
  at("problem").hidden = !text;
  at("problem").textContent = text;
}

async function fetched(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: token.value ? { Authorization: `Bearer ${token.value}` } : {} });
  } catch {
    throw new Error("The server does not answer, or it refused the upload because of its size.");
  }
  const content = await answer.json();
  if (answer.status === 401) at("ask-token").hidden = false;
  if (!answer.ok) throw new Error(content.error);
  return content;
}

const files = filePanel(problem), scene = liveScene(document.querySelector("#scene .kg-stage")), board = liveBoard(scene);
const take = (message) => {
  if (message.kind === "head") scene.begin(message);
  if (message.kind === "frame") {
    scene.show(message);
    at("empty").hidden = true;
  }
  board.take(message);
};
let cameraProblem = null, cameraOn = false, tab = "files";
const camera = cameraSource(document.querySelector("#scene video"), take, (on, text) => {
  if (text !== undefined) problem(text);
  cameraOn = on;
  scene.film(on);
  at("start").textContent = on ? "Stop" : "Start the camera";
  if (tab === "camera") hint();
});
const watch = watchSource(at("streams"), (message) => tab === "watch" && take(message), (_, text) => {
  if (text) problem(text);
  at("dot").hidden = !at("streams").options.length;
  if (tab === "watch") hint();
});

function hint() {
  const streams = at("streams").options;
  const words = {
    camera: cameraProblem ?? (cameraOn ? "" : "The pictures go to this server and nowhere else. Nothing is kept."),
    watch: streams.length ? "" : `Nobody sends frames. A program sends them to ws://${location.host}/stream, a line of JSON each.`,
  };
  at("empty").textContent = words[tab] ?? "";
  at("empty").hidden = !words[tab];
  at("streams").hidden = tab !== "watch" || !streams.length;
}

function choose(name) {
  if (name === tab) return;
  if (tab === "camera" && camera.on()) camera.stop();
  tab = name;
  for (const one of ["files", "camera", "watch"]) {
    at(`tab-${one}`).setAttribute("aria-selected", one === name);
    at(`tab-${one}`).tabIndex = one === name ? 0 : -1;
  }
  at("files").hidden = name !== "files";
  at("live").hidden = name === "files";
  at("live").setAttribute("aria-labelledby", `tab-${name}`);
  at("start").hidden = at("mirror").hidden = name !== "camera";
  at("start").disabled = cameraProblem !== null;
  document.querySelector("#scene .kg-stage").classList.toggle("mirrored", name === "camera" && at("mirror").ariaPressed === "true");
  problem("");
  scene.clear();
  scene.film(false);
  board.begin(null);
  hint();
  if (name === "watch") watch.again();
}

const tabs = ["files", "camera", "watch"];
for (const [place, name] of tabs.entries()) {
  at(`tab-${name}`).addEventListener("click", () => choose(name));
  at(`tab-${name}`).addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    at(`tab-${next}`).focus();
    choose(next);
  });
}
const pressed = (id, then) => at(id).addEventListener("click", () => {
  const on = at(id).ariaPressed !== "true";
  at(id).setAttribute("aria-pressed", on);
  then(on);
});
at("start").addEventListener("click", () => (camera.on() ? camera.stop() : camera.start()));
pressed("trails", scene.trails);
pressed("mirror", (on) => document.querySelector("#scene .kg-stage").classList.toggle("mirrored", on));
document.addEventListener("keydown", (event) => {
  if (at("live").hidden || event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
  if (event.key === "t") at("trails").click();
  if (event.key === "m" && !at("mirror").hidden) at("mirror").click();
  if (event.key === " " && event.target.tagName !== "BUTTON" && !at("start").hidden) (event.preventDefault(), at("start").click());
});
at("ask-token").addEventListener("submit", (event) => {
  event.preventDefault();
  token.value = at("ask-token").elements.token.value;
  sessionStorage.setItem("kinegraph-token", token.value);
  at("ask-token").hidden = true;
  welcome();
});

async function welcome() {
  try {
    const about = await fetched("/about");
    problem("");
    at("network").textContent = `${about.weights} · ${about.class_names.length} classes`;
    at("network").title = about.class_names.join(", ");
    at("classes").replaceChildren(...about.class_names.map((name) => element("li", {}, name)));
    at("known").hidden = at("result").childElementCount > 0;
    cameraProblem = about.camera;
    const own = about.layouts.includes(about.layout) ? [] : [about.layout];
    at("options").querySelector("[name=layout]").append(...[...own, ...about.layouts].filter(Boolean).map((it) => element("option", {}, it)));
    if (about.video) at("takes").textContent += "; videos, too";
    watch.start();
  } catch (error) {
    problem(error.message);
  }
}
window.kinegraph = { scene, board, camera, choose, watchSource };  // for tests
welcome();
