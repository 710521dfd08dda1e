"""What fresh seeds gave, in words, as rows, and as a page of the site:
counts of verdicts and the range of estimates, claim by claim.
"""

from algoreg.regression.replications import enough, too_narrow
from algoreg.reporting import report
from algoreg.reporting.ledger import wrapped
from algoreg.reporting.wording import format_beside_margin, minus
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


def other_verdicts(one):
    """Return how many seeds gave which other verdict of a claim; empty where none did.

    ``one`` is the claim's part of :func:`algoreg.regression.replications.outcomes`.
    """
    return ", ".join(f"{count} {verdict}" for verdict, count in one["others"].items())


def agreement(one):
    """Return how many seeds gave the committed verdict of a claim, and what the others gave."""
    seeds = "seed" if one["seeds"] == 1 else "seeds"
    turned = f", else {other_verdicts(one)}" if one["others"] else ""
    return f"{one['same']} of {one['seeds']} fresh {seeds} as committed ({one['committed']['verdict']}){turned}"


def estimates(one):
    """Return the smallest and the largest estimate of the fresh seeds; a dash where no seed has any."""
    if one["estimates"] is None:
        return "–"
    return minus(" … ".join(dict.fromkeys(format_beside_margin(list(one["estimates"]), one["committed"]["margin"]))))


def agreeing_estimates(one):
    """Return how many of the estimates agree with the committed one; a dash where none could be compared."""
    return f"{one['near']} of {one['compared']}" if one["compared"] else "–"


def steady(found):
    """Return how many claims of a tier keep their verdict on nine tenths of the seeds,
    in words, without a full stop.
    """
    seeds = max(one["seeds"] for one in found.values())
    kept = sum(one["same"] >= enough(one["seeds"]) for one in found.values())
    fewest = min(one["seeds"] for one in found.values())
    if fewest < seeds:
        # Draws of some claims were changed after other seeds had run.
        share = "each" if enough(seeds) == seeds else "nine tenths"
        among = f"{fewest} {'or' if seeds == fewest + 1 else 'to'} {seeds}"
        return (
            f"{kept} of {len(found)} claims keep their verdict on {share} of the {among} fresh seeds that judged them"
        )
    on = (
        f"on at least {enough(seeds)} of {seeds} fresh seeds"
        if enough(seeds) < seeds
        else f"on all {seeds} fresh seeds"
    )
    return f"{kept} of {len(found)} claims keep their verdict {'on one fresh seed' if seeds == 1 else on}"


def unsteady(found):
    """Return a sentence with the claims that :func:`steady` does not count; empty where there are none."""
    return _not_so(name for name, one in found.items() if one["same"] < enough(one["seeds"]))


def _not_so(names):
    named = ", ".join(f"`{name}`" for name in names)
    return f" The others: {named}." if named else ""


def scattered(found):
    """Return a sentence on how many claims' estimates scatter as their intervals say;
    empty where too few seeds tell.
    """
    names, known = too_narrow(found)
    if not known:
        return ""
    return f" For {known - len(names)} of the {known} claims with enough estimates the spread over seeds is as their 95 % intervals predict."


def too_scattered(found):
    """Return a sentence with the claims that :func:`scattered` does not count; empty where there are none."""
    return _not_so(too_narrow(found)[0])


def sentence(tier, found):
    """Return what fresh seeds gave in a tier, verdicts and estimates, in a sentence or two."""
    agree, compared = (sum(one[key] for one in found.values()) for key in ("near", "compared"))
    within = f"{agree} of {compared} estimates lie within the joint 95 % interval"
    return f"Tier {tier}: {steady(found)}; {within}.{scattered(found)}"


def changed_verdicts(found):
    """Return the outcomes whose verdict was another on some seed, by claim; those that turned most often come first."""
    changed = {name: one for name, one in found.items() if one["others"]}
    return dict(sorted(changed.items(), key=lambda item: item[1]["same"] / item[1]["seeds"]))


def of_chapter(ids, fresh):
    """Return which claims of a chapter some fresh seed judged otherwise, by tier,
    as Markdown of its page; empty where none did.

    ``ids`` are the chapter's claims, ``fresh`` is of :func:`algoreg.regression.replications.of_tiers`.
    """
    tiers = {
        tier: [
            f"`{name}` on {one['same']} of {one['seeds']}"
            for name, one in changed_verdicts(found).items()
            if name in ids
        ]
        for tier, found in fresh.items()
    }
    said = [f"Tier {tier}: {', '.join(claims)}." for tier, claims in tiers.items() if claims]
    head = "Fresh seeds did not always give the committed verdict."
    return " ".join([head, *said]) if said else ""


def of_claim(name, fresh):
    """Return what fresh seeds made of a claim in every tier, in words; empty where it was not run.

    ``fresh`` is of :func:`algoreg.regression.replications.of_tiers`.
    """
    words = []
    for tier, found in fresh.items():
        if one := found.get(name):
            said = f"{agreement(one)}; estimates {estimates(one)}, {agreeing_estimates(one)} within the joint 95 % interval"
            wide = ", scattered more than their intervals allow" if name in too_narrow(found)[0] else ""
            words.append(f"tier {tier}: {said}{wide}")
    return "; ".join(words)


def agreeing_seeds(name, fresh):
    """Return on how many fresh seeds of each tier a claim kept its verdict, as a cell: those on which it turned
    are bold; a dash where no seed was run.
    """
    counts = {tier: found[name] for tier, found in fresh.items() if name in found}
    texts = [
        f"{'**' if one['others'] else ''}{tier} {one['same']} of {one['seeds']}{'**' if one['others'] else ''}"
        for tier, one in counts.items()
    ]
    return ", ".join(texts) or "–"


def _rows(found):
    return [
        [
            f"[`{name}`](claims_in_full.md#{name.lower()})",
            one["committed"]["verdict"],
            f"{one['same']} of {one['seeds']}",
            other_verdicts(one) or "–",
            minus(report.number(one["committed"]["estimate"])),
            estimates(one),
            agreeing_estimates(one),
        ]
        for name, one in found.items()
    ]


def _table(found):
    header = ["claim", "committed", "as committed", "else", "committed estimate", "fresh estimates", "agree"]
    return report.markdown(header, _rows(found))


def document(fresh, entries):
    """Return the site's page on fresh seeds: per tier the counts, the claims that turned,
    and every claim by chapter.

    Parameters
    ----------
    fresh : mapping
        See :func:`algoreg.regression.replications.of_tiers`; where it is empty the document says that nothing is
        kept yet.
    entries : list of mapping
        The registry.
    """
    parts = ["# Fresh seeds", wrapped(ABOUT), wrapped(MEANING)]
    if not fresh:
        return "\n\n".join([*parts, "No seed is kept yet."]) + "\n"
    chapters = {entry["id"]: entry["chapter"] for entry in entries}
    for tier, found in fresh.items():
        parts += [f"## Tier {tier}", wrapped(sentence(tier, found) + too_scattered(found))]
        if changed := changed_verdicts(found):
            parts += ["### Verdicts that turned", _table(changed)]
        for chapter in load_chapters():
            own = {name: one for name, one in found.items() if chapters.get(name) == chapter.name}
            parts += [f"### {chapter.title}", _table(own)] if own else []
    return "\n\n".join(parts) + "\n"
