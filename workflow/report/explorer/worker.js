"use strict";
// One run in a thread of its own. It is asked to start, and then to go on to a step; it answers with what it has recorded.
// Or it is asked to read a file.
(() => {
  // An answer comes after this many milliseconds at the latest, so that the page can draw and ask for something else.
  const PATIENCE = 40;
  // A chart is not many more points wide, and eigenvalues cost as much as steps.
  const RECORDS = 300, FEWER = 50, LARGE = 64;
  let job = null;

  const record = () => {
    const { run } = job, { x, train, test } = run.look();
    return { step: run.iteration, train, test, diverged: run.diverged, values: run.values(), matrix: Float32Array.from(x) };
  };

  const start = ({ id, settings, problem }) => {
    const known = problem ? Numerics.given(problem, settings) : Numerics.draw(settings), { d, m, target, planted } = known;
    const records = settings.records ?? (d > LARGE ? FEWER : RECORDS);
    job = { id, last: settings.steps, stride: Math.ceil(settings.steps / records), run: Numerics.run(known, settings), seconds: 0, steps: 0 };
    postMessage({ id, kind: "started", d, m, planted, target: target && Float32Array.from(target), records: [record()] });
  };

  const go = ({ id, to }) => {
    if (!job || id !== job.id) return;
    const { run, stride, last } = job, records = [], begun = performance.now();
    const end = Math.min(to, last);
    while (run.iteration < end && !run.diverged && performance.now() - begun < PATIENCE) {
      run.step();
      job.steps++;
      if (run.iteration % stride === 0 || run.iteration === last || run.diverged) records.push(record());
    }
    job.seconds += (performance.now() - begun) / 1000;
    // Where the page stops between two records, it sees what is there.
    if (run.iteration === end && run.iteration % stride && !run.diverged && records.at(-1)?.step !== end) records.push(record());
    postMessage({ id, kind: "at", step: run.iteration, diverged: run.diverged, rate: job.seconds ? job.steps / job.seconds : 0, records });
  };

  // A file of the reader's own becomes a problem, or a sentence that says why not.
  const read = ({ file }) => Data.read(file).then(
    (problem) => postMessage({ kind: "read", problem }),
    ({ message, name }) => postMessage({ kind: "refused", words: `${file.name} ${name === "Error" ? message : "could not be read: it is broken, or no file of its kind"}.` }),
  );

  addEventListener("message", ({ data }) => ({ start, to: go, read })[data.kind](data));
})();
