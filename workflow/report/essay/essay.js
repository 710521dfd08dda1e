"use strict";
// The essay's panels: each is a figure with settings as a link to the explorer has them, sliders, and places for charts.
(() => {
  const byId = (id) => document.getElementById(id);
  const { dimensions } = JSON.parse(byId("data").textContent);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const COLOURS = ["--c0", "--c1", "--c2", "--c3"];
  // Milliseconds between two pictures, and pictures of a run.
  const PAUSE = 40, PICTURES = 120;
  // Relative errors below this count as found, and above the other as another matrix.
  const FOUND = 0.1, ELSEWHERE = 0.3;
  const small = (value) => (Number.isFinite(value) ? State.short(Number(value.toPrecision(2))) : "too large");

  // One panel runs at a time: its workers end when another begins.
  let workers = [];
  const source = () => URL.createObjectURL(new Blob([byId("numerics").textContent, byId("worker").textContent], { type: "text/javascript" }));
  const halt = () => {
    for (const worker of workers) worker.terminate();
    workers = [];
    for (const figure of document.querySelectorAll("[data-state=running]")) {
      figure.dataset.state = "stopped";
      figure.querySelector(".now").textContent = "Stopped, as another panel runs.";
    }
  };
  // Run settings in a thread of their own to their end, `pictures` answers on the way; resolves to the run.
  const compute = (settings, { pictures = 1, seen = () => {} } = {}) => new Promise((done) => {
    const worker = new Worker(source()), run = { settings, history: [], planted: [], diverged: false, step: 0 };
    workers.push(worker);
    worker.onmessage = ({ data }) => {
      run.history.push(...data.records);
      if (data.kind === "started") Object.assign(run, { planted: data.planted, target: data.target, m: data.m });
      else run.step = data.step;
      run.diverged = run.history.at(-1).diverged;
      seen(run);
      if (run.diverged || run.step >= settings.steps) {
        worker.terminate();
        return done(run);
      }
      run.goal = run.step >= (run.goal ?? 0) ? Math.min(run.step + Math.ceil(settings.steps / pictures), settings.steps) : run.goal;
      setTimeout(() => worker.postMessage({ kind: "to", id: 1, to: run.goal }), pictures > 1 ? PAUSE : 0);
    };
    worker.postMessage({ kind: "start", id: 1, settings });
  });

  const sliders = (figure) => [...figure.querySelectorAll("input[data-set]")];
  const valueOf = (slider) => State.ofSlider(slider.dataset.set, Number(slider.value));
  const wordedAs = (slider) => State.worded(slider.dataset.set, valueOf(slider));
  // A panel's sliders say their values, also to screen readers.
  const told = (slider, words) => {
    slider.closest("label").querySelector("output").textContent = words;
    slider.setAttribute("aria-valuetext", words);
  };

  const ends = (name, run) => {
    const { train, test } = run.history.at(-1);
    if (run.diverged) return `${name} diverges.`;
    if (test < FOUND) return `${name} finds X*: error ${small(test)}.`;
    if (train < FOUND && test > ELSEWHERE) return `${name} fits the measurements (training error ${small(train)}) with another matrix: error ${small(test)}.`;
    return `${name} ends with training error ${small(train)} and error ${small(test)}.`;
  };

  // A panel of runs. Its charts: errors, eigenvalues and pictures of X by the number of the run.
  const panel = (figure) => {
    const names = figure.dataset.names.split("; "), now = figure.querySelector(".now");
    let runs = [], began = 0, asked = false;
    const state = () => {
      const { state: own } = State.read(figure.dataset.link);
      for (const slider of sliders(figure)) own[slider.dataset.set] = valueOf(slider);
      return own;
    };
    const draw = () => {
      const shown = runs.filter((run) => run?.history.length);
      if (!shown.length) return;
      const end = shown[0].settings.steps, step = Math.max(...shown.map((run) => run.step));
      for (const run of shown) run.now = run.history.at(-1);
      const largest = Math.max(...shown[0].target.map(Math.abs));
      for (const canvas of figure.querySelectorAll("canvas")) {
        const { chart } = canvas.dataset, run = runs[Number(canvas.dataset.run ?? 0)];
        if (chart === "errors") Charts.errors(canvas, shown, end, step);
        if (chart === "target") Charts.matrix(canvas, shown[0].target, largest);
        if (!run?.history.length) continue;
        if (chart === "eigenvalues") Charts.eigenvalues(canvas, run, Charts.spectra(shown), end, step);
        if (chart === "matrix") Charts.matrix(canvas, run.now.matrix, largest);
      }
    };
    const labels = () => {
      const words = runs.map((run, i) => `${names[i]}: training error ${small(run.now.train)}, error ${small(run.now.test)}`).join("; ");
      for (const canvas of figure.querySelectorAll("canvas")) canvas.setAttribute("aria-label", `${canvas.dataset.label}. At the end: ${words}`);
    };
    const finish = () => {
      labels();
      const words = runs.map((run, i) => ends(names[i], run));
      if (figure.dataset.best) {
        const best = runs[0].history.reduce((least, record) => (record.test < least.test ? record : least));
        words.push(`The error was smallest, ${small(best.test)}, at step ${Charts.grouped(best.step)}.`);
      }
      now.textContent = words.join(" ");
      figure.dataset.state = "done";
    };
    const begin = async () => {
      halt();
      asked = true;
      const turn = ++began, own = state();
      figure.dataset.state = "running";
      now.textContent = "Under way.";
      runs = State.states(own).map(() => null);
      const pictures = calm.matches ? 1 : PICTURES;
      const ended = await Promise.all(State.states(own).map((one, i) => compute(State.settings(one), {
        pictures,
        seen: (run) => {
          if (turn !== began) return;
          runs[i] = Object.assign(run, { colour: COLOURS[i] });
          if (!calm.matches) draw();
        },
      })));
      if (turn !== began) return;
      runs = ended;
      draw();
      finish();
    };
    const reflect = () => {
      for (const slider of sliders(figure)) told(slider, wordedAs(slider));
      const own = state(), link = figure.querySelector("a.explore"), { d, r, m } = own, count = Math.max(Math.round(m * d * r), 1), all = d * (d + 1) / 2;
      if (link) link.href = `explorer.html${State.write(own)}`;
      const counts = figure.querySelector(".counts");
      if (counts) counts.textContent = `${count} equations for ${all} unknown numbers: by the formula below an error of ${small(Math.sqrt(Math.max(1 - count / all, 0)))}.`;
    };
    for (const slider of sliders(figure)) {
      slider.addEventListener("input", () => {
        reflect();
        clearTimeout(slider.timer);
        slider.timer = setTimeout(begin, 250);
      });
    }
    figure.querySelector(".run").addEventListener("click", begin);
    reflect();
    return { draw, begin: () => { if (!asked) begin(); } };
  };

  // A measurement by hand: X*, A_i, their product entry by entry, and its sum.
  const measurements = (figure) => {
    const { state } = State.read(figure.dataset.link), { d } = state;
    const problem = Numerics.draw(State.settings(state)), size = d * (d + 1) / 2;
    const slider = figure.querySelector("input"), [target, matrix, product] = figure.querySelectorAll("canvas");
    slider.max = problem.m;
    const draw = () => {
      const i = Number(slider.value) - 1, a = new Float64Array(d * d);
      for (let row = 0, k = i * size; row < d; row++) {
        for (let column = row; column < d; column++, k++) {
          a[row * d + column] = a[column * d + row] = problem.rows[k] / (row === column ? 1 : Math.SQRT2);
        }
      }
      const times = a.map((value, k) => value * problem.target[k]), largest = (values) => Math.max(...values.map(Math.abs));
      Charts.matrix(target, problem.target, largest(problem.target));
      Charts.matrix(matrix, a, largest(a));
      Charts.matrix(product, times, largest(times));
      told(slider, `${i + 1} of ${problem.m}`);
      const sum = times.reduce((total, value) => total + value, 0);
      figure.querySelector(".now").textContent = `The sum of the third picture’s entries is measurement number ${i + 1}: y = ${sum.toFixed(3).replace("-", "−")}. Descent is given A and y, and never sees the first picture.`;
      matrix.setAttribute("aria-label", `Measurement matrix number ${i + 1} as a picture`);
      product.setAttribute("aria-label", `The entries of both multiplied; their sum is ${sum.toFixed(3)}`);
    };
    slider.addEventListener("input", draw);
    return { draw, begin: draw };
  };

  // The guess: runs over a grid of m/(dr), and where all from there on find X*.
  const RATIOS = [0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7, 1.9, 2.1, 2.3, 2.5, 2.8, 3.2, 3.6, 4];
  const guess = (figure) => {
    const { state } = State.read(figure.dataset.link), { d, r } = state, slider = figure.querySelector("input"), now = figure.querySelector(".now");
    const [free, trace] = [dimensions.free[r - 1], dimensions.trace[r - 1]].map((count) => count / (d * r));
    const canvas = figure.querySelector("canvas"), button = figure.querySelector(".run"), guessed = () => Number(slider.value);
    let points = [], turn = 0, shown = false;
    const measurementsOf = (ratio) => Math.round(ratio * d * r);
    const draw = () => Charts.scan(canvas, {
      points, range: [0.3, 4.2], label: "measurements m/(dr)",
      lines: [{ at: guessed(), name: "your guess", colour: "--c1" }, ...(shown ? [{ at: free, name: "free numbers of X*", colour: "--soft" }, { at: trace, name: "nuclear norm", colour: "--soft" }] : [])],
    });
    const reflect = () => {
      told(slider, `m = ${guessed()}·dr = ${measurementsOf(guessed())}`);
      draw();
    };
    const begin = async (seed) => {
      halt();
      const mine = ++turn, settings = (ratio) => ({ ...State.settings({ ...state, seed, m: ratio }), records: 1 });
      [points, shown] = [[], false];
      figure.dataset.state = "running";
      now.textContent = "Under way: a run for each number of measurements.";
      const queue = [...RATIOS];
      const next = async () => {
        while (queue.length && mine === turn) {
          const ratio = queue.shift(), { test } = (await compute(settings(ratio))).history.at(-1);
          if (mine !== turn) return;
          points = [...points, { x: ratio, y: test }].sort((one, other) => one.x - other.x);
          draw();
        }
      };
      await Promise.all([next(), next()]);
      if (mine !== turn) return;
      shown = true;
      draw();
      const last = points.findLastIndex(({ y }) => !(y < FOUND)), first = points[last + 1];
      const counted = (ratio) => `${ratio}·dr = ${measurementsOf(ratio)}`;
      const near = first && Math.abs(Math.log(guessed() / first.x)) < Math.log(1.25) ? "A good guess: you" : "You";
      const outcome = first ? `In this draw every run from ${counted(first.x)} on finds X*.` : "In this draw no run finds X* for sure.";
      now.textContent = `${near} said ${counted(guessed())}. ${outcome} X* has ${dimensions.free[r - 1]} free numbers, a symmetric matrix ${d * (d + 1) / 2}; the method that minimises the nuclear norm would need about ${Math.round(dimensions.trace[r - 1])}.`;
      canvas.setAttribute("aria-label", `Error at the end of each run over measurements m/(dr): ${points.map(({ x, y }) => `${x}: ${small(y)}`).join("; ")}`);
      figure.dataset.state = "done";
    };
    let seed = state.seed;
    slider.addEventListener("input", reflect);
    button.addEventListener("click", () => begin(seed));
    figure.querySelector(".anew").addEventListener("click", () => begin(++seed));
    reflect();
    return { draw, begin: () => {} };
  };

  const kinds = { runs: panel, measurements, guess };
  const made = [...document.querySelectorAll("figure[data-kind]")].map((figure) => ({ figure, ...kinds[figure.dataset.kind](figure) }));
  const draw = () => made.forEach((one) => one.draw());
  for (const { figure } of made) {
    for (const canvas of figure.querySelectorAll("canvas")) if (canvas.dataset.label) canvas.setAttribute("aria-label", canvas.dataset.label);
  }
  document.body.classList.add("live");
  // A panel runs once by itself when it comes into view and no other is under way.
  const idle = () => !made.some(({ figure }) => figure.dataset.state === "running");
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const one = made.find(({ figure }) => figure === entry.target);
      if (entry.isIntersecting && idle()) one.begin();
    }
  }, { threshold: 0.6 });
  for (const { figure } of made) watch.observe(figure);
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
