"use strict";
// Draws, products and methods, without a page: a worker runs them, and tests compare them with the package.
// Matrices are Float64Arrays, row after row. A measurement matrix is packed: its upper triangle, off-diagonal entries times √2,
// so that a product of two packed matrices is their inner product. η multiplies M = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i itself.
const Numerics = (() => {
  const DIVERGED = 1e6;
  const MOMENTUM = 0.75;
  // Of thresholding that looks for the rank: its momentum, and the share of the residual from which a step stalls.
  const SEARCH = { momentum: 0.5, stall: 0.99 };
  // Steps of a length of their own, whatever the gradient's, fall from η to this share of it, or they would never come to rest.
  const FALL = 1e-4;
  // Adam's defaults, and Muon's: momentum, and the polynomial whose rounds take singular values to about 1.
  const ADAM = { momentum: 0.9, squares: 0.999, epsilon: 1e-8 };
  const MUON = { momentum: 0.95, quintic: [3.4445, -4.7750, 2.0315], rounds: 5, epsilon: 1e-7 };

  // Random numbers: a stream for each name, so that more measurements begin with the fewer and methods see the same order.
  const hashed = (text) => {
    const state = Uint32Array.from([1779033703, 3144134277, 1013904242, 2773480762]);
    const factors = [597399067, 2869860233, 951274213, 2716044179];
    for (const letter of text) {
      for (let i = 0; i < 4; i++) state[i] = Math.imul(state[i] ^ state[(i + 1) % 4] ^ letter.codePointAt(0), factors[i]);
    }
    return state;
  };

  // Doty-Humphrey's sfc32; the first numbers are thrown away, as seeds that are alike begin alike.
  const bits = (name) => {
    let [a, b, c, d] = hashed(name);
    const next = () => {
      const sum = (((a + b) | 0) + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = ((c << 21) | (c >>> 11)) + sum | 0;
      return sum >>> 0;
    };
    for (let i = 0; i < 20; i++) next();
    return next;
  };

  const uniform = (name) => {
    const next = bits(name);
    // 53 bits, never 0.
    return () => ((next() >>> 5) * 67108864 + (next() >>> 6) + 0.5) / 9007199254740992;
  };

  // Box and Muller's pairs.
  const gaussian = (name) => {
    const draw = uniform(name);
    let kept = null;
    return () => {
      if (kept !== null) {
        const second = kept;
        kept = null;
        return second;
      }
      const radius = Math.sqrt(-2 * Math.log(draw())), angle = 2 * Math.PI * draw();
      kept = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
  };

  const filled = (count, draw) => {
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) values[i] = draw();
    return values;
  };

  // out = a·b, a of n × k and b of k × p.
  const multiply = (a, b, n, k, p, out = new Float64Array(n * p)) => {
    out.fill(0);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < k; j++) {
        const factor = a[i * k + j];
        for (let l = 0, from = j * p, to = i * p; l < p; l++) out[to + l] += factor * b[from + l];
      }
    }
    return out;
  };

  const transposed = (a, n, k) => {
    const out = new Float64Array(n * k);
    for (let i = 0; i < n; i++) for (let j = 0; j < k; j++) out[j * n + i] = a[i * k + j];
    return out;
  };

  const dot = (a, from, b, start, count) => {
    // Four sums: an addition need not wait for the one before.
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, k = 0;
    for (; k + 3 < count; k += 4) {
      s0 += a[from + k] * b[start + k];
      s1 += a[from + k + 1] * b[start + k + 1];
      s2 += a[from + k + 2] * b[start + k + 2];
      s3 += a[from + k + 3] * b[start + k + 3];
    }
    for (; k < count; k++) s0 += a[from + k] * b[start + k];
    return s0 + s1 + (s2 + s3);
  };

  // out = u·uᵀ of the rows of u, n × k.
  const outer = (u, n, k, out = new Float64Array(n * n)) => {
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) out[i * n + j] = out[j * n + i] = dot(u, i * k, u, j * k, k);
    return out;
  };

  const scaledIdentity = (n, columns, scale) => {
    const out = new Float64Array(n * columns);
    for (let i = 0; i < Math.min(n, columns); i++) out[i * columns + i] = scale;
    return out;
  };

  const norm = (values) => Math.sqrt(dot(values, 0, values, 0, values.length));

  const pack = (matrix, d, out) => {
    for (let i = 0, k = 0; i < d; i++) {
      out[k++] = matrix[i * d + i];
      for (let j = i + 1; j < d; j++) out[k++] = matrix[i * d + j] * Math.SQRT2;
    }
    return out;
  };

  const unpack = (packed, d, scale, out) => {
    for (let i = 0, k = 0; i < d; i++) {
      out[i * d + i] = packed[k++] * scale;
      for (let j = i + 1; j < d; j++) out[i * d + j] = out[j * d + i] = packed[k++] * scale / Math.SQRT2;
    }
    return out;
  };

  // The cosine and sine that make the off-diagonal entry of [[p, q], [q, r]] vanish.
  const rotation = (p, q, r) => {
    const slope = (r - p) / (2 * q);
    const tangent = (slope >= 0 ? 1 : -1) / (Math.abs(slope) + Math.sqrt(1 + slope * slope));
    const cosine = 1 / Math.sqrt(1 + tangent * tangent);
    return [cosine, tangent * cosine];
  };

  const rotate = (a, first, second, stride, count, cosine, sine) => {
    for (let k = 0; k < count; k++) {
      const x = a[first + k * stride], y = a[second + k * stride];
      a[first + k * stride] = cosine * x - sine * y;
      a[second + k * stride] = sine * x + cosine * y;
    }
  };

  // Eigenvalues of a symmetric matrix, and its eigenvectors as rows, by Jacobi's rotations.
  const eigen = (matrix, d) => {
    const a = Float64Array.from(matrix), vectors = scaledIdentity(d, d, 1);
    const small = 1e-17 * norm(a);
    for (let sweep = 0, turned = true; turned && sweep < 30; sweep++) {
      turned = false;
      for (let p = 0; p < d - 1; p++) {
        for (let q = p + 1; q < d; q++) {
          if (!(Math.abs(a[p * d + q]) > small)) continue;
          const [cosine, sine] = rotation(a[p * d + p], a[p * d + q], a[q * d + q]);
          rotate(a, p, q, d, d, cosine, sine);
          rotate(a, p * d, q * d, 1, d, cosine, sine);
          rotate(vectors, p * d, q * d, 1, d, cosine, sine);
          turned = true;
        }
      }
    }
    return { values: Float64Array.from({ length: d }, (_, i) => a[i * d + i]), vectors };
  };

  // Turn `count` rows of length d until they are orthogonal, and the rows of `turns`, if given, alike.
  const orthogonalise = (rows, count, d, turns = null) => {
    for (let sweep = 0, turned = true; turned && sweep < 30; sweep++) {
      turned = false;
      for (let p = 0; p < count - 1; p++) {
        for (let q = p + 1; q < count; q++) {
          const pp = dot(rows, p * d, rows, p * d, d), qq = dot(rows, q * d, rows, q * d, d), pq = dot(rows, p * d, rows, q * d, d);
          if (!(pq * pq > 1e-26 * pp * qq)) continue;
          const [cosine, sine] = rotation(pp, pq, qq);
          rotate(rows, p * d, q * d, 1, d, cosine, sine);
          if (turns) rotate(turns, p * d, q * d, 1, d, cosine, sine);
          turned = true;
        }
      }
    }
  };

  // Eigenvalues of u·uᵀ: squared lengths of u's columns, turned until they are orthogonal. Those of 10⁻¹⁶ keep their digits,
  // which they lose in the product.
  const factorValues = (u, d, columns) => {
    const rows = transposed(u, d, columns);
    orthogonalise(rows, columns, d);
    const values = new Float64Array(d);
    for (let p = 0; p < columns; p++) values[p] = dot(rows, p * d, rows, p * d, d);
    return values;
  };

  const falling = (values) => Float64Array.from(values).sort().reverse();

  // A target with r eigenvalues from 1 down to 1/κ in equal ratios, and eigenvectors without a preferred direction.
  const target = ({ d, rank, kappa, seed }) => {
    const draw = gaussian(`target ${seed}`), factor = new Float64Array(d * rank);
    for (let column = 0; column < rank; column++) {
      const own = filled(d, draw);
      // Twice: what rounding leaves of the columns before is then no larger than rounding.
      for (let pass = 0; pass < 2; pass++) {
        for (let other = 0; other < column; other++) {
          let along = 0;
          for (let i = 0; i < d; i++) along += own[i] * factor[i * rank + other];
          for (let i = 0; i < d; i++) own[i] -= along * factor[i * rank + other];
        }
      }
      const length = norm(own);
      for (let i = 0; i < d; i++) factor[i * rank + column] = own[i] / length;
    }
    const planted = Float64Array.from({ length: rank }, (_, k) => kappa ** (-k / Math.max(rank - 1, 1)));
    for (let i = 0; i < d; i++) for (let k = 0; k < rank; k++) factor[i * rank + k] *= Math.sqrt(planted[k]);
    return { matrix: outer(factor, d, rank), planted };
  };

  // What a method knows: rows and labels. What it is judged by: the target or, where there is none, measurements held out.
  const asProblem = (d, rows, labels, matrix, planted, held = null) => ({
    d, m: labels.length, rows, labels, target: matrix, planted, held,
    labelSize: norm(labels), targetSize: matrix ? norm(matrix) : 1,
    packed: new Float64Array(d * (d + 1) / 2), sum: new Float64Array(d * (d + 1) / 2),
  });

  // A problem that is not drawn. Without a target a tenth of its measurements is held out, by the seed.
  const given = ({ d, rows, labels, target, planted }, { seed }) => {
    const own = [rows, labels, planted].map((values) => Float64Array.from(values));
    if (target) return asProblem(d, own[0], own[1], Float64Array.from(target), own[2]);
    const size = d * (d + 1) / 2, draw = uniform(`held ${seed}`), keys = own[1].map(draw);
    const order = Array.from(keys, (_, i) => i).sort((i, j) => keys[i] - keys[j]), count = Math.round(order.length / 10);
    const part = (chosen) => {
      const taken = new Float64Array(chosen.length * size);
      chosen.forEach((i, k) => taken.set(own[0].subarray(i * size, (i + 1) * size), k * size));
      return [taken, Float64Array.from(chosen, (i) => own[1][i])];
    };
    return asProblem(d, ...part(order.slice(count)), null, own[2], asProblem(d, ...part(order.slice(0, count)), null, own[2]));
  };

  const draw = (settings) => {
    const { d, rank, ratio, noise, seed } = settings, size = d * (d + 1) / 2;
    const m = Math.max(Math.round(ratio * d * rank), 1);
    const { matrix, planted } = target(settings);
    const rows = filled(m * size, gaussian(`ensemble ${d} ${seed}`));
    const packed = pack(matrix, d, new Float64Array(size)), spoil = gaussian(`noise ${seed}`);
    const labels = new Float64Array(m);
    for (let i = 0; i < m; i++) labels[i] = dot(rows, i * size, packed, 0, size);
    const scale = noise * norm(labels) / Math.sqrt(m);
    if (noise > 0) for (let i = 0; i < m; i++) labels[i] += scale * spoil();
    return asProblem(d, rows, labels, matrix, planted);
  };

  // Σ (⟨A_i, X⟩ − y_i)², and M in out where it is wanted: each row is read once for both.
  const pull = (problem, matrix, out = null) => {
    const { d, m, rows, labels, packed, sum } = problem, size = packed.length;
    pack(matrix, d, packed);
    sum.fill(0);
    let squares = 0;
    for (let i = 0, from = 0; i < m; i++, from += size) {
      const residual = dot(rows, from, packed, 0, size) - labels[i];
      squares += residual * residual;
      if (out) for (let k = 0; k < size; k++) sum[k] += residual * rows[from + k];
    }
    if (out) unpack(sum, d, 1 / m, out);
    return squares;
  };

  const moved = (u, step, change) => {
    for (let i = 0; i < u.length; i++) u[i] -= step * change[i];
    return u;
  };

  // A method starts, steps and tells X. Where `slope` is true its step takes M at X, which the errors need as well.
  const factored = (columns) => ({
    slope: true,
    start: ({ d }, { alpha, rank }) => ({ columns: columns(d, rank), u: scaledIdentity(d, columns(d, rank), alpha) }),
    step: ({ d }, state, { eta }, slope) => { moved(state.u, eta, multiply(slope, state.u, d, d, state.columns)); },
    estimate: ({ d }, state) => outer(state.u, d, state.columns),
    values: ({ d }, state) => factorValues(state.u, d, state.columns),
  });
  const descent = factored((d) => d);

  const momentum = {
    ...descent,
    slope: false,
    start: (problem, options) => {
      const state = descent.start(problem, options);
      return { ...state, ahead: state.u.slice(), slope: new Float64Array(problem.d ** 2) };
    },
    step: (problem, state, { eta }) => {
      const { d } = problem, before = state.u;
      pull(problem, outer(state.ahead, d, d), state.slope);
      state.u = moved(state.ahead, eta, multiply(state.slope, state.ahead, d, d, d));
      state.ahead = state.u.map((value, i) => value + MOMENTUM * (value - before[i]));
    },
  };

  const symmetric = (x, d) => {
    for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) x[i * d + j] = x[j * d + i] = (x[i * d + j] + x[j * d + i]) / 2;
    return x;
  };

  // A step from an average of gradients, which `direction` gives a length and a shape.
  const optimised = (direction, { momentum = 0, nesterov = false } = {}) => ({
    ...descent,
    start: (problem, options) => {
      const state = descent.start(problem, options);
      return { ...state, average: state.u.map(() => 0), squares: state.u.map(() => 0), number: 0 };
    },
    step: ({ d }, state, { eta, steps }, slope) => {
      const gradient = multiply(slope, state.u, d, d, d), mixed = (value, i) => momentum * value + (1 - momentum) * gradient[i];
      const length = eta * FALL ** (state.number / steps);
      state.number++;
      state.average = state.average.map(mixed);
      moved(state.u, length, direction(nesterov ? state.average.map(mixed) : state.average, d, state, gradient));
    },
  });
  const scaled = (values) => {
    const size = norm(values) || 1;
    return values.map((value) => value / size);
  };
  const adam = (average, d, state, gradient) => {
    const { momentum, squares, epsilon } = ADAM, { number } = state;
    state.squares = state.squares.map((value, i) => squares * value + (1 - squares) * gradient[i] ** 2);
    // Averages that began at 0 are too small by these factors.
    const first = 1 - momentum ** number, second = 1 - squares ** number;
    return average.map((value, i) => value / first / (Math.sqrt(state.squares[i] / second) + epsilon));
  };
  // WVᵀ of WSVᵀ: all singular values become 1, those that are rounding 0. Rotations V make the columns orthogonal.
  const polar = (matrix, d) => {
    const columns = transposed(matrix, d, d), turns = scaledIdentity(d, d, 1);
    orthogonalise(columns, d, d, turns);
    const sizes = Array.from({ length: d }, (_, p) => Math.sqrt(dot(columns, p * d, columns, p * d, d)));
    const least = d * Number.EPSILON * Math.max(...sizes);
    for (let p = 0; p < d; p++) for (let i = 0; i < d; i++) columns[p * d + i] = sizes[p] > least ? columns[p * d + i] / sizes[p] : 0;
    return multiply(transposed(columns, d, d), turns, d, d, d);
  };
  // Five rounds of ax + bx³ + cx⁵ of the singular values, as Muon approximates WVᵀ.
  const newtonSchulz = (matrix, d) => {
    const [first, third, fifth] = MUON.quintic, size = norm(matrix) + MUON.epsilon, by = (a, b) => multiply(a, b, d, d, d);
    let x = matrix.map((value) => value / size);
    for (let round = 0; round < MUON.rounds; round++) {
      const square = by(transposed(x, d, d), x), fourth = by(square, square);
      const bent = by(x, square.map((value, i) => third * value + fifth * fourth[i]));
      x = x.map((value, i) => first * value + bent[i]);
    }
    return x;
  };

  // Layers from α^(2/N)·I each, so that X starts at α²·I as everywhere.
  const depth = {
    slope: true,
    start: ({ d }, { alpha, layers }) => ({ layers: Array.from({ length: layers }, () => scaledIdentity(d, d, alpha ** (2 / layers))) }),
    step: ({ d }, { layers }, { eta }, slope) => {
      const by = (a, b) => multiply(a, b, d, d, d), turned = (a) => transposed(a, d, d);
      // W_k…W_1 below each layer, and (W_N…W_{k+1})ᵀM above it.
      const below = [];
      layers.slice(0, -1).forEach((layer, k) => below.push(k ? by(layer, below[k - 1]) : layer));
      let above = slope;
      const changes = layers.map(() => null);
      for (let k = layers.length - 1; k >= 0; k--) {
        changes[k] = k ? by(above, turned(below[k - 1])) : above;
        above = by(turned(layers[k]), above);
      }
      changes.forEach((change, k) => moved(layers[k], eta, change));
    },
    estimate: ({ d }, { layers }) => symmetric(layers.slice(1).reduce((under, layer) => multiply(layer, under, d, d, d), layers[0]).slice(), d),
    values: ({ d }, state) => eigen(depth.estimate({ d }, state), d).values,
  };

  // X − ηM without its negative eigenvalues, the nearest matrix that has none; of the others the largest so many.
  const project = (x, d, kept = d) => {
    const { values, vectors } = eigen(x, d), rows = transposed(vectors, d, d), least = Math.max(falling(values)[kept - 1], 0);
    for (let i = 0; i < d; i++) for (let k = 0; k < d; k++) rows[i * d + k] *= values[k] < least ? 0 : Math.sqrt(Math.max(values[k], 0));
    return outer(rows, d, d);
  };

  const onMatrix = (after) => ({
    slope: true,
    start: ({ d }) => ({ x: new Float64Array(d * d) }),
    step: ({ d }, state, { eta }, slope) => { state.x = after(moved(state.x, eta, slope), d); },
    estimate: (problem, state) => state.x.slice(),
    values: ({ d }, state) => eigen(state.x, d).values,
  });

  // Thresholding that looks for the rank: it keeps one eigenvalue, and one more whenever the residual stalls.
  const search = {
    slope: false,
    start: ({ d }) => ({ u: new Float64Array(d * d), ahead: new Float64Array(d * d), slope: new Float64Array(d * d), kept: 1, residual: Infinity }),
    step: (problem, state, { eta }) => {
      const { d } = problem, before = state.u, residual = Math.sqrt(pull(problem, state.ahead, state.slope));
      const stalled = residual > SEARCH.stall * state.residual;
      state.kept = Math.min(state.kept + stalled, d);
      // A step after a growth is not compared with the one before.
      state.residual = stalled ? Infinity : residual;
      state.u = project(moved(state.ahead, eta, state.slope), d, state.kept);
      state.ahead = state.u.map((value, i) => value + SEARCH.momentum * (value - before[i]));
    },
    estimate: (problem, state) => state.u.slice(),
    values: ({ d }, state) => eigen(state.u, d).values,
  };

  const single = {
    ...descent,
    slope: false,
    start: (problem, options) => ({
      ...descent.start(problem, options), next: uniform(`samples ${options.seed}`), slope: new Float64Array(problem.d ** 2),
    }),
    step: (problem, state, { eta }) => {
      const { d, m, rows, labels, packed } = problem, size = packed.length;
      const i = Math.floor(state.next() * m);
      unpack(rows.subarray(i * size, (i + 1) * size), d, 1, state.slope);
      const pulled = multiply(state.slope, state.u, d, d, state.columns);
      // ⟨A, UUᵀ⟩ = ⟨AU, U⟩: no d × d product more.
      const residual = dot(pulled, 0, state.u, 0, pulled.length) - labels[i];
      moved(state.u, eta * residual, pulled);
    },
  };

  const METHODS = {
    descent, momentum, normalised: optimised(scaled), sign: optimised((average) => average.map(Math.sign)),
    adam: optimised(adam, ADAM), polar: optimised(polar), muon: optimised(newtonSchulz, { ...MUON, nesterov: true }),
    depth, width: factored((d, rank) => Math.min(rank, d)), projected: onMatrix((x, d) => project(x, d)), search, matrix: onMatrix((x) => x), sgd: single,
  };

  // A run: step by step, with the errors of where it is. It ends where it diverges.
  const run = (problem, options) => {
    const method = METHODS[options.method], state = method.start(problem, options);
    const slope = new Float64Array(problem.d ** 2);
    let known = null;
    const self = { iteration: 0, diverged: false };
    const look = () => {
      if (known) return known;
      const x = method.estimate(problem, state);
      const squares = pull(problem, x, method.slope ? slope : null);
      const { target, held } = problem;
      const test = held ? Math.sqrt(pull(held, x)) / held.labelSize : norm(x.map((value, i) => value - target[i])) / problem.targetSize;
      known = { x, train: Math.sqrt(squares) / problem.labelSize, test };
      self.diverged = !(known.train < DIVERGED && known.test < DIVERGED);
      return known;
    };
    self.look = look;
    self.values = () => (self.diverged ? new Float64Array(problem.d) : falling(method.values(problem, state)));
    self.step = () => {
      if (method.slope) look();
      if (self.diverged) return;
      method.step(problem, state, options, slope);
      known = null;
      self.iteration++;
      // Where no step needs the errors, they are computed as soon as U is so large that X could have diverged: |X| ≤ |U|².
      if (!method.slope && !(dot(state.u, 0, state.u, 0, state.u.length) < (DIVERGED - 1) * problem.targetSize)) look();
    };
    return self;
  };

  return { uniform, gaussian, dot, norm, falling, eigen, factorValues, draw, given, run, METHODS: Object.keys(METHODS) };
})();
