"""PromQL that the boards share: selectors with the board's choices, names for ids, the state of the feed."""

from . import colour
from .panel import promql, stat, words

# Own metrics of the exporter know no account: one exporter serves one.
EXPORTER = 'job=~"$job",instance=~"$instance"'
ACCOUNT = EXPORTER + ',account_id=~"$account"'
QUEUE = ACCOUNT + ',queue_id=~"$queue"'
CHANNEL = QUEUE + ',channel_id=~"$channel"'
AGENT = ACCOUNT + ',agent_id=~"$agent"'

ABANDONED = "abandoned_from_(queue|alerting)"
HANDLING = "(active|hold|acw)_duration_seconds"


def named(stem, key, expr, name, other=""):
    """`expr`, by account and key, with a label `key` that holds the name where there is one, else the id.

    `other` is a further label of the info metric to carry along. Names come from the info metric; without
    it, or without a name in it (names of people are left out by default), the id stands for itself.
    """
    ids = f"account_id, {key}_id"
    labels = ", ".join(label for label in (name, other) if label)
    info = f"max by ({ids}, {labels}) (axp_{stem}_info{{{selector(key)}}})"
    joined = f"({expr}) * on ({ids}) group_left ({labels}) {info} or on ({ids}) ({expr})"
    identified = f'label_replace({joined}, "{key}", "$1", "{key}_id", "(.*)")'
    return f'label_replace({identified}, "{key}", "$1", "{name}", "(.+)")'


def selector(key):
    return {"queue": QUEUE, "agent": AGENT}[key]


def queue(expr):
    """`expr`, by account and queue, with the queue's name."""
    return named("queue_itd", "queue", expr, "queue_name")


def agent(expr, other=""):
    """`expr`, by account and agent, with the agent's name if the privacy rules leave it."""
    return named("agent_itd", "agent", expr, "agent_display_name", other)


def of_several(stem, measures, labels):
    """Several measures at once, by a pattern: those that the feed does not carry are not missed."""
    return f'{{__name__=~"axp_{stem}_{measures}",{labels}}}'


def feed(producers):
    """Whether what the board shows is alive, and how long nothing has come."""
    labels = f'{EXPORTER},measure_producer_id=~"{producers}"'
    up = stat(
        "Feed",
        "Whether AXP's feed is connected. When it is lost, the numbers of the board stay for stale_after "
        "(five minutes by default) and then vanish; until then they are old.",
        promql(f"min(axp_exporter_feed_up{{{labels}}})"),
        "none",
        background=True,
        mappings=words(v0=("✖ LOST: numbers are old", colour.BAD), v1=("✔ live", colour.GOOD)),
        thresholds=[(None, colour.BAD), (1, colour.GOOD)],
        no_data="✖ no exporter",
    )
    age = stat(
        "Last event",
        "How long ago the last event came, on the feed that has been quiet for longest. At night a long time is "
        "in order while the feed is live; by day it says that AXP has stopped publishing.",
        promql(f"max(time() - (axp_exporter_feed_last_event_timestamp_seconds{{{labels}}} > 0))"),
        "dtdurations",
        thresholds=colour.above(120, 900),
        no_data="no event yet",
    )
    return [up, age]
