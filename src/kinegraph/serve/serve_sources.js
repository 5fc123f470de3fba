// Where a live stream comes from: the camera of this browser, or a program whose frames the server gets.

const WIDEST = 640, QUALITY = 0.82;  // pixels of a picture that is sent, of JPEG
const AGAIN = [500, 1000, 2000, 4000];  // ms until the next try after a lost connection

const socketTo = (path, query = {}) => {
  const words = new URLSearchParams({ ...query, ...(token.value ? { token: token.value } : {}) });
  return new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}?${words}`);
};

// The camera: one picture is on its way at a time, so that a slow estimator gets fewer of them and not old ones.
function cameraSource(video, take, changed) {
  let socket = null, media = null, waits = false, timer = 0;
  const canvas = document.createElement("canvas");

  async function start() {
    if (!navigator.mediaDevices) return changed(false, "The browser gives its camera only to pages of this machine or of https.");
    try {
      media = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } } });
    } catch (error) {
      return changed(false, error.name === "NotFoundError" ? "This computer shows no camera to the browser." : `The browser gives no camera: ${error.message}`);
    }
    video.srcObject = media;
    await video.play();
    socket = socketTo("/stream", { camera: 1, skeleton: 1, top: 3, name: "camera", map_layout: 1 });
    const own = socket;
    socket.addEventListener("open", () => (own === socket ? (changed(true, ""), send()) : own.close()));  // stopped before
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.kind === "error") changed(true, message.error);
      if (message.kind === "picture" || message.kind === "error") {
        waits = false;
        timer = setTimeout(send, 5);
      } else take(message);
    });
    socket.addEventListener("close", ({ reason }) => media && (stop(), reason && changed(false, reason)));
    for (const track of media.getTracks()) track.addEventListener("ended", stop);
  }

  function send() {
    if (!media || waits || socket.readyState !== WebSocket.OPEN || !video.videoWidth) return;
    waits = true;
    const wide = Math.min(video.videoWidth, WIDEST), time = performance.now();
    [canvas.width, canvas.height] = [wide, Math.round((video.videoHeight * wide) / video.videoWidth)];
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(async (blob) => {
      if (!blob || socket?.readyState !== WebSocket.OPEN) return;
      const head = new DataView(new ArrayBuffer(8));
      head.setFloat64(0, time, true);
      socket.send(new Blob([head, blob]));
    }, "image/jpeg", QUALITY);
  }

  function stop() {
    clearTimeout(timer);
    media?.getTracks().forEach((track) => track.stop());
    media = null;
    waits = false;
    video.srcObject = null;
    if (socket?.readyState === WebSocket.OPEN) {
      socket.send("");
      const old = socket;
      setTimeout(() => old.close(), 400);  // the last answers come first
    }
    socket = null;
    changed(false);
  }
  return { start, stop, on: () => media !== null };
}

// The streams of programs. It connects again by itself, so that a server may be started anew.
function watchSource(select, take, changed) {
  let socket = null, chosen = null, tries = 0, next = 0;

  function start() {
    clearTimeout(next);
    if (socket) return;
    socket = socketTo("/watch");
    socket.addEventListener("open", () => (tries = 0));
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.kind === "streams") list(message.streams);
      else if (message.kind === "error") changed(null, message.error);
      else if (message.stream === chosen) take(message);
    });
    socket.addEventListener("close", () => {
      socket = null;
      chosen = null;
      list([]);
      next = setTimeout(start, AGAIN[Math.min(tries++, AGAIN.length - 1)]);
    });
  }
  function list(streams) {
    select.replaceChildren(...streams.map(({ number, name }) => element("option", { value: number }, name)));
    changed(streams);
    if (!streams.some((it) => it.number === chosen)) choose(streams.length ? streams[0].number : null);
    else select.value = String(chosen);
  }
  function choose(number) {
    if (number === null) return (chosen = null);
    chosen = number;
    select.value = String(number);
    socket?.send(JSON.stringify({ watch: number }));
  }
  select.addEventListener("change", () => choose(Number(select.value)));
  // A cleared scene needs the stream from its head: the server sends it to whoever chooses. What is still connecting gets it.
  const again = () => (socket?.readyState === WebSocket.OPEN ? choose(chosen) : start());
  return { start, again };
}
