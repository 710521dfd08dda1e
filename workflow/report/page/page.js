"use strict";
(() => {
  // A claim may have the name of a part of the page: its card is not that part.
  const byId = (id) => document.querySelector(`#${CSS.escape(id)}:not(article)`);
  const data = JSON.parse(byId("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (i) => css(`--c${i % 10}`);

  // The claims, a row of the table and a folded card each: searched, filtered by verdict, standing, chapter and source. The address
  // keeps what is asked for, so that it can be sent; a card that the address names is open.
  const body = byId("table").tBodies[0], form = document.querySelector(".filters");
  const groups = [...body.querySelectorAll(".group")];
  const rows = [...body.rows].filter((row) => !groups.includes(row));
  const cards = new Map([...document.querySelectorAll("article.claim")].map((card) => [card.id, card]));
  const filters = ["verdict", "standing", "chapter", "source"], asked = [...filters, "words"];
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  for (const row of rows) row.words = plain(`${row.cells[0].textContent} ${row.dataset.source}`);
  let grouped = true;
  const fold = (card, open) => { card.querySelector("details").open = open; };
  const remember = () => {
    const query = new URLSearchParams();
    for (const name of asked) if (byId(`by-${name}`).value.trim()) query.set(name, byId(`by-${name}`).value.trim());
    const address = `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`;
    // A browser may forbid it to a file; the filter works all the same.
    try { history.replaceState(null, "", address); } catch { /* the address stays */ }
  };
  const recall = () => {
    const query = new URLSearchParams(location.search);
    for (const name of asked) {
      const field = byId(`by-${name}`), value = query.get(name) ?? "";
      // A select has no value that is not among its options: what an old link asks for is then not asked.
      field.value = value;
      if (field.value !== value) field.value = "";
    }
  };
  const filter = () => {
    const wanted = filters.map((name) => [name, byId(`by-${name}`).value]).filter(([, value]) => value);
    const words = plain(byId("by-words").value).split(/\s+/).filter(Boolean);
    const counts = {};
    let count = 0;
    for (const row of rows) {
      row.hidden = !(wanted.every(([name, value]) => row.dataset[name] === value) && words.every((word) => row.words.includes(word)));
      const card = cards.get(row.dataset.claim);
      if (card) card.hidden = row.hidden;
      const [shown, every] = counts[row.dataset.chapter] ?? [0, 0];
      counts[row.dataset.chapter] = [shown + !row.hidden, every + 1];
      count += !row.hidden;
    }
    for (const group of groups) group.hidden = !grouped || !counts[group.dataset.chapter]?.[0];
    for (const line of document.querySelectorAll(".filtered")) {
      const [shown, every] = counts[line.dataset.chapter] ?? [0, 0];
      line.hidden = shown === every;
      line.querySelector("span").textContent = `${shown} of ${every} claims of this chapter are shown.`;
    }
    byId("shown").textContent = `${count} of ${rows.length} shown`;
    byId("none").hidden = count > 0;
  };
  const ask = () => { filter(); remember(); };
  const clear = () => { for (const name of asked) byId(`by-${name}`).value = ""; };
  const everything = () => { clear(); ask(); };
  // An address that was cut off within a letter's code names nothing.
  const fragment = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };
  const named = () => {
    const card = cards.get(fragment());
    if (!card) return;
    if (card.hidden) everything();
    fold(card, true);
    card.scrollIntoView();
  };
  for (const card of cards.values()) fold(card, false);
  form.hidden = false;
  recall();
  filter();
  named();
  for (const name of asked) byId(`by-${name}`).addEventListener("input", ask);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(everything));
  for (const button of document.querySelectorAll(".everything")) {
    button.addEventListener("click", () => {
      const chapter = button.closest("section").querySelector("h2");
      everything();
      // The button is gone: the next place from which a keyboard goes on.
      chapter.tabIndex = -1;
      chapter.focus();
    });
  }
  byId("unfold").addEventListener("click", (event) => {
    const open = event.currentTarget.getAttribute("aria-pressed") !== "true";
    event.currentTarget.setAttribute("aria-pressed", String(open));
    for (const card of cards.values()) fold(card, open);
  });
  for (const link of document.querySelectorAll(".tile a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      clear();
      byId("by-verdict").value = link.closest(".tile").dataset.verdict;
      byId("by-standing").value = "paper";
      ask();
      location.hash = "claims";
    });
  }
  addEventListener("hashchange", named);
  const key = (row, name) => {
    const text = name === "verdict" ? row.dataset.sortedVerdict : row.dataset[name];
    if (name === "control") return text;
    return text === "" ? Infinity : Number(text);
  };
  for (const button of document.querySelectorAll(".sort")) {
    button.addEventListener("click", () => {
      const header = button.closest("th"), name = button.dataset.key;
      const down = header.getAttribute("aria-sort") === "ascending";
      for (const other of document.querySelectorAll("#table th[aria-sort]")) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      rows.sort((a, b) => {
        const x = key(a, name), y = key(b, name);
        // Claims without a number come last either way; ties keep the registry's order.
        if (x === Infinity || y === Infinity) return (x === Infinity) - (y === Infinity) || a.dataset.order - b.dataset.order;
        const order = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
        return sign * order || a.dataset.order - b.dataset.order;
      });
      grouped = name === "order" && !down;
      body.append(...rows);
      if (grouped) for (const group of groups) group.hidden = false, rows.find((row) => row.dataset.chapter === group.dataset.chapter)?.before(group);
      filter();
    });
  }

  // Figures and Plotly are in the page compressed: a fifth and a third of their size.
  const unpacked = (packed) => {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  for (const image of document.querySelectorAll("image[data-packed]")) {
    unpacked(image.dataset.packed).then((text) => image.setAttribute("href", `data:image/svg+xml,${encodeURIComponent(text)}`));
  }

  // Plotly is unpacked when the first plot comes near the window.
  let library;
  const unpack = async () => {
    const script = document.createElement("script");
    script.textContent = await unpacked(byId("library").textContent);
    document.head.append(script);
    return window.Plotly;
  };
  const plotly = () => (library ??= unpack());
  const settings = { displayModeBar: false, responsive: true };
  const layout = (more) => {
    const axis = { color: css("--ink"), gridcolor: css("--line"), zeroline: false, automargin: true, exponentformat: "none", separatethousands: true };
    const { xaxis, yaxis, ...rest } = more;
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: css("--ink"), size: 12, family: getComputedStyle(document.body).fontFamily },
      separators: ".\u2009", margin: { l: 55, r: 12, t: 12, b: 45 }, dragmode: false, hovermode: "closest", legend: { orientation: "h", y: -0.22, yanchor: "top" },
      hoverlabel: { bgcolor: css("--card"), font: { color: css("--ink") } },
      ...rest, xaxis: { ...axis, ...xaxis, title: { standoff: 6, ...xaxis.title } }, yaxis: { ...axis, ...yaxis, title: { standoff: 10, ...yaxis.title } },
    };
  };
  // A tick every decade, every second or third where there are many, also at 2 and 5 where there are few.
  const log = (values) => {
    const positive = values.filter((value) => value > 0);
    const decades = Math.log10(Math.max(...positive) / Math.min(...positive));
    return { type: "log", dtick: decades > 12 ? 3 : decades > 6 ? 2 : decades > 1.5 ? 1 : "D2", exponentformat: "power" };
  };

  const curves = (plot) => plot.curves.flatMap((curve) => {
    const line = { color: colour(curve.colour), width: 2, dash: curve.dash ? "dash" : "solid" };
    const base = { x: curve.x, name: curve.name, legendgroup: curve.name };
    const hovertemplate = `%{x}: %{y:.4g}<extra>${curve.name}</extra>`;
    if (curve.points) return [{ ...base, y: curve.y, mode: "markers", marker: { color: colour(curve.colour), size: 7, line: { color: css("--ink"), width: 1 } }, hovertemplate }];
    const edge = { ...base, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
    return [
      { ...edge, y: curve.low },
      { ...edge, y: curve.high, fill: "tonexty", fillcolor: colour(curve.colour) + "33" },
      { ...base, y: curve.y, mode: curve.x.length > 40 ? "lines" : "lines+markers", line, marker: { size: 4 }, hovertemplate },
    ];
  });
  const draw = async (plot) => {
    const Plotly = await plotly();
    await Plotly.react(plot.id, curves(plot), layout({
      xaxis: { title: { text: plot.x }, ...(plot.log.includes("x") ? log(plot.curves.flatMap((c) => c.x)) : {}) },
      yaxis: { title: { text: plot.y }, ...(plot.log.includes("y") ? log(plot.curves.flatMap((c) => c.y)) : {}) },
    }), settings);
  };

  // Eigenvalues: at one iteration for every α, and along the run from one α.
  const last = (times, now) => { let i = -1; while (i + 1 < times.length && times[i + 1] <= now) i += 1; return i; };
  const spectrum = {
    panel: () => data.spectra[byId("spectrum-problem").value],
    times: () => [...new Set(spectrum.panel().runs.flatMap((run) => run.iteration))].sort((a, b) => a - b),
    reset() {
      const slider = byId("spectrum-iteration"), choice = byId("spectrum-alpha");
      slider.max = spectrum.times().length - 1;
      slider.value = Math.round(slider.max * 0.6);
      choice.replaceChildren(...spectrum.panel().runs.map((run, i) => new Option(String(run.alpha), i)));
      choice.selectedIndex = spectrum.panel().runs.length - 1;
    },
    async draw() {
      const Plotly = await plotly(), panel = spectrum.panel(), now = spectrum.times()[byId("spectrum-iteration").value];
      const text = now.toLocaleString("en").replaceAll(",", "\u2009");
      byId("spectrum-at").textContent = text;
      byId("spectrum-iteration").setAttribute("aria-valuetext", `iteration ${now}`);
      const index = (values) => values.map((_, i) => i + 1);
      const traces = panel.runs.map((run, i) => {
        const at = last(run.iteration, now), y = at < 0 ? [] : run.eigenvalues[at];
        return { x: index(y), y, name: `α = ${run.alpha}`, mode: "lines+markers", line: { color: colour(i), width: 1 }, marker: { size: 7 }, hovertemplate: `eigenvalue %{x}: %{y:.4g}<extra>α = ${run.alpha}, iteration ${at < 0 ? "–" : run.iteration[at]}</extra>` };
      });
      traces.unshift({ x: index(panel.planted), y: panel.planted, name: "planted", mode: "markers", marker: { symbol: "line-ew-open", size: 26, color: css("--ink"), line: { width: 2 } }, hovertemplate: "planted eigenvalue %{x}: %{y:.4g}<extra></extra>" });
      const all = panel.runs.flatMap((run) => run.eigenvalues.flat()).filter((value) => value > 0);
      const range = [Math.log10(Math.min(...all)) - 0.3, Math.log10(Math.max(...all)) + 0.3];
      const size = Math.max(...panel.runs.map((run) => run.eigenvalues[0].length));
      await Plotly.react("spectrum-now", traces, layout({ xaxis: { title: { text: "number of the eigenvalue" }, dtick: 1, range: [0.5, size + 0.5] }, yaxis: { title: { text: "eigenvalue" }, ...log(all), range } }), settings);
      const run = panel.runs[byId("spectrum-alpha").value], rank = panel.planted.length;
      const along = Array.from({ length: run.eigenvalues[0].length }, (_, i) => ({
        x: run.iteration, y: run.eigenvalues.map((values) => values[i]), mode: "lines", name: i < rank ? "signal: as many as X* has" : "error: the others", legendgroup: i < rank ? "s" : "e", showlegend: i === 0 || i === rank,
        line: { color: i < rank ? colour(0) : css("--soft"), width: i < rank ? 2.5 : 1, dash: i < rank ? "solid" : "dot" }, hovertemplate: `eigenvalue ${i + 1}, iteration %{x}: %{y:.4g}<extra></extra>`,
      }));
      const line = { type: "line", x0: now, x1: now, yref: "paper", y0: 0, y1: 1, line: { color: css("--c1"), width: 1.5 } };
      await Plotly.react("spectrum-run", along, layout({ shapes: [line], xaxis: { title: { text: "iteration at the paper's step" }, ...log(run.iteration) }, yaxis: { title: { text: "eigenvalue" }, ...log(run.eigenvalues.flat()) } }), settings);
    },
  };
  const drawings = new Map(data.plots.map((plot) => [plot.id, () => draw(plot)]));
  if (data.spectra.length) {
    spectrum.reset();
    for (const id of ["spectrum-now", "spectrum-run"]) drawings.set(id, spectrum.draw);
    for (const id of ["spectrum-iteration", "spectrum-alpha"]) byId(id).addEventListener("input", spectrum.draw);
    byId("spectrum-problem").addEventListener("input", () => { spectrum.reset(); spectrum.draw(); });
    const play = byId("spectrum-play"), slider = byId("spectrum-iteration");
    let timer;
    const stop = () => { clearInterval(timer); timer = undefined; play.textContent = "Play"; play.setAttribute("aria-pressed", "false"); };
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (Number(slider.value) >= Number(slider.max)) slider.value = 0;
      play.textContent = "Pause"; play.setAttribute("aria-pressed", "true");
      timer = setInterval(() => { if (Number(slider.value) >= Number(slider.max)) { stop(); return; } slider.value = Number(slider.value) + 1; spectrum.draw(); }, 150);
    });
  }
  const drawn = new Set();
  const begin = (id) => { drawn.add(id); drawings.get(id)().catch(() => { byId("no-library").hidden = false; }); };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); begin(entry.target.id); }
  }, { rootMargin: "600px" });
  for (const id of drawings.keys()) watcher.observe(byId(id));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(begin));
})();
