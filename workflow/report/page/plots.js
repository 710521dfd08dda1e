"use strict";
// The plots of a page: eigenvalues along runs, signal against error, ours beside the published curves.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = byId("plot_data") ? JSON.parse(byId("plot_data").textContent) : { spectra: [], plots: [] };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (i) => css(`--c${i % 10}`);

  // Plotly is in the page compressed, a third of its size, and unpacked when the first plot comes near the window.
  const unpacked = (packed) => {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  let library;
  const unpack = async () => {
    const script = document.createElement("script");
    script.textContent = await unpacked(byId("plot_library").textContent);
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
  const begin = (id) => { drawn.add(id); drawings.get(id)().catch(() => { byId("no_library").hidden = false; }); };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); begin(entry.target.id); }
  }, { rootMargin: "600px" });
  for (const id of drawings.keys()) watcher.observe(byId(id));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(begin));
})();
