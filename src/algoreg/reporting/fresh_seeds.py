"""The results of fresh seeds as sentences, table rows and a page: counts of verdicts and ranges of estimates."""

from algoreg.regression.replications import enough, too_narrow
from algoreg.reporting import report
from algoreg.reporting.ledger import wrapped
from algoreg.reporting.wording import format_beside_margin, typeset_numbers
from algoreg.settings.chapters import load_chapters

MEANING = (
    "A verdict that turns with the seed is not settled by so many draws. Such a claim needs more of them, or a wider statement; "
    "where it got one, its chapter's ledger says which."
)
ABOUT = """\
The committed run has one seed. Here a tier is judged again on others, with new targets, ensembles, noise and starts:

```bash
make replicate SEED="11 12 13" TIER=quick ARGS=--commit
```

What each claim came out as is kept in `reference/replications/<tier>.json`. Margins and sizes stay as they are.
A control that fails on a fresh seed makes its claim `invalid` there, and is counted like any verdict. Two estimates agree if they
differ by no more than their 95 % intervals allow together; for equal laws at least 95 of 100 do, and 98 or 99 where units are few.

Some ledgers say that a claim got more draws because its intervals on fresh seeds were wide. Those seeds are among the seeds kept
here, judged again with the new draws: of such a claim only the others are an independent check.

An interval that is right tells how far estimates of other seeds scatter. Whether they scatter more is tested claim by claim, with
the committed estimate among them, by Cochran's Q; at 5 % for all claims of a tier together. Where few units are behind an interval it
has a larger quantile, and the test finds less."""


def other_verdicts(outcome):
    """Return a text with the number of seeds for each other verdict on a claim; empty if there is none.

    ``outcome`` is the claim's entry in :func:`algoreg.regression.replications.outcomes`.
    """
    return ", ".join(f"{count} {verdict}" for verdict, count in outcome["others"].items())


def agreement(outcome):
    """Return a text with the number of seeds that gave the committed verdict, and the verdicts of the others."""
    seeds = "seed" if outcome["seeds"] == 1 else "seeds"
    turned = f", else {other_verdicts(outcome)}" if outcome["others"] else ""
    return f"{outcome['same']} of {outcome['seeds']} fresh {seeds} as committed ({outcome['committed']['verdict']}){turned}"


def estimates(outcome):
    """Return the smallest and the largest estimate of the fresh seeds; a dash if there are none."""
    if outcome["estimates"] is None:
        return "–"
    return typeset_numbers(
        " … ".join(dict.fromkeys(format_beside_margin(list(outcome["estimates"]), outcome["committed"]["margin"])))
    )


def agreeing_estimates(outcome):
    """Return how many estimates agree with the committed one; a dash if none could be compared."""
    return f"{outcome['near']} of {outcome['compared']}" if outcome["compared"] else "–"


def steady(outcomes):
    """Return a sentence, without full stop, on how many claims of a tier keep their verdict on nine tenths of seeds."""
    seeds = max(outcome["seeds"] for outcome in outcomes.values())
    kept = sum(outcome["same"] >= enough(outcome["seeds"]) for outcome in outcomes.values())
    fewest = min(outcome["seeds"] for outcome in outcomes.values())
    if fewest < seeds:
        # Claims have different numbers of seeds, because the draws of some were changed after other seeds had run.
        share = "each" if enough(seeds) == seeds else "at least nine tenths"
        among = f"{fewest} {'or' if seeds == fewest + 1 else 'to'} {seeds}"
        return f"{kept} of {len(outcomes)} claims keep their verdict on {share} of their {among} fresh seeds"
    on = (
        f"on at least {enough(seeds)} of {seeds} fresh seeds"
        if enough(seeds) < seeds
        else f"on all {seeds} fresh seeds"
    )
    return f"{kept} of {len(outcomes)} claims keep their verdict {'on one fresh seed' if seeds == 1 else on}"


def scattered(outcomes):
    """Return a sentence on how many claims' estimates scatter as their intervals predict; empty if seeds are few."""
    names, known = too_narrow(outcomes)
    if not known:
        return ""
    share = f"{known - len(names)} of them" if names else "all"
    return (
        f" For {known} claims there are enough estimates to judge their spread over seeds: for {share} it is no larger than "
        f"their 95 % intervals predict."
    )


def too_scattered(outcomes):
    """Return a sentence with the claims that :func:`scattered` does not count; empty if there are none."""
    names = too_narrow(outcomes)[0]
    others = "other" if len(names) == 1 else "others"
    return f" The {others}: {', '.join(f'`{name}`' for name in names)}." if names else ""


def sentence(tier, outcomes):
    """Return one or two sentences on the verdicts and estimates of a tier's fresh seeds."""
    agree, compared = (sum(outcome[key] for outcome in outcomes.values()) for key in ("near", "compared"))
    within = f"{agree} of {compared} estimates lie within the joint 95 % interval"
    return f"Tier {tier}: {steady(outcomes)}; {within}.{scattered(outcomes)}"


def changed_verdicts(outcomes):
    """Return the outcomes of claims whose verdict differed on some seed, by claim, the most frequent ones first."""
    changed = {name: outcome for name, outcome in outcomes.items() if outcome["others"]}
    return dict(sorted(changed.items(), key=lambda item: item[1]["same"] / item[1]["seeds"]))


def of_chapter(ids, fresh):
    """Return, as Markdown, a chapter's claims whose verdict differed on some fresh seed, by tier; empty if none did.

    ``ids`` are the chapter's claims, and ``fresh`` is the result of :func:`algoreg.regression.replications.of_tiers`.
    """
    tiers = {
        tier: [
            f"`{name}` on {outcome['same']} of {outcome['seeds']}"
            for name, outcome in changed_verdicts(outcomes).items()
            if name in ids
        ]
        for tier, outcomes in fresh.items()
    }
    counted = [f"Tier {tier}: {', '.join(claims)}." for tier, claims in tiers.items() if claims]
    head = "Fresh seeds did not always give the committed verdict."
    return " ".join([head, *counted]) if counted else ""


def of_claim(name, fresh):
    """Return a text on a claim's verdicts and estimates on fresh seeds in every tier; empty if no seed was run.

    ``fresh`` is the result of :func:`algoreg.regression.replications.of_tiers`.
    """
    words = []
    for tier, outcomes in fresh.items():
        if outcome := outcomes.get(name):
            counted = f"{agreement(outcome)}; estimates {estimates(outcome)}, {agreeing_estimates(outcome)} within the joint 95 % interval"
            wide = ", scattered more than their intervals allow" if name in too_narrow(outcomes)[0] else ""
            words.append(f"tier {tier}: {counted}{wide}")
    return "; ".join(words)


def agreeing_seeds(name, fresh):
    """Return a cell with the number of fresh seeds of each tier on which a claim kept its verdict.

    Tiers in which it changed are bold; the cell is a dash if no seed was run.
    """
    counts = {tier: outcomes[name] for tier, outcomes in fresh.items() if name in outcomes}
    texts = [
        f"{'**' if outcome['others'] else ''}{tier} {outcome['same']} of {outcome['seeds']}{'**' if outcome['others'] else ''}"
        for tier, outcome in counts.items()
    ]
    return ", ".join(texts) or "–"


def _rows(outcomes, chapters):
    return [
        [
            f"[`{name}`](claims/{chapters[name]}.md#{name.lower()})" if name in chapters else f"`{name}`",
            outcome["committed"]["verdict"],
            f"{outcome['same']} of {outcome['seeds']}",
            other_verdicts(outcome) or "–",
            typeset_numbers(report.number(outcome["committed"]["estimate"])),
            estimates(outcome),
            agreeing_estimates(outcome),
        ]
        for name, outcome in outcomes.items()
    ]


def _table(outcomes, chapters):
    header = ["claim", "committed", "as committed", "else", "committed estimate", "fresh estimates", "agree"]
    return report.markdown(header, _rows(outcomes, chapters))


def document(fresh, entries):
    """Return the site's page on fresh seeds: per tier the counts, the claims that turned, and every claim by chapter.

    Parameters
    ----------
    fresh : mapping
        See :func:`algoreg.regression.replications.of_tiers`; if it is empty, the page says that no seed is kept yet.
    entries : list of mapping
        The registry.
    """
    parts = ["# Fresh seeds", wrapped(ABOUT), wrapped(MEANING)]
    if not fresh:
        return "\n\n".join([*parts, "No seed is kept yet."]) + "\n"
    chapters = {entry["id"]: entry["chapter"] for entry in entries}
    for tier, outcomes in fresh.items():
        parts += [f"## Tier {tier}", wrapped(sentence(tier, outcomes) + too_scattered(outcomes))]
        if changed := changed_verdicts(outcomes):
            parts += ["### Verdicts that turned", _table(changed, chapters)]
        for chapter in load_chapters():
            of_this_chapter = {
                name: outcome for name, outcome in outcomes.items() if chapters.get(name) == chapter.name
            }
            parts += [f"### {chapter.title}", _table(of_this_chapter, chapters)] if of_this_chapter else []
    return "\n\n".join(parts) + "\n"
