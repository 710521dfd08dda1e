"use strict";
// Pictures on canvases, in the colours of the page's style.
const Charts = (() => {
  const FONT = 12;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const channels = (colour) => {
    const digits = colour.slice(1), wide = digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits;
    return [0, 2, 4].map((at) => parseInt(wide.slice(at, at + 2), 16));
  };
  const mixed = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));

  // A canvas as sharp as the screen, cleared, with a unit of one CSS pixel.
  const cleared = (canvas) => {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    const wide = Math.round(width * ratio), high = Math.round(height * ratio);
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `${FONT}px ${getComputedStyle(document.body).fontFamily}`;
    return { pen, width, height };
  };

  const decade = (exponent) => (exponent >= -1 && exponent <= 2 ? String(10 ** exponent) : `10${State.raised(exponent)}`);
  const grouped = (value) => value.toLocaleString("en").replaceAll(",", "\u2009");

  // About `count` round numbers from 0 to the end.
  const ticks = (end, count) => {
    const rough = end / count, size = 10 ** Math.floor(Math.log10(rough));
    const by = [1, 2, 5, 10].map((factor) => factor * size).find((step) => step >= rough);
    return Array.from({ length: Math.floor(end / by + 1e-9) + 1 }, (_, i) => i * by);
  };

  const line = (pen, from, to) => {
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
  };

  const text = (pen, words, x, y, { align = "center", base = "middle", colour = "--soft" } = {}) => {
    Object.assign(pen, { fillStyle: css(colour), textAlign: align, textBaseline: base });
    pen.fillText(words, x, y);
  };

  // Decades of values that hold them all and some of `least`, the widest.
  const decades = (values, least, floor = 1e-18) => {
    let [low, high] = least;
    // One by one: a long run has more eigenvalues than a function may have arguments.
    for (const value of values) {
      if (!(value >= floor && Number.isFinite(value))) continue;
      const log = Math.log10(value);
      [low, high] = [Math.min(low, log), Math.max(high, log)];
    }
    return [Math.floor(low + 1e-9), Math.ceil(high - 1e-9)];
  };

  const verticalAxis = ({ pen, left, right, y }, [low, high]) => {
    const by = Math.ceil((high - low) / 6);
    for (let exponent = Math.ceil(low / by) * by; exponent <= high; exponent += by) {
      pen.strokeStyle = css("--line");
      line(pen, [left, y(10 ** exponent)], [right, y(10 ** exponent)]);
      text(pen, decade(exponent), left - 6, y(10 ** exponent), { align: "right" });
    }
  };

  const horizontalAxis = ({ pen, left, right, bottom, x }, end, label) => {
    pen.strokeStyle = css("--soft");
    line(pen, [left, bottom], [right, bottom]);
    for (const tick of ticks(end, (right - left) / 65)) {
      line(pen, [x(tick), bottom], [x(tick), bottom + 4]);
      const words = grouped(tick), half = pen.measureText(words).width / 2;
      text(pen, words, Math.min(x(tick), right - half + 8), bottom + 8, { base: "top" });
    }
    text(pen, label, (left + right) / 2, bottom + 25, { base: "top" });
  };

  // An area of steps, and of decades upwards; `range` are exponents.
  const frame = (canvas, end, range, label) => {
    const { pen, width, height } = cleared(canvas);
    const left = 46, right = width - 10, top = 10, bottom = height - 42;
    const [low, high] = range;
    const area = {
      pen, left, right, top, bottom,
      x: (step) => left + (right - left) * step / end,
      y: (value) => bottom - (bottom - top) * Math.min((Math.log10(value) - low) / (high - low), 1.02),
    };
    pen.lineWidth = 1;
    verticalAxis(area, range);
    horizontalAxis(area, end, label);
    return area;
  };

  // A curve over steps; where there is no positive number it has a gap.
  const curve = ({ pen, left, right, top, bottom, x, y }, steps, values, { colour, width = 2, dash = [] }) => {
    pen.save();
    Object.assign(pen, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
    pen.setLineDash(dash);
    // What lies below the area is cut off; above it there is room for half a line.
    pen.beginPath();
    pen.rect(left, top - 4, right - left + 2, bottom - top + 4);
    pen.clip();
    pen.beginPath();
    let drawing = false;
    steps.forEach((step, i) => {
      const shown = values[i] > 1e-18 && values[i] < Infinity;
      if (shown && drawing) pen.lineTo(x(step), y(values[i]));
      else if (shown) pen.moveTo(x(step), y(values[i]));
      drawing = shown;
    });
    pen.stroke();
    pen.restore();
  };

  const dot = (pen, x, y, colour, size = 4) => {
    pen.beginPath();
    pen.arc(x, y, size, 0, 2 * Math.PI);
    Object.assign(pen, { fillStyle: colour, strokeStyle: css("--ground"), lineWidth: 1.5 });
    pen.fill();
    pen.stroke();
  };

  // Errors over something that is no step, with named lines across; logarithmic upwards, from 10⁻⁶.
  const scan = (canvas, { points, range: [first, last], lines, label }) => {
    const { pen, width, height } = cleared(canvas), [low, high] = [-6, 0.3];
    const left = 46, right = width - 10, top = 26, bottom = height - 42;
    const x = (value) => left + (right - left) * (value - first) / (last - first);
    const y = (value) => bottom - (bottom - top) * (Math.min(Math.max(Math.log10(value), low), high) - low) / (high - low);
    pen.lineWidth = 1;
    verticalAxis({ pen, left, right, y }, [low, 0]);
    for (let at = Math.ceil(first); at <= last; at++) text(pen, at, x(at), bottom + 7, { base: "top" });
    text(pen, label, (left + right) / 2, bottom + 25, { base: "top" });
    text(pen, "error at the end", left, 8, { align: "left" });
    lines.forEach(({ at, name, colour }, i) => {
      Object.assign(pen, { strokeStyle: css(colour), lineWidth: i ? 1.5 : 2.5 });
      pen.setLineDash(i ? [5, 4] : []);
      line(pen, [x(at), top], [x(at), bottom]);
      pen.setLineDash([]);
      // Names stand one below the other, so that lines that are near keep theirs apart.
      const turned = x(at) > right - 130;
      text(pen, name, x(at) + (turned ? -5 : 5), bottom - 10 - 16 * i, { align: turned ? "right" : "left", colour: i ? "--ink" : colour });
    });
    for (const point of points) dot(pen, x(point.x), y(point.y), css("--c0"), 5);
  };

  // Where one looks; at the end it would be a second axis.
  const cursor = ({ pen, top, bottom, x }, step, end) => {
    if (step === end) return;
    Object.assign(pen, { strokeStyle: css("--soft"), lineWidth: 1 });
    line(pen, [x(step), top], [x(step), bottom]);
  };

  const cross = ({ pen, x, y, top }, step, value, colour) => {
    const at = [x(step), value < Infinity ? y(value) : top];
    Object.assign(pen, { strokeStyle: colour, lineWidth: 3 });
    line(pen, [at[0] - 5, at[1] - 5], [at[0] + 5, at[1] + 5]);
    line(pen, [at[0] - 5, at[1] + 5], [at[0] + 5, at[1] - 5]);
  };

  // Training and test errors of the runs; `now` is each run's record at the cursor.
  const errors = (canvas, runs, end, step) => {
    const all = runs.flatMap((run) => run.history.flatMap(({ train, test }) => [train, test]));
    const area = frame(canvas, end, decades(all.map((value) => Math.min(value, 1e3)), [-2, 0.2], 1e-16), "step");
    cursor(area, step, end);
    for (const run of runs) {
      const steps = run.history.map((record) => record.step), colour = css(run.colour), last = run.history.at(-1);
      curve(area, steps, run.history.map(({ train }) => train), { colour, width: 1.5, dash: [5, 4] });
      curve(area, steps, run.history.map(({ test }) => test), { colour, width: 2.5 });
      if (run.diverged) cross(area, last.step, last.test, colour);
      else if (run.now) dot(area.pen, area.x(run.now.step), area.y(run.now.test), colour);
    }
  };

  // Eigenvalues one by one: as many as X* has (where it is unknown, as are set) in the run's colour, the others thin; X*'s
  // own as dashed lines.
  const eigenvalues = (canvas, run, range, end, step) => {
    const area = frame(canvas, end, range, "step");
    cursor(area, step, end);
    const { planted, history } = run, steps = history.map((record) => record.step), colour = css(run.colour);
    const leading = planted.length || run.settings.rank;
    for (let i = leading; i < (history[0]?.values.length ?? 0); i++) {
      curve(area, steps, history.map(({ values }) => values[i]), { colour: css("--soft"), width: 0.8 });
    }
    for (const value of planted) {
      Object.assign(area.pen, { strokeStyle: css("--ink"), lineWidth: 1 });
      area.pen.setLineDash([2, 3]);
      line(area.pen, [area.left, area.y(value)], [area.right, area.y(value)]);
      area.pen.setLineDash([]);
    }
    for (let i = 0; i < leading; i++) curve(area, steps, history.map(({ values }) => values[i]), { colour, width: 2.5 });
  };
  // Down to a hundredth of where the lowest run starts, or of 10⁻³ where that is 0: what shrinks further tells nothing.
  const spectra = (runs) => {
    const start = Math.min(...runs.map((run) => run.history[0].values[0] || 1e-3));
    return decades(runs.flatMap((run) => run.history.flatMap(({ values }) => [...values])), [-2, 0.2], start / 100);
  };

  // A matrix as boxes: positive entries in one colour, negative in another, as strong as they are large.
  const matrix = (canvas, values, largest) => {
    const { pen, width, height } = cleared(canvas), d = Math.round(Math.sqrt(values.length));
    const [none, positive, negative] = ["--card", "--c0", "--c1"].map((name) => channels(css(name)));
    const picture = new ImageData(d, d), small = new OffscreenCanvas(d, d);
    values.forEach((value, i) => {
      const share = Number.isFinite(value) ? Math.min(Math.abs(value) / largest, 1) : 0;
      picture.data.set([...mixed(none, value < 0 ? negative : positive, Math.sqrt(share)), 255], 4 * i);
    });
    small.getContext("2d").putImageData(picture, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, width, height);
  };

  // Where recovery sets in: measured errors as boxes over m/(dr) and r, theory's numbers as lines, and the runs' points.
  const MAP = { low: 0.5, high: 10, ranks: 8 };
  const place = (width, height) => {
    const left = 34, right = width - 12, top = 10, bottom = height - 42, span = Math.log(MAP.high / MAP.low);
    return {
      left, right, top, bottom,
      x: (ratio) => left + (right - left) * Math.log(ratio / MAP.low) / span,
      y: (rank) => bottom - (bottom - top) * (rank - 0.5) / MAP.ranks,
      ratio: (x) => MAP.low * Math.exp(span * (x - left) / (right - left)),
      rank: (y) => Math.round(0.5 + MAP.ranks * (bottom - y) / (bottom - top)),
    };
  };

  // 0 where nothing of X* is found, 1 from an error of 10⁻³ down.
  const found = (error) => Math.min(Math.max(-Math.log10(error) / 3, 0), 1);

  const boxes = (pen, area, { ranks, ratios, errors }) => {
    const none = channels(css("--card")), full = channels(css("--c2"));
    const sides = [...ratios.slice(1).map((ratio, i) => Math.sqrt(ratio * ratios[i]))];
    const edges = [ratios[0] ** 2 / sides[0], ...sides, ratios.at(-1) ** 2 / sides.at(-1)];
    ranks.forEach((rank, row) => errors[row].forEach((error, column) => {
      pen.fillStyle = `rgb(${mixed(none, full, 0.85 * found(error)).join(" ")})`;
      const [from, to] = [area.x(edges[column]), area.x(edges[column + 1])];
      pen.fillRect(from, area.y(rank + 0.5), to - from + 0.5, area.y(rank - 0.5) - area.y(rank + 0.5) + 0.5);
    }));
  };

  const theory = (pen, area, { dimensions, d }) => {
    for (const [values, dash] of [[dimensions.free, []], [dimensions.trace, [6, 4]]]) {
      pen.save();
      pen.setLineDash(dash);
      Object.assign(pen, { strokeStyle: css("--ink"), lineWidth: 1.5 });
      pen.beginPath();
      values.forEach((value, i) => {
        for (const rank of [i + 0.5, i + 1.5]) pen.lineTo(area.x(value / (d * (i + 1))), area.y(rank));
      });
      pen.stroke();
      pen.restore();
    }
  };

  const map = (canvas, measured, dimensions, points) => {
    const { pen, width, height } = cleared(canvas), area = place(width, height);
    pen.save();
    pen.beginPath();
    pen.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
    pen.clip();
    boxes(pen, area, measured);
    theory(pen, area, dimensions);
    pen.restore();
    Object.assign(pen, { strokeStyle: css("--soft"), lineWidth: 1 });
    pen.strokeRect(area.left, area.top, area.right - area.left, area.bottom - area.top);
    for (let rank = 1; rank <= MAP.ranks; rank++) text(pen, rank, area.left - 8, area.y(rank), { align: "right" });
    for (const ratio of [0.5, 1, 2, 3, 5, 10]) text(pen, ratio, area.x(ratio), area.bottom + 7, { base: "top" });
    text(pen, "measurements m/(dr)", (area.left + area.right) / 2, area.bottom + 25, { base: "top" });
    text(pen, "rank r", area.left + 6, area.top + 10, { align: "left", colour: "--ink" });
    // Where runs stand at one place, the later ones are smaller, and their letters stand beside it.
    const most = points.length > 2 ? 11 : 8;
    points.forEach(({ ratio, rank, colour }, i) => dot(pen, area.x(ratio), area.y(rank), css(colour), most - 2.5 * i));
    const letters = new Map();
    for (const { ratio, rank, letter } of points) letters.set(`${ratio} ${rank}`, `${letters.get(`${ratio} ${rank}`) ?? ""} ${letter}`);
    if (points.length < 2) return;
    for (const { ratio, rank } of points) {
      const right = area.x(ratio) < area.right - 60;
      text(pen, letters.get(`${ratio} ${rank}`).trim(), area.x(ratio) + (right ? most + 4 : -most - 4), area.y(rank), { align: right ? "left" : "right", colour: "--ink" });
    }
  };

  // Figures of the page in one picture, each under its caption, in rows as the page has them.
  const together = (figures, note) => {
    const ratio = window.devicePixelRatio || 1, margin = 16, line = 22;
    const places = figures.map((figure) => ({ figure, canvas: figure.querySelector("canvas"), at: figure.getBoundingClientRect() }));
    const left = Math.min(...places.map(({ at }) => at.left)), top = Math.min(...places.map(({ at }) => at.top));
    const width = Math.max(...places.map(({ at }) => at.right)) - left + 2 * margin;
    const height = Math.max(...places.map(({ at }) => at.bottom)) - top + 2 * margin + line;
    const sheet = Object.assign(document.createElement("canvas"), { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const pen = sheet.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = css("--ground");
    pen.fillRect(0, 0, width, height);
    const family = getComputedStyle(document.body).fontFamily;
    for (const { figure, canvas, at } of places) {
      const spot = canvas.getBoundingClientRect(), x = at.left - left + margin;
      pen.font = `600 14px ${family}`;
      text(pen, figure.querySelector("figcaption").innerText, x, at.top - top + margin, { align: "left", base: "top", colour: "--ink" });
      pen.drawImage(canvas, spot.left - left + margin, spot.top - top + margin, spot.width, spot.height);
    }
    pen.font = `${FONT}px ${family}`;
    text(pen, `algoreg  ${note}`, margin, height - margin, { align: "left", base: "bottom" });
    return sheet;
  };
  const pointed = (canvas, event) => {
    const area = place(canvas.clientWidth, canvas.clientHeight);
    return { ratio: area.ratio(event.offsetX), rank: area.rank(event.offsetY) };
  };

  return { errors, eigenvalues, spectra, scan, matrix, map, pointed, together, grouped };
})();
