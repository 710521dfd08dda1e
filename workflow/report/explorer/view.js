"use strict";
// The page: controls, runs in workers, pictures, and what is said of them.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { FIELDS } = State;
  const RUNS = [{ letter: "A", colour: "--c0" }, { letter: "B", colour: "--c1" }];
  // Milliseconds between two pictures.
  const PAUSE = 40;
  // A relative error below this counts as found, and above the other as something else.
  const FOUND = 0.1, ELSEWHERE = 0.3;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let state = State.defaults(), runs = [], playing = false, goal = 0, pending = 0, timer = 0, look = null, generation = 0, stepping = false;

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
      workers[i].addEventListener("message", ({ data: answer }) => receive(answer));
      workers[i].addEventListener("error", () => still("The background script that descent needs has failed. The picture below shows what was measured."));
    }
    return workers[i];
  };

  // Start all runs anew; what workers still answer of earlier ones is of another generation.
  const begin = (play) => {
    clearTimeout(timer);
    generation++;
    [playing, goal, look, stepping] = [play, 0, null, false];
    runs = State.states(state).map((own, i) => ({
      ...RUNS[i], id: `${generation} ${i}`, settings: State.settings(own), own, worker: worker(i), history: [], planted: [],
      step: 0, diverged: false, rate: 0,
    }));
    pending = runs.length;
    for (const run of runs) run.worker.postMessage({ kind: "start", id: run.id, settings: run.settings });
    show();
  };

  const receive = (answer) => {
    const run = runs.find(({ id }) => id === answer.id);
    if (!run) return;
    run.history.push(...answer.records);
    if (answer.kind === "started") Object.assign(run, { planted: answer.planted, target: answer.target, m: answer.m });
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
    if (test < FOUND) return `${name} finds X*: test error ${small(test)}.${later}`;
    if (train < FOUND && test > ELSEWHERE) return `${name} fits the measurements with something else than X*: training error ${small(train)}, test error ${small(test)}.${later}`;
    return `${name} ends with training error ${small(train)} and test error ${small(test)}.${later}`;
  };
  const say = (words) => { byId("now").textContent = words; };

  const at = (run, step) => run.history.findLast((record) => record.step <= step) ?? run.history[0];
  const shownStep = () => look ?? Math.max(0, ...runs.map(({ step }) => step));

  const cells = (run) => {
    const record = run.now, r = run.planted.length;
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
      const r = run.planted.length, lead = Array.from(run.now.values.slice(0, r + 1), small);
      byId(`values-${run.letter}`).setAttribute("aria-label", `Eigenvalues of run ${run.letter} over the steps, logarithmic; at step ${run.now.step} the leading ${lead.length} are ${lead.join(", ")}; X* has ${r}`);
      byId(`matrix-${run.letter}`).setAttribute("aria-label", `X of run ${run.letter} at step ${run.now.step} as a picture, ${small(run.now.test)} of X*'s norm away from X*`);
    }
  };

  const draw = () => {
    if (!runs.length || runs.some((run) => !run.history.length)) return;
    const step = shownStep(), end = state.steps, range = Charts.spectra(runs);
    for (const run of runs) run.now = at(run, step);
    Charts.errors(byId("errors"), runs, end, step);
    const largest = Math.max(...runs[0].target.map(Math.abs));
    Charts.matrix(byId("matrix-target"), runs[0].target, largest);
    for (const run of runs) {
      Charts.eigenvalues(byId(`values-${run.letter}`), run, range, end, step);
      Charts.matrix(byId(`matrix-${run.letter}`), run.now.matrix, largest);
    }
    place();
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
    const points = runs.map(({ own, colour }) => ({ ratio: own.m, rank: own.r, colour }));
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
    document.body.classList.toggle("two", runs.length > 1);
    for (const element of document.querySelectorAll(".second")) element.hidden = runs.length < 2;
    const { free, trace } = data.dimensions[state.d], m = Math.max(Math.round(state.m * state.d * state.r), 1), r = state.r;
    byId("counts").textContent = `m = ${Charts.grouped(m)} measurements. A symmetric X has ${Charts.grouped(state.d * (state.d + 1) / 2)} numbers; at rank ${r} only ${free[r - 1]} of them are free. Least trace needs about ${Math.round(trace[r - 1])}.`;
    if (playing) say(runs.length > 1 ? "Two runs on their way." : "On its way.");
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

  // What is set there becomes `key` of the state.
  const follow = (element, name, key) => {
    const changed = () => {
      const said = [];
      state[key] = read(element, name, said);
      if (name === "method") State.suit(state, said);
      change(said);
    };
    element.addEventListener(name === "seed" ? "change" : "input", changed);
    arrows(element, name, changed);
  };
  const control = (name) => {
    const label = document.createElement("label"), words = document.createElement("span"), output = document.createElement("output");
    const element = maker(name, `set-${name}`);
    words.textContent = FIELDS[name].label;
    Object.assign(output, { id: `is-${name}`, htmlFor: element.id });
    // An output can have a label, too: without a name the first of the two would get it.
    label.htmlFor = element.id;
    label.append(words, output, element);
    follow(element, name, name);
    return label;
  };

  // What the second run may have otherwise.
  const second = () => {
    const holder = byId("other"), { vary } = state;
    byId("vary").value = vary;
    byId("other-row").hidden = !vary;
    byId("is-to").textContent = vary && !FIELDS[vary].options ? State.worded(vary, state.to) : "";
    if (!vary) return holder.replaceChildren();
    if (holder.dataset.name !== vary || !holder.firstChild) {
      const element = maker(vary, "set-to");
      follow(element, vary, "to");
      element.setAttribute("aria-label", `${FIELDS[vary].label} of run B`);
      holder.dataset.name = vary;
      holder.replaceChildren(element);
    }
    fill(holder.firstChild, vary, state.to);
  };
  const otherwise = (name) => {
    const { options, min, max } = FIELDS[name], value = state[name];
    if (options) return value === "descent" ? "projected" : "descent";
    const wanted = { a: 1, m: value / 2, r: value + 1, d: value / 2, eta: value / 4, k: 4, noise: 0.3, seed: value + 1 }[name];
    const other = State.clamp(name, Math.min(Math.max(wanted, min), max), []);
    return other === value ? State.clamp(name, min, []) : other;
  };

  const reflect = () => {
    for (const name of State.NAMES) {
      fill(input(name), name, state[name]);
      const fixed = name === "k" && state.r === 1;
      byId(`is-${name}`).textContent = FIELDS[name].options || name === "seed" ? "" : fixed ? "1 at rank 1" : name === "steps" ? Charts.grouped(state.steps) : State.worded(name, state[name]);
    }
    second();
    const here = State.write(state);
    for (const link of document.querySelectorAll("#presets a")) {
      const same = State.write(State.read(link.hash).state) === here;
      if (same) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      if (same) byId("see").textContent = link.dataset.see;
    }
    if (!document.querySelector("#presets [aria-current]")) byId("see").textContent = "Your own setting. The address of this page holds it: a link to it shows the same run.";
  };

  // A control has moved: the address follows, and after a moment's rest the runs begin anew.
  const change = (said = []) => {
    history.replaceState(null, "", State.write(state));
    warn(said);
    reflect();
    clearTimeout(change.timer);
    change.timer = setTimeout(() => begin(true), 120);
  };
  const warn = (said) => {
    byId("said").hidden = said.length === 0;
    byId("said").textContent = said.join(" ");
  };
  const arrive = () => {
    const link = State.read(location.hash || document.querySelector("#presets a").hash);
    state = link.state;
    history.replaceState(null, "", State.write(state));
    warn(link.said);
    reflect();
    begin(true);
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
      state.to = state.vary ? otherwise(state.vary) : "";
      change();
    });
    byId("map").addEventListener("click", (event) => {
      const { ratio, rank } = Charts.pointed(byId("map"), event);
      Object.assign(state, { m: State.clamp("m", Math.min(Math.max(ratio, 0.5), 10), []), r: State.clamp("r", Math.min(Math.max(rank, 1), 8), []) });
      change();
    });
    addEventListener("hashchange", arrive);
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
