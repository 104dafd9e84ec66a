"""The wallboard: what a floor reads from across the room. Few numbers, large, and no choice but the account."""

from . import agents, colour, queues
from .board import account, build, scraped, variable
from .panel import PROMETHEUS, bars, lines, promql, stat, words
from .promql import EXPORTER, HANDLING, queue


def banner():
    """The whole width says whether the rest may be believed."""
    up = stat(
        "Feeds",
        "Whether all of AXP's feeds are connected. While one is lost, numbers are up to five minutes old; then they "
        "vanish.",
        promql(f"min(axp_exporter_feed_up{{{EXPORTER}}})"),
        "none", width=18, height=3, background=True,
        mappings=words(v0=("✖ FEED LOST: these numbers are old", colour.BAD), v1=("✔ live", colour.GOOD)),
        thresholds=[(None, colour.BAD), (1, colour.GOOD)], no_data="✖ NO DATA: the exporter does not answer",
    )
    age = stat(
        "Last event",
        "How long ago anything was heard from AXP, on any feed.",
        promql(f"min(time() - (axp_exporter_feed_last_event_timestamp_seconds{{{EXPORTER}}} > 0))"),
        "dtdurations", width=6, height=3, thresholds=colour.above(120, 900), no_data="no event yet",
    )
    return [up, age]


def numbers():
    size = {"width": 6, "height": 7, "no_data": "–"}
    completed = queues.per_completed(HANDLING)
    return [
        stat("Waiting", "Contacts that are not answered yet, those that alert at an agent included.",
             promql(queues.total("contacts_queueing")), thresholds=colour.above(5, 15), background=True, **size),
        stat("Agents available", "Agents who are ready and have no contact.",
             promql(agents.available()), thresholds=colour.below(3, 1), background=True, **size),
        stat("Abandoned", "Share of the offered contacts of the interval that left before an answer.",
             promql(f'{queues.abandoned()} / ({queues.total("offered")} > 0)'), "percentunit",
             thresholds=colour.above(0.05, 0.1), background=True, decimals=1, **size),
        stat("Handle time", "Mean time of talk, hold and wrap-up of the completed contacts of the interval.",
             promql(completed), "dthms", **size),
        stat("Offered", "Contacts that came in since AXP's interval began.",
             promql(queues.total("offered")), **size),
        stat("Answered", "Contacts that were answered since AXP's interval began.",
             promql(queues.total("answered")), **size),
        stat("On a contact", "Agents who talk to a contact or have it on hold.",
             promql(agents.counted(f"{agents.since('active')} or {agents.since('on_hold')}")), **size),
        stat("Not ready", "Agents who take no contacts.",
             promql(agents.counted(agents.in_state("NOT_READY"))), **size),
    ]


def lists():
    return [
        bars("Waiting by queue", "Contacts that are not answered yet, the longest line first.",
             promql(f'sort_desc({queue(queues.by_queue("contacts_queueing"))})', "{{queue}}"),
             thresholds=colour.above(3, 8), width=12, height=9, no_data="no queue"),
        lines("Agents by state", "Agents in each state over the last hour, stacked.",
              [promql(f"sum by (state) (axp_agent_itd_agent_state{{{agents.AGENT}}})", "{{state}}")],
              stacked=True, colours=agents.STATES, width=12, height=9),
    ]


def unseen(name, label, of):
    """A choice that the other boards have and a wall does not need: all, and out of sight."""
    hidden = variable(PROMETHEUS, name, label, f"label_values({of}, {name}_id)")
    hidden["hide"] = 2
    return hidden


def board():
    info = "axp_queue_itd_info"
    return build(
        PROMETHEUS, "axp-wallboard", "AXP / Wallboard",
        "For a screen on the wall: open it with ?kiosk at the end of its address.",
        [*scraped(info), account(info), unseen("queue", "Queue", info), unseen("agent", "Agent", "axp_agent_itd_info")],
        [(None, [*banner(), *numbers(), *lists()])],
        refresh="5s", span="now-1h", kiosk=True,
    )
