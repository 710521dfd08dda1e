"use strict";
// What a run is made of, how it stands in the address, and what is possible.
const State = (() => {
  const SIGNS = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].map((sign, digit) => [digit, sign])) };
  const raised = (exponent) => [...String(exponent)].map((one) => SIGNS[one]).join("");
  // A number of a few digits, as people write it.
  const short = (value) => {
    if (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e5)) return String(value).replace("-", "−");
    const [digits, exponent] = value.toExponential().split("e");
    return `${digits === "1" ? "" : `${digits}·`}10${raised(Number(exponent))}`;
  };
  // Named as a reader names them; `place` are the values that a slider has, `log` its scale.
  const FIELDS = {
    method: { label: "Method", start: "descent", options: {
      descent: "UUᵀ, gradient descent", momentum: "UUᵀ with momentum 0.75", normalised: "UUᵀ, normalised gradient", sign: "UUᵀ, sign of the gradient",
      adam: "UUᵀ, Adam", polar: "UUᵀ, polar steps (Muon without momentum)", muon: "UUᵀ, Muon", depth: "product of layers, X = W_N⋯W₁",
      width: "UUᵀ of exact width r", sgd: "UUᵀ, one sample a step", projected: "X itself, kept positive", search: "X itself, thresholded, looking for the rank", matrix: "X itself",
    } },
    n: { label: "Layers N of the product", start: 3, min: 2, max: 4, by: 1 },
    d: { label: "Size d of X", start: 32, min: 8, max: 128, by: 2 },
    r: { label: "Rank r of X*", start: 2, min: 1, max: 8, by: 1 },
    m: { label: "Measurements m/(dr)", start: 3, min: 0.5, max: 10, by: 0.1 },
    a: { label: "Initialisation α, from αI", start: 1e-4, min: 1e-8, max: 1, log: true },
    eta: { label: "Step η", start: 0.2, min: 1e-4, max: 3, log: true },
    k: { label: "Condition κ of X*", start: 1, min: 1, max: 20, by: 0.5 },
    noise: { label: "Label noise", start: 0, min: 0, max: 1, by: 0.05 },
    seed: { label: "Draw (seed)", start: 1, min: 1, max: 9999, by: 1 },
    steps: { label: "Steps to run", start: 300, min: 20, max: 200000, log: true },
  };
  const NAMES = Object.keys(FIELDS);
  // The second run takes these from the first, but for one.
  const SHARED = NAMES.filter((name) => name !== "steps");
  // Numbers that the measurement matrices of a run may have together: 64 MB.
  const NUMBERS = 2 ** 23;
  // What a file of the reader's own decides itself.
  const OF_DATA = ["d", "m", "k", "noise"];
  // Further runs beside the first.
  const MORE = 3;
  // Methods whose steps have a length of their own, whatever the gradient's: that at first, as a share of η.
  const LENGTHS = { normalised: 0.5, sign: 0.1, adam: 0.1, polar: 0.25, muon: 0.25 };
  const defaults = () => ({ ...Object.fromEntries(NAMES.map((name) => [name, FIELDS[name].start])), vary: "", to: [] });

  const possible = (name, value) => {
    const { by, min, max, log } = FIELDS[name], inside = Math.min(Math.max(value, min), max);
    if (name === "steps") return Math.round(inside);
    return log ? inside : Number((min + Math.round((inside - min) / by) * by).toFixed(2));
  };

  // Sliders of a logarithm go through numbers of two digits.
  const ofSlider = (name, place) => possible(name, FIELDS[name].log ? Number((10 ** place).toPrecision(2)) : place);

  // The nearest possible value, and a sentence where that is another one.
  const clamp = (name, given, said) => {
    const field = FIELDS[name];
    if (field.options) {
      if (Object.hasOwn(field.options, given)) return given;
      said.push(`There is no method “${String(given).slice(0, 20)}”: ${field.options[field.start]} runs.`);
      return field.start;
    }
    const value = String(given).trim() === "" ? NaN : Number(given);
    if (Number.isNaN(value)) {
      said.push(`${field.label} = “${String(given).slice(0, 20)}” is no number: ${short(field.start)} is taken.`);
      return field.start;
    }
    const near = possible(name, value);
    const outside = value < field.min || value > field.max;
    if (outside) said.push(`${field.label} = ${short(value)} is outside ${short(field.min)} to ${short(field.max)}: ${short(near)} is taken.`);
    else if (Math.abs(near - value) > 1e-9) said.push(`${field.label} = ${short(value)} is between two possible values: ${short(near)} is taken.`);
    return near;
  };

  // What a link says, as a possible state.
  const read = (hash) => {
    const state = defaults(), said = [];
    let to = "";
    for (const [name, given] of new URLSearchParams(hash.replace(/^#/, ""))) {
      if (Object.hasOwn(FIELDS, name)) state[name] = clamp(name, given, said);
      else if (name === "vary") state.vary = given;
      else if (name === "to") to = given;
      else said.push(`The link's “${name.slice(0, 20)}” is unknown and left out.`);
    }
    if (state.vary && !SHARED.includes(state.vary)) {
      said.push(`Runs cannot differ in “${state.vary.slice(0, 20)}”: one run is shown.`);
      state.vary = "";
    }
    const values = state.vary ? to.split(",") : [];
    if (values.length > MORE) said.push(`The link has ${values.length + 1} runs: the first ${MORE + 1} are shown.`);
    state.to = values.slice(0, MORE).map((value) => clamp(state.vary, value, said));
    return { state, said };
  };

  const write = (state) => {
    const parts = NAMES.map((name) => [name, String(state[name])]);
    if (state.vary) parts.push(["vary", state.vary], ["to", state.to.join(",")]);
    return `#${new URLSearchParams(parts)}`;
  };

  // What the worker is asked for; of rank 1 there is one eigenvalue, and κ is 1.
  const settings = (state) => ({
    d: state.d, rank: state.r, ratio: state.m, alpha: state.a, eta: state.eta * (LENGTHS[state.method] ?? 1), layers: state.n, kappa: state.r === 1 ? 1 : state.k,
    noise: state.noise, seed: state.seed, method: state.method, steps: state.steps,
  });
  const states = (state) => [state, ...state.to.map((value) => ({ ...state, [state.vary]: value }))];

  // The step that one sample a step bears, found by trying d, r and m, and steps that take it as long a time η·t as elsewhere.
  const suit = (state, said) => {
    const eta = Number((1.2 / (state.d * state.r)).toPrecision(2)), steps = Number((60 / eta).toPrecision(2));
    if (state.eta <= eta || !states(state).some(({ method }) => method === "sgd")) return;
    const before = short(state.eta);
    Object.assign(state, { eta: possible("eta", eta), steps: Math.max(state.steps, possible("steps", steps)) });
    said.push(`One sample a step needs a smaller step than η = ${before}: η = ${short(state.eta)} and ${state.steps} steps are set.`);
  };
  // Fewer measurements where all would not fit into memory.
  const bound = (state, said) => {
    const most = ({ d, r }) => Math.floor(10 * NUMBERS / (d * r * d * (d + 1) / 2)) / 10;
    const all = states(state), least = Math.min(...all.map(most)), largest = Math.max(...all.map(({ m }) => m));
    if (largest <= least) return;
    state.m = Math.min(state.m, least);
    if (state.vary === "m") state.to = state.to.map((value) => Math.min(value, least));
    said.push(`m/(dr) = ${largest} would be more than 8 million numbers in the measurement matrices of a run: ${least} is taken.`);
  };
  const worded = (name, value) => (FIELDS[name].options ? FIELDS[name].options[value] : short(value));

  return { FIELDS, NAMES, SHARED, OF_DATA, MORE, LENGTHS, defaults, read, write, settings, states, suit, bound, clamp, ofSlider, worded, short, raised };
})();
