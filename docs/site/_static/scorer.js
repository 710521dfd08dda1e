// For Sphinx's search: its own weights, but pages that are written to be read come before lists of claims and the API.
const LISTS = /^docs\/(claims|tables|replications|site\/api)|^CHANGELOG/;
var Scorer = {
  score: ([docname, , , , score]) => (LISTS.test(docname) ? score - 100 : score),
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
