// On paper: every figure as a film strip of its key frames, from the view that is on the screen, in light colours.

const STRIP_ROW = 660, FRAME = { wide: 105, high: 150, below: 20 };  // pixels of the layout
const FINE = 3;  // true pixels of each

function stripOf(figure, clip, state) {
  // Drawn large and made smaller: bones are then as thin as their picture is small.
  const LARGE = 2.2;
  const theme = themeOf(figure), frames = clip.strip ?? [Math.round(state.time)], people = [...state.shown];
  const wide = Math.max(STRIP_ROW / (figure.classList.contains("kg-compact") ? 2 : 1) / frames.length, FRAME.wide * 0.75);
  const strip = figure.querySelector(".kg-strip") ?? element("canvas", { class: "kg-strip", "aria-hidden": "true" });
  const moment = document.createElement("canvas");
  [moment.width, moment.height] = [wide * FINE, FRAME.high * FINE].map(Math.round);
  [strip.width, strip.height] = [frames.length * moment.width, (FRAME.high + FRAME.below) * FINE];
  const context = strip.getContext("2d"), pen = moment.getContext("2d");
  pen.setTransform(FINE / LARGE, 0, 0, FINE / LARGE, 0, 0);
  const camera = { ...state.camera, x: 0, y: 0, zoom: 1 };
  context.font = `${11 * FINE}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.fillStyle = theme.quiet;
  frames.forEach((frame, at) => {
    paint(pen, wide * LARGE, FRAME.high * LARGE, clip, theme, { time: frame, camera, shown: people, trail: false });
    context.drawImage(moment, at * moment.width, 0);
    const said = clip.timed ? `${(frame / clip.fps).toFixed(2)} s` : `frame ${frame + 1}`;
    context.fillText(said, (at + 0.5) * moment.width, (FRAME.high + 14) * FINE);
  });
  figure.querySelector(".kg-stage").after(strip);
}

function printing(on) {
  document.documentElement.classList.toggle("kg-printing", on);
  for (const figure of document.querySelectorAll(".kg-player")) {
    if (!figure.dataset.awake) wake(figure);  // far below the window
    figure.player?.recolour();
    if (on) figure.player?.strip();
    else figure.querySelector(".kg-strip")?.remove();
  }
}
addEventListener("beforeprint", () => printing(true));
addEventListener("afterprint", () => printing(false));
