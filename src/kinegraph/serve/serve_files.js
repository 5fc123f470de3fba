// A recording: sent, and its answer shown as a player with a table.

function filePanel(problem) {
  const [drop, input, options, working, result] = ["drop", "file", "options", "working", "result"].map((id) => document.getElementById(id));
  const form = options.querySelector("form");
  let last = null, count = 0, all = [];

  // clip: the number of the one to play; without it the file is new, and all of its clips are answered.
  async function ask(file, clip) {
    const mine = ++count, query = { name: file.name, player: 1, top: 5, window: "auto", ...(clip === undefined ? {} : { clip }) };
    for (const field of form.elements) {
      const value = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value.trim();
      if (field.name && value) query[field.name] = value;
    }
    problem("");
    working.hidden = false;
    working.textContent = `${file.name}: reading and asking the network`;
    try {
      const said = await fetched(`/predict?${new URLSearchParams(query)}`, { method: "POST", body: file });
      if (mine !== count) return;
      if (clip === undefined) all = said.answers;
      last = file;
      drop.classList.add("small");
      document.getElementById("known").hidden = true;
      show(said);
    } catch (error) {
      if (mine !== count) return;
      result.replaceChildren();
      problem(error.message);
      if (/--(layout|fps|image-size|units|up|map-layout)/.test(error.message)) options.open = true;
    } finally {
      if (mine === count) working.hidden = true;
    }
  }

  function show(said) {
    const holder = element("div"), first = said.answers[0].clip, own = said.answers.filter((row) => row.clip === first);
    holder.innerHTML = said.player;  // of the server, which escapes every name
    const lines = element("div", { class: "card scroll" }, tableOf(own, (row) => holder.querySelector("figure").player?.seek(row.first_frame)));
    const parts = [holder, lines];
    if (own.length < 2 && !own[0].person) parts.pop();  // the player says it all
    if (all.some((row) => row.clip !== first)) parts.push(clipsOf());
    if (said.notes.length) parts.push(element("ul", { class: "quiet" }, ...said.notes.map((line) => element("li", {}, line))));
    result.replaceChildren(...parts);
    window.kinegraphPlayers();
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) setTimeout(() => holder.querySelector("figure").player?.play(), 300);
  }

  function clipsOf() {
    const names = [...new Set(all.map((row) => row.clip))], firsts = names.map((name) => all.find((row) => row.clip === name));
    const table = tableOf(firsts, (row) => ask(last, row.clip_number), true);
    return element("div", { class: "card scroll" }, element("h2", {}, `All ${names.length} clips`), table);
  }

  function tableOf(answers, chosen, clips = false) {
    const people = answers.some((row) => row.person), table = element("table"), body = element("tbody");
    const heads = [...(clips ? ["Clip"] : []), ...(people ? ["Person"] : []), ...(clips ? [] : ["Time"]), "Class", "Probability", ...(answers.some((row) => row.truth) ? ["Truth"] : [])];
    table.append(element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))), body);
    for (const row of answers) {
      const best = row.top[0], time = row.start_seconds === null ? `frames ${row.first_frame}–${row.end_frame - 1}` : `${row.start_seconds.toFixed(1)} – ${row.end_seconds.toFixed(1)} s`;
      const go = element("button", { type: "button" }, clips ? row.clip : time);
      const cells = [...(clips ? [go] : []), ...(people ? [row.person ?? ""] : []), ...(clips ? [] : [go]), best.class + (row.known ? "" : " (rather none of the classes)"), `${(100 * best.probability).toFixed(1)} %`];
      if (heads.includes("Truth")) cells.push(row.truth ? `${row.truth}${row.right === null ? "" : row.right ? " ✓" : " ✗"}` : "");
      const line = element("tr", {}, ...cells.map((cell, at) => element("td", heads[at] === "Class" ? { class: "class" } : {}, cell)));
      line.addEventListener("click", () => chosen(row));
      body.append(line);
    }
    return table;
  }

  input.addEventListener("change", () => input.files.length && ask(input.files[0]));
  for (const kind of ["dragenter", "dragover"]) document.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("over")));
  for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.remove("over")));
  document.addEventListener("drop", (event) => {
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    document.getElementById("tab-files").click();
    ask(file);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => last && ask(last));
  return { ask };
}
