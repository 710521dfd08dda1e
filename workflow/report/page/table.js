"use strict";
// The table of claims: folded to its chapters until something is asked for; searched, filtered by verdict, standing,
// chapter and paper, sorted. The address keeps what is asked for, so that it can be sent.
(() => {
  const byId = (id) => document.getElementById(id);
  const body = byId("table").tBodies[0], form = document.querySelector(".filters");
  const groups = [...body.querySelectorAll(".group")];
  const rows = [...body.rows].filter((row) => !groups.includes(row));
  const filters = ["verdict", "standing", "chapter", "paper"], asked = [...filters, "words"];
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  for (const row of rows) row.words = plain(row.cells[0].textContent);
  // Chapters whose rows are folded away: all of them until something is asked for.
  const names = groups.map((group) => group.dataset.chapter), folded = new Set();
  let grouped = true;
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
    for (const row of rows) {
      row.classList.toggle("folded", grouped && folded.has(row.dataset.chapter));
      row.hidden = !(wanted.every(([name, value]) => row.dataset[name] === value) && words.every((word) => row.words.includes(word)));
    }
    const shown = rows.filter((row) => !row.hidden);
    for (const group of groups) {
      group.hidden = !grouped || !shown.some((row) => row.dataset.chapter === group.dataset.chapter);
      group.querySelector(".fold").setAttribute("aria-expanded", String(!folded.has(group.dataset.chapter)));
    }
    const open = folded.size === 0;
    byId("unfold").textContent = open ? "Fold chapters" : "Unfold chapters";
    byId("unfold").hidden = !grouped;
    byId("shown").textContent = `${shown.length} of ${rows.length} ${open || !grouped ? "shown" : "claims, folded by chapter"}`;
    byId("none").hidden = shown.length > 0;
  };
  const fold = (all) => { for (const name of names) all ? folded.add(name) : folded.delete(name); };
  const ask = () => { fold(!asked.some((name) => byId(`by-${name}`).value.trim())); filter(); remember(); };
  const clear = () => { for (const name of asked) byId(`by-${name}`).value = ""; };
  form.hidden = false;
  recall();
  fold(!asked.some((name) => byId(`by-${name}`).value));
  filter();
  for (const group of groups) {
    group.querySelector(".fold").addEventListener("click", () => {
      const name = group.dataset.chapter;
      if (!folded.delete(name)) folded.add(name);
      filter();
    });
  }
  byId("unfold").addEventListener("click", () => { fold(folded.size === 0); filter(); });
  for (const name of asked) byId(`by-${name}`).addEventListener("input", ask);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { clear(); ask(); }));
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
})();
