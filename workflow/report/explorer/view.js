"use strict";
// The page: controls, runs in workers, pictures, and what is said of them.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { FIELDS } = State;
  const RUNS = [..."ABCD"].map((letter, i) => ({ letter, colour: `--c${i}` }));
  // What settings are called in formulas, where their names in a link are others.
  const SIGNS = { n: "N", m: "m/(dr)", a: "α", eta: "η", k: "κ" };
  // Milliseconds between two pictures.
  const PAUSE = 40;
  // A relative error below this counts as found, and above the other as something else.
  const FOUND = 0.1, ELSEWHERE = 0.3;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let state = State.defaults(), runs = [], playing = false, goal = 0, pending = 0, timer = 0, look = null, generation = 0, stepping = false;
  // Measurements from a file of the reader's own; null where the page draws them.
  let own = null;

  const small = (value) => {
    if (!Number.isFinite(value)) return "too large";
    return State.short(Number(value.toPrecision(2)));
  };
  const latest = (run) => run.history.at(-1);
  const finished = (run) => run.diverged || run.step >= state.steps;

  // Workers: one for each run, made once.
  const workers = [];
  const source = () => URL.createObjectURL(new Blob([byId("worker").textContent], { type: "text/javascript" }));
  const worker = (i) => {
    if (!workers[i]) {
      workers[i] = new Worker(source());
      workers[i].addEventListener("message", ({ data: answer }) => ({ read: taken, refused }[answer.kind] ?? receive)(answer));
      workers[i].addEventListener("error", () => still("The background script that descent needs has failed. The picture below shows what was measured."));
    }
    return workers[i];
  };

  // Start all runs anew; what workers still answer of earlier ones is of another generation.
  const begin = (play) => {
    clearTimeout(timer);
    generation++;
    [playing, goal, look, stepping] = [play, 0, null, false];
    runs = State.states(state).map((set, i) => ({
      ...RUNS[i], id: `${generation} ${i}`, settings: State.settings(set), set, worker: worker(i), history: [], planted: [],
      step: 0, diverged: false, rate: 0,
    }));
    pending = runs.length;
    for (const run of runs) run.worker.postMessage({ kind: "start", id: run.id, settings: run.settings, problem: own });
    show();
  };

  const receive = (answer) => {
    const run = runs.find(({ id }) => id === answer.id);
    if (!run) return;
    // Of a file's X the scale is the file's.
    const unit = own?.unit ?? 1, scaled = (values) => values.map((value) => value * unit);
    run.history.push(...answer.records.map((record) => ({ ...record, values: scaled(record.values), matrix: scaled(record.matrix) })));
    if (answer.kind === "started") Object.assign(run, { planted: scaled(answer.planted), target: answer.target && scaled(answer.target), m: answer.m });
    else Object.assign(run, { step: answer.step, rate: answer.rate });
    run.diverged = latest(run).diverged;
    if (--pending === 0) advance();
  };

  // All have answered: ask those behind the goal again, or set the next goal.
  const advance = () => {
    const behind = runs.filter((run) => !finished(run) && run.step < goal);
    if (behind.length) ask(behind);
    // Also where the last steps were taken one by one.
    else if (runs.every(finished)) stop(true);
    else if (playing) timer = setTimeout(further, fast() ? 0 : PAUSE);
    else if (stepping) once();
    // With reduced motion pictures change when something is done, not on the way.
    if (!(calm.matches && playing)) draw();
    else progress();
  };
  // Seldom: screen readers read it out.
  const progress = () => {
    if (performance.now() - progress.last < 4000) return;
    progress.last = performance.now();
    say(`Step ${Charts.grouped(Math.min(...runs.map(({ step }) => step)))} of ${Charts.grouped(state.steps)}.`);
  };
  progress.last = 0;
  const ask = (some) => {
    pending = some.length;
    for (const run of some) run.worker.postMessage({ kind: "to", id: run.id, to: goal });
  };
  const fast = () => calm.matches || byId("lasts").value === "0";
  const further = () => {
    const frames = Number(byId("lasts").value) * 1000 / PAUSE;
    goal = fast() ? state.steps : Math.min(goal + Math.max(Math.round(state.steps / frames), 1), state.steps);
    const some = runs.filter((run) => !finished(run) && run.step < goal);
    if (some.length) ask(some);
    else advance();
  };

  const stop = (done = false) => {
    playing = false;
    clearTimeout(timer);
    goal = Math.max(0, ...runs.map(({ step }) => step));
    show();
    draw();
    say(done ? runs.map(verdict).join(" ") : "Paused.");
  };
  const play = () => {
    if (runs.every(finished)) return begin(true);
    [playing, look, stepping] = [true, null, false];
    show();
    if (pending === 0) further();
  };
  const once = () => {
    if (playing) stop();
    // What is under way comes first: it says where the next step begins.
    stepping = pending > 0;
    if (stepping || runs.every(finished)) return;
    look = null;
    goal = Math.min(Math.max(...runs.map(({ step }) => step)) + 1, state.steps);
    ask(runs.filter((run) => !finished(run) && run.step < goal));
  };

  // What came out, in words.
  const lowest = (run) => run.history.reduce((best, record) => (record.test < best.test ? record : best));
  const verdict = (run) => {
    const { step, train, test } = latest(run), best = lowest(run), name = runs.length > 1 ? `Run ${run.letter}` : "The run";
    if (run.diverged) return `${name} diverged at step ${Charts.grouped(step)} and stops there: a smaller step η may help.`;
    const rises = test > 1.25 * best.test && best.step > 0 && best.test < ELSEWHERE;
    const later = rises ? ` Its test error was smallest, ${small(best.test)}, at step ${Charts.grouped(best.step)}.` : "";
    if (own && !own.target) return `${name} ends with error ${small(train)} on what it knows and ${small(test)} on the tenth held out.${later}`;
    if (test < FOUND) return `${name} finds X*: test error ${small(test)}.${later}`;
    if (train < FOUND && test > ELSEWHERE) return `${name} fits the measurements with something else than X*: training error ${small(train)}, test error ${small(test)}.${later}`;
    return `${name} ends with training error ${small(train)} and test error ${small(test)}.${later}`;
  };
  const say = (words) => { byId("now").textContent = words; };

  const at = (run, step) => run.history.findLast((record) => record.step <= step) ?? run.history[0];
  const shownStep = () => look ?? Math.max(0, ...runs.map(({ step }) => step));

  const rankOf = (run) => run.planted.length || run.settings.rank;
  const cells = (run) => {
    const record = run.now, r = rankOf(run);
    const texts = [Charts.grouped(record.step), small(record.train), small(record.test), small(record.values[r - 1]), small(record.values[r] ?? 0)];
    return [...texts, run.rate ? Charts.grouped(Math.round(run.rate)) : "–"];
  };
  const table = () => {
    for (const [i, { letter }] of RUNS.entries()) {
      const row = byId(`row-${letter}`), run = runs[i];
      row.hidden = !run?.now;
      if (run?.now) cells(run).forEach((words, k) => { row.cells[k + 1].textContent = words; });
    }
  };

  const labels = () => {
    const told = runs.map((run) => `run ${run.letter} at step ${run.now.step}: training error ${small(run.now.train)}, test error ${small(run.now.test)}`).join("; ");
    byId("errors").setAttribute("aria-label", `Training and test error over the steps, logarithmic; ${told}`);
    for (const run of runs) {
      const lead = Array.from(run.now.values.slice(0, rankOf(run) + 1), small), { length } = run.planted;
      byId(`values-${run.letter}`).setAttribute("aria-label", `Eigenvalues of run ${run.letter} over the steps, logarithmic; at step ${run.now.step} the leading ${lead.length} are ${lead.join(", ")}${length ? `; X* has ${length}` : ""}`);
      byId(`matrix-${run.letter}`).setAttribute("aria-label", `X of run ${run.letter} at step ${run.now.step} as a picture, test error ${small(run.now.test)}`);
    }
  };

  const draw = () => {
    if (!runs.length || runs.some((run) => !run.history.length)) return;
    const step = shownStep(), end = state.steps, range = Charts.spectra(runs);
    for (const run of runs) run.now = at(run, step);
    Charts.errors(byId("errors"), runs, end, step);
    const { target } = runs[0], largest = (target ?? runs[0].now.matrix).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-300);
    if (target) Charts.matrix(byId("matrix-target"), target, largest);
    for (const run of runs) {
      Charts.eigenvalues(byId(`values-${run.letter}`), run, range, end, step);
      Charts.matrix(byId(`matrix-${run.letter}`), run.now.matrix, largest);
    }
    if (!own) place();
    table();
    if (!playing) labels();
    const back = byId("back");
    back.value = step;
    back.setAttribute("aria-valuetext", `step ${step}`);
    byId("back-at").textContent = Charts.grouped(step);
  };

  // The map: theory's numbers are of the size that is set.
  const dimensions = (d) => ({ d, dimensions: data.dimensions[d] });
  const place = () => {
    const points = runs.map(({ set, colour, letter }) => ({ ratio: set.m, rank: set.r, colour, letter }));
    Charts.map(byId("map"), data.measured, dimensions(state.d), points);
    const words = points.map(({ ratio, rank }, i) => `run ${RUNS[i].letter} at rank ${rank} and ${ratio} dr measurements`).join(", ");
    byId("map").setAttribute("aria-label", `Map of measured errors over measurements and rank, with what theory counts; ${words}`);
  };

  // What is on the page beside the pictures, after a change of state.
  const show = () => {
    byId("play").textContent = playing ? "Pause" : runs.length && runs.every(finished) ? "Run again" : "Run";
    byId("target-name").textContent = ["d", "r", "k", "seed"].includes(state.vary) ? "X*, run A" : "X*";
    byId("step").disabled = runs.length > 0 && runs.every(finished);
    byId("back").max = state.steps;
    for (const count of [2, 3, 4]) document.body.classList.toggle(`runs-${count}`, runs.length === count);
    for (const element of document.querySelectorAll(".second")) element.hidden = runs.length < 2;
    for (const [i, { letter }] of RUNS.entries()) {
      for (const element of document.querySelectorAll(`.of-${letter}`)) element.hidden = i >= runs.length;
      const { vary } = state, set = runs[i]?.set;
      byId(`name-${letter}`).textContent = vary && set ? `: ${vary === "method" ? "" : `${SIGNS[vary] ?? vary} = `}${State.worded(vary, set[vary])}` : "";
    }
    for (const element of document.querySelectorAll(".drawn")) element.hidden = Boolean(own);
    byId("forget").hidden = !own;
    byId("target").hidden = Boolean(own && !own.target);
    if (own) byId("counts").textContent = words(own);
    else count();
    if (playing) say(runs.length > 1 ? `${["Two", "Three", "Four"][runs.length - 2]} runs on their way.` : "On its way.");
  };
  const count = () => {
    const { free, trace } = data.dimensions[state.d], m = Math.max(Math.round(state.m * state.d * state.r), 1), r = state.r;
    byId("counts").textContent = `m = ${Charts.grouped(m)} measurements. A symmetric X has ${Charts.grouped(state.d * (state.d + 1) / 2)} numbers; at rank ${r} only ${free[r - 1]} of them are free. Least trace needs about ${Math.round(trace[r - 1])}.`;
  };

  // The reader's own measurements.
  const words = ({ name, d, m, unit, target }) => `${name}: m = ${Charts.grouped(m)} measurements of a symmetric X of size d = ${d}. ${target
    ? "The file has X*: test errors are of it." : "No X* in the file: a tenth of the measurements, chosen by the seed, is held out, and test errors are of it. The rank set is how many eigenvalues are drawn in colour."} α² and η are in the scale of the data: α² = 1 is X = ${small(unit)}·I.`;
  const taken = ({ problem }) => {
    if (State.OF_DATA.includes(state.vary)) Object.assign(state, { vary: "", to: [] });
    exchange(problem, [`${problem.name} is read. It stays on your machine.`]);
  };
  const refused = (answer) => { warn([`${answer.words} Everything is as before.`]); };
  const take = (files) => {
    if (!files.length) return;
    warn([`Reading ${files[0].name}.`]);
    worker(0).postMessage({ kind: "read", file: files[0] });
  };

  // Controls.
  const input = (name) => byId(`set-${name}`);
  const fill = (element, name, value) => {
    const field = FIELDS[name];
    element.value = field.log ? Math.log10(value) : value;
    if (element.type === "range") element.setAttribute("aria-valuetext", State.worded(name, value));
  };
  const maker = (name, id) => {
    const field = FIELDS[name];
    if (field.options) {
      const select = Object.assign(document.createElement("select"), { id });
      select.append(...Object.entries(field.options).map(([value, words]) => new Option(words, value)));
      return select;
    }
    const slider = document.createElement("input");
    const [min, max, step] = field.log ? [Math.log10(field.min), Math.log10(field.max), "any"] : [field.min, field.max, field.by];
    return Object.assign(slider, { id, type: name === "seed" ? "number" : "range", min, max, step });
  };
  const read = (element, name, said) => {
    if (FIELDS[name].options) return element.value;
    if (name === "seed") return State.clamp(name, element.value, said);
    return State.ofSlider(name, Number(element.value));
  };
  // A logarithm's slider goes by twentieths of a decade with the arrows, α's by quarters.
  const arrows = (element, name, changed) => {
    if (!FIELDS[name].log) return;
    const by = name === "a" ? 0.25 : 0.05;
    element.addEventListener("keydown", (event) => {
      const sign = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 4, PageDown: -4 }[event.key];
      if (!sign) return;
      event.preventDefault();
      element.value = Math.round(Number(element.value) / by + sign) * by;
      changed();
    });
  };

  const listenTo = (element, name, changed) => {
    element.addEventListener(name === "seed" ? "change" : "input", changed);
    arrows(element, name, changed);
  };
  const follow = (element, name) => {
    const changed = () => {
      const said = [];
      state[name] = read(element, name, said);
      if (name === "method") State.suit(state, said);
      change(said);
    };
    listenTo(element, name, changed);
  };
  const control = (name) => {
    const label = document.createElement("label"), words = document.createElement("span"), output = document.createElement("output");
    const element = maker(name, `set-${name}`);
    words.textContent = FIELDS[name].label;
    Object.assign(output, { id: `is-${name}`, htmlFor: element.id });
    // An output can have a label, too: without a name the first of the two would get it.
    label.htmlFor = element.id;
    label.append(words, output, element);
    follow(element, name);
    return label;
  };

  // What the runs beside the first have otherwise: a control for each.
  const another = (vary, i) => {
    const { letter } = RUNS[i + 1], row = document.createElement("div"), name = document.createElement("span"), output = document.createElement("output");
    const element = maker(vary, `set-${letter}`), remove = document.createElement("button");
    name.className = `key-${letter.toLowerCase()}`;
    name.textContent = letter;
    output.id = `is-${letter}`;
    const changed = () => {
      const said = [];
      state.to[i] = read(element, vary, said);
      if (vary === "method") State.suit(state, said);
      change(said);
    };
    listenTo(element, vary, changed);
    element.setAttribute("aria-label", `${FIELDS[vary].label} of run ${letter}`);
    Object.assign(remove, { type: "button", textContent: "×" });
    remove.setAttribute("aria-label", `Remove run ${letter}`);
    remove.addEventListener("click", () => {
      state.to.splice(i, 1);
      if (!state.to.length) state.vary = "";
      change();
      byId("vary").focus();
    });
    row.append(name, element, output, remove);
    return row;
  };
  const others = () => {
    const holder = byId("others"), { vary, to } = state, wanted = `${vary} ${to.length}`;
    byId("vary").value = vary;
    byId("add").hidden = !vary || to.length >= State.MORE;
    // The same controls stay where they are, so that the one in use keeps the focus.
    if (holder.dataset.has !== wanted) {
      holder.dataset.has = wanted;
      holder.replaceChildren(...to.map((_, i) => another(vary, i)));
    }
    to.forEach((value, i) => {
      const { letter } = RUNS[i + 1];
      fill(byId(`set-${letter}`), vary, value);
      byId(`is-${letter}`).textContent = FIELDS[vary].options || vary === "seed" ? "" : State.worded(vary, value);
    });
  };
  // A value that no run has yet.
  const otherwise = (name) => {
    const { options, min, max, by } = FIELDS[name], taken = [state[name], ...state.to], value = taken.at(-1);
    if (options) return [name === "method" && value === "descent" ? "projected" : "descent", ...Object.keys(options)].find((one) => !taken.includes(one));
    const wanted = { a: value < 0.1 ? 1 : value / 100, m: value / 2, r: value + 1, d: value / 2, eta: value / 4, k: value < 4 ? 4 : value * 2, noise: 0.3, seed: value + 1 }[name];
    const within = (one) => State.clamp(name, Math.min(Math.max(one, min), max), []);
    // Where that is taken: the numbers that the slider has, from its low end.
    const places = by ? Array.from({ length: State.MORE + 1 }, (_, i) => min + i * by) : Array.from({ length: State.MORE + 1 }, (_, i) => min * 10 ** i);
    return [wanted ?? min, ...places].map(within).find((one) => !taken.includes(one)) ?? within(min);
  };

  const reflect = () => {
    for (const name of State.NAMES) {
      fill(input(name), name, state[name]);
      if (name === "n") input("n").closest("label").hidden = state.vary !== "n" && !State.states(state).some(({ method }) => method === "depth");
      const fixed = name === "k" && state.r === 1, decided = own && State.OF_DATA.includes(name);
      input(name).disabled = decided;
      byId(`is-${name}`).textContent = decided ? "from the file" : FIELDS[name].options || name === "seed" ? "" : fixed ? "1 at rank 1" : name === "steps" ? Charts.grouped(state.steps) : State.worded(name, state[name]);
    }
    for (const option of byId("vary").options) option.disabled = own && State.OF_DATA.includes(option.value);
    others();
    const here = own ? "" : State.write(state);
    for (const link of document.querySelectorAll("#presets a")) {
      const same = State.write(State.read(link.hash).state) === here;
      if (same) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      if (same) byId("see").textContent = link.dataset.see;
    }
    if (!document.querySelector("#presets [aria-current]")) byId("see").textContent = own
      ? "Your own data. The address of this page holds the settings, not the data." : "Your own setting. The address of this page holds it: a link to it shows the same run.";
  };

  // A control has moved: the address follows, and after a moment's rest the runs begin anew.
  const change = (said = []) => {
    if (!own) State.bound(state, said);
    history.replaceState(null, "", State.write(state));
    warn(said);
    reflect();
    clearTimeout(change.timer);
    change.timer = setTimeout(() => begin(true), 120);
  };
  // Other measurements, at once: a run of those before would be told as one of these.
  const exchange = (problem, said) => {
    own = problem;
    change(said);
    clearTimeout(change.timer);
    begin(true);
  };
  const warn = (said) => {
    byId("said").hidden = said.length === 0;
    byId("said").textContent = said.join(" ");
  };
  const arrive = () => {
    const link = State.read(location.hash || document.querySelector("#presets a").hash);
    [state, own] = [link.state, null];
    State.bound(state, link.said);
    history.replaceState(null, "", State.write(state));
    warn(link.said);
    reflect();
    begin(true);
  };

  // What one takes away: the link, the pictures in one, the numbers in a table.
  const copy = () => {
    const shown = () => warn([`This browser does not let the page copy: the link is ${location.href}`]);
    if (!navigator.clipboard) return shown();
    navigator.clipboard.writeText(location.href).then(() => say("The link is copied: it opens this page with these settings."), shown);
  };
  const save = (blob, name) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const named = () => (own ? `algoreg_${state.method}_${own.name.replace(/\W+/g, "_")}` : `algoreg_${state.method}_d${state.d}_r${state.r}_seed${state.seed}`);
  const picture = () => {
    const shown = [...document.querySelectorAll("#charts figure")].filter((figure) => figure.offsetParent);
    Charts.together(shown, `${State.write(state).slice(1).replaceAll("&", "  ")}`).toBlob((blob) => save(blob, `${named()}.png`));
  };
  const numbers = () => {
    const most = Math.max(...runs.map(({ history }) => history[0].values.length));
    const head = ["run", "method", "d", "rank", "m", "alpha", "eta", "layers", "kappa", "noise", "seed", "step", "train_error", "test_error"];
    const rows = runs.flatMap(({ letter, settings, m, history }) => history.map(({ step, train, test, values }) => [
      letter, settings.method, own?.d ?? settings.d, settings.rank, m, settings.alpha, settings.eta, settings.method === "depth" ? settings.layers : "",
      own ? "" : settings.kappa, own ? "" : settings.noise, settings.seed, step, train, test, ...Array.from({ length: most }, (_, i) => values[i] ?? ""),
    ]));
    const lines = [[...head, ...Array.from({ length: most }, (_, i) => `eigenvalue_${i + 1}`)], ...rows].map((row) => row.join(","));
    save(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }), `${named()}.csv`);
  };

  const listen = () => {
    byId("play").addEventListener("click", () => (playing ? stop() : play()));
    byId("step").addEventListener("click", once);
    byId("reset").addEventListener("click", () => { begin(false); say("At the start."); });
    byId("new").addEventListener("click", () => { state.seed = state.seed % FIELDS.seed.max + 1; change(); });
    byId("back").addEventListener("input", () => {
      const step = Math.min(Number(byId("back").value), Math.max(...runs.map((run) => run.step)));
      if (playing) stop();
      look = step;
      draw();
    });
    byId("vary").addEventListener("change", () => {
      state.vary = byId("vary").value;
      state.to = [];
      if (state.vary === "n") state.method = "depth";
      if (state.vary) state.to = [otherwise(state.vary)];
      change();
    });
    byId("add").addEventListener("click", () => { state.to.push(otherwise(state.vary)); change(); });
    byId("copy").addEventListener("click", copy);
    byId("picture").addEventListener("click", picture);
    byId("numbers").addEventListener("click", numbers);
    byId("file").addEventListener("change", ({ target }) => { take(target.files); target.value = ""; });
    byId("forget").addEventListener("click", () => exchange(null));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
    byId("map").addEventListener("click", (event) => {
      const { ratio, rank } = Charts.pointed(byId("map"), event);
      Object.assign(state, { m: State.clamp("m", Math.min(Math.max(ratio, 0.5), 10), []), r: State.clamp("r", Math.min(Math.max(rank, 1), 8), []) });
      change();
    });
    addEventListener("hashchange", arrive);
    // The link of where one is leads back from a file, too.
    byId("presets").addEventListener("click", ({ target }) => { if (own && target.hash === location.hash) arrive(); });
    new ResizeObserver(draw).observe(byId("charts"));
    for (const wish of [calm, matchMedia("(prefers-color-scheme: dark)")]) wish.addEventListener("change", draw);
  };

  // Without workers the picture that is there from the start stays.
  const still = (words) => {
    clearTimeout(timer);
    byId("unable").textContent = words;
    byId("still").hidden = false;
    byId("live").hidden = true;
  };
  const able = () => {
    try {
      worker(0);
      return typeof OffscreenCanvas === "function" && typeof Float64Array === "function";
    } catch {
      return false;
    }
  };
  if (!able()) {
    still("This browser has no background scripts, which descent needs to run here. The picture below shows what was measured.");
    return;
  }
  byId("still").hidden = true;
  byId("live").hidden = false;
  byId("fields").append(...State.NAMES.map(control));
  input("seed").after(byId("new"));
  byId("vary").append(...State.SHARED.map((name) => new Option(FIELDS[name].label, name)));
  byId("settings").open = !matchMedia("(max-width: 44rem)").matches;
  listen();
  arrive();
})();
