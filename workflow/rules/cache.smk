# Between-workflow caching, only where --cache asks for it: the rules that take long. Included last.
from snakemake.caching.rule import RuleCache


def check_cache():
    """Stop if results would be shared that Snakemake's cache cannot tell apart: its keys do not hold the device."""
    if config["device"] != "cpu":
        raise WorkflowError(
            f"--cache with device = {config['device']}: cached results do not say on which device they were computed, "
            "so only those of a CPU are cached. Add --config device=cpu, or leave --cache out."
        )


if workflow.enable_cache:
    check_cache()
    # A directive in the rules would print a line per rule in every run without --cache.
    for name in ("generate", "measure", "measure_part"):
        cached = workflow.get_rule(name)
        cached.cache = RuleCache.from_rule(cached, True)
