"use strict";
// Reads a file of the reader's own measurements of a symmetric X, npz or CSV, as `algoreg recover` has them. Nothing is sent.
// What cannot be read is an Error whose message goes on from the file's name.
const Data = (() => {
  // What the page says is allowed, too; a tenth of ten measurements can be held out.
  const BYTES = 150e6, LARGEST = 128, NUMBERS = 2 ** 23, FEWEST = 10;
  const TYPES = {
    "<f8": Float64Array, "<f4": Float32Array, "<i8": BigInt64Array, "<i4": Int32Array, "<i2": Int16Array, "|i1": Int8Array,
    "<u8": BigUint64Array, "<u4": Uint32Array, "<u2": Uint16Array, "|u1": Uint8Array,
  };
  const refuse = (words) => { throw new Error(words); };
  const text = (bytes) => new TextDecoder().decode(bytes);

  // What a zip file's directory, at its end, says of its members, by name.
  const members = (bytes) => {
    const view = new DataView(bytes.buffer), found = new Map();
    let end = bytes.length - 22;
    while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
    if (end < 0) refuse("is no npz: it does not end as a zip file does");
    for (let i = 0, at = view.getUint32(end + 16, true); i < view.getUint16(end + 10, true); i++) {
      const [packed, size, start] = [20, 24, 42].map((place) => view.getUint32(at + place, true));
      const [method, name, extra, comment] = [10, 28, 30, 32].map((place) => view.getUint16(at + place, true));
      found.set(text(bytes.subarray(at + 46, at + 46 + name)).replace(/\.npy$/, ""), { method, packed, size, start });
      at += 46 + name + extra + comment;
    }
    return found;
  };

  const unpacked = async (bytes, name, { method, packed, size, start }) => {
    if (size > BYTES) refuse(`is too large: ${name} has ${Math.round(size / 1e6)} MB unpacked, and ${BYTES / 1e6} MB are allowed`);
    const view = new DataView(bytes.buffer), from = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
    const part = bytes.slice(from, from + packed);
    if (method === 0) return part;
    if (method !== 8) refuse(`has ${name} compressed in a way that is not read: np.savez and np.savez_compressed write what is`);
    const out = new Uint8Array(size), reader = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    for (let at = 0, next = await reader.read(); !next.done; at += next.value.length, next = await reader.read()) {
      if (at + next.value.length > size) refuse(`is broken: ${name} is longer than its directory says`);
      out.set(next.value, at);
    }
    return out;
  };

  // An array of NumPy's: its shape, its numbers, and how far apart two neighbours along each axis lie.
  const array = (bytes, name) => {
    if (text(bytes.subarray(1, 6)) !== "NUMPY") refuse(`has ${name}, which is no array of NumPy's`);
    const view = new DataView(bytes.buffer), from = bytes[6] > 1 ? 12 : 10;
    const start = from + (bytes[6] > 1 ? view.getUint32(8, true) : view.getUint16(8, true)), header = text(bytes.subarray(from, start));
    const type = /'descr': *'([^']*)'/.exec(header)?.[1] ?? "several fields";
    const shape = (/'shape': *\(([\d, ]*)\)/.exec(header)?.[1] ?? "").split(",").filter((one) => one.trim()).map(Number);
    if (type.includes("O")) refuse(`has Python objects in ${name} (pickles), which are not read: save numbers`);
    const kind = TYPES[type];
    if (!kind) refuse(`has ${name} of type ${type}: allowed are real numbers, such as ${Object.keys(TYPES).slice(0, 4).join(", ")}`);
    const content = bytes.slice(start), count = shape.reduce((product, one) => product * one, 1);
    if (content.length !== count * kind.BYTES_PER_ELEMENT) refuse(`is cut off: ${name} has fewer numbers than its shape says`);
    const values = Float64Array.from(new kind(content.buffer), Number), wrong = values.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) refuse(`has ${values[wrong]} in ${name}: allowed are finite numbers`);
    const apart = header.includes("'fortran_order': True") ? shape.map((_, i) => shape.slice(0, i)) : shape.map((_, i) => shape.slice(i + 1));
    return { shape, values, apart: apart.map((sizes) => sizes.reduce((product, one) => product * one, 1)) };
  };

  const npz = async (bytes) => {
    const found = members(bytes), first = ["A", "vectors"].find((name) => found.has(name));
    if (!first || !found.has("y")) refuse(`has ${[...found.keys()].slice(0, 8).join(", ") || "nothing"}: allowed are A or vectors, y and perhaps X`);
    const read = async (name) => array(await unpacked(bytes, name, found.get(name)), name);
    const a = await read(first), y = await read("y"), x = found.has("X") ? await read("X") : null, [m, d] = a.shape;
    const square = first === "A" ? a.shape.length === 3 && a.shape[2] === d : a.shape.length === 2;
    if (!square) refuse(`has ${first} of shape (${a.shape}): allowed is ${first === "A" ? "(m, d, d)" : "(m, d)"}`);
    if (y.shape.length !== 1 || y.shape[0] !== m) refuse(`has y of shape (${y.shape}): allowed is (${m}), as ${first} has ${m} measurements`);
    if (x && (x.shape.length !== 2 || x.shape.some((size) => size !== d))) refuse(`has X of shape (${x.shape}): allowed is (${d}, ${d}), as ${first} has`);
    const matrices = (k, i, j) => a.values[k * a.apart[0] + i * a.apart[1] + j * a.apart[2]], vectors = (k, i) => a.values[k * a.apart[0] + i * a.apart[1]];
    const entry = first === "A" ? (k, i, j) => (matrices(k, i, j) + matrices(k, j, i)) / 2 : (k, i, j) => vectors(k, i) * vectors(k, j);
    const target = x && Float64Array.from({ length: d * d }, (_, i) => (x.values[i] + x.values[(i % d) * d + Math.floor(i / d)]) / 2);
    return { d, m, entry, labels: y.values, target };
  };

  // Entries of X, each known once: of (i, j) and (j, i) one is enough.
  const csv = (content) => {
    const lines = content.replace(/^\ufeff/, "").split(/\r?\n/), mark = /[;\t]/.exec(lines[0])?.[0] ?? ",";
    const cells = (line) => line.split(mark).map((cell) => cell.trim().replaceAll('"', "")), names = cells(lines[0]).map((name) => name.toLowerCase());
    const places = ["row", "column", "value"].map((name) => names.indexOf(name));
    if (places.includes(-1)) refuse(`begins with “${lines[0].slice(0, 40)}”: allowed are the columns row, column and value`);
    const known = new Map();
    lines.forEach((line, number) => {
      if (!number || !line.trim()) return;
      const [i, j, value] = places.map((at) => (cells(line)[at] ? Number(cells(line)[at]) : NaN)), key = `${Math.min(i, j)} ${Math.max(i, j)}`;
      if (![i, j].every((one) => Number.isInteger(one) && one >= 0)) refuse(`has no row and column in line ${number + 1}: allowed are whole numbers from 0`);
      if (!Number.isFinite(value)) refuse(`has no finite value in line ${number + 1}: leave out what is not known`);
      if ((known.get(key)?.value ?? value) !== value) refuse(`has two values of entry (${i}, ${j}), which a symmetric matrix has once`);
      known.set(key, { i, j, value });
    });
    const entries = [...known.values()], d = entries.reduce((most, { i, j }) => Math.max(most, i + 1, j + 1), 0);
    const entry = (k, i, j) => (entries[k].i === i && entries[k].j === j) / 2 + (entries[k].i === j && entries[k].j === i) / 2;
    return { d, m: entries.length, entry, labels: Float64Array.from(entries, ({ value }) => value), target: null };
  };

  // The largest eigenvalue of (1/m) Σ aaᵀ of rows a, by powers.
  const curvature = (rows, m, size) => {
    let direction = Float64Array.from({ length: size }, Numerics.gaussian("curvature")), found = 0;
    for (let round = 0; round < 40; round++) {
      const length = Numerics.norm(direction), next = new Float64Array(size);
      for (let k = 0; k < m; k++) {
        const along = Numerics.dot(rows, k * size, direction, 0, size) / (length * m);
        for (let i = 0; i < size; i++) next[i] += along * rows[k * size + i];
      }
      [direction, found] = [next, Numerics.norm(next)];
    }
    return found;
  };

  // Measurements as a run takes them: rows scaled to the curvature of Gaussian ones, so that the same steps suit, and
  // labels to a mean square of 1. `unit` is what X is a multiple of.
  const problem = ({ d, m, entry, labels, target }) => {
    const size = d * (d + 1) / 2;
    if (!(d >= 2 && d <= LARGEST)) refuse(`has matrices of size d = ${d}: allowed is 2 to ${LARGEST}`);
    if (m < FEWEST) refuse(`has ${m} measurements: allowed are ${FEWEST} and more`);
    if (m * size > NUMBERS) refuse(`has ${m} measurements of ${size} numbers each: allowed are ${Math.floor(NUMBERS / size)} at d = ${d}`);
    const rows = new Float64Array(m * size);
    for (let k = 0, at = 0; k < m; k++) for (let i = 0; i < d; i++) for (let j = i; j < d; j++) rows[at++] = entry(k, i, j) * (i === j ? 1 : Math.SQRT2);
    const found = curvature(rows, m, size), unscaled = Numerics.norm(labels) / Math.sqrt(m);
    if (!(found > 0 && unscaled > 0)) refuse("has only zeros among its measurement matrices or observations");
    const scale = (1 + Math.sqrt(size / m)) / Math.sqrt(found), unit = scale * unscaled;
    const own = target?.map((value) => value / unit), values = own ? Numerics.falling(Numerics.eigen(own, d).values) : [];
    return {
      d, m, unit, rows: rows.map((value) => value * scale), labels: labels.map((value) => value / unscaled), target: own,
      planted: Float64Array.from(values.filter((value) => value > 1e-6 * values[0])),
    };
  };

  const read = async (file) => {
    const form = /\.(npz|csv)$/i.exec(file.name)?.[1].toLowerCase();
    if (!form) refuse("is neither .npz nor .csv");
    if (file.size > BYTES) refuse(`has ${Math.round(file.size / 1e6)} MB: at most ${BYTES / 1e6} MB are read`);
    return { name: file.name, ...problem(form === "npz" ? await npz(new Uint8Array(await file.arrayBuffer())) : csv(await file.text())) };
  };
  return { read };
})();
