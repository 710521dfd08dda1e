"use strict";
// The cards of claims: folded but for the one that the address names.
(() => {
  const cards = [...document.querySelectorAll("article.claim")], button = document.getElementById("unfold_all");
  const fold = (card, open) => { card.querySelector("details").open = open; };
  // An address that was cut off within a letter's code names nothing.
  const fragment = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };
  const named = () => {
    const card = cards.find((one) => one.id === fragment());
    if (!card) return;
    fold(card, true);
    card.scrollIntoView();
  };
  for (const card of cards) fold(card, false);
  named();
  addEventListener("hashchange", named);
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    for (const card of cards) fold(card, open);
  });
})();
