"""Queues: who waits, what comes in, what is lost, how long it takes."""

from . import colour
from .board import account, build, scraped, variable
from .panel import PROMETHEUS, bars, lines, promql, stat, table
from .promql import ABANDONED, ACCOUNT, CHANNEL, HANDLING, QUEUE, feed, of_several, queue

STEM = "queue_itd"
COLOURS = {
    "Offered": colour.SKY,
    "Answered": colour.BLUE,
    "Completed": colour.GREEN,
    "Abandoned": colour.VERMILLION,
    "From the queue": colour.VERMILLION,
    "While alerting": colour.ORANGE,
    "Talk": colour.BLUE,
    "Hold": colour.ORANGE,
    "Wrap-up": colour.PURPLE,
}
NOT_YET = "nothing offered"


def total(measure):
    return f"sum(axp_{STEM}_{measure}{{{QUEUE}}})"


def by_queue(measure):
    return f"sum by (account_id, queue_id) (axp_{STEM}_{measure}{{{QUEUE}}})"


def abandoned(by=""):
    return f"sum{by} ({of_several(STEM, ABANDONED, QUEUE)})"


def per_minute(measure):
    return f"sum(rate(axp_{STEM}_{measure}{{{QUEUE}}}[$__rate_interval])) * 60"


def per_completed(measures, by=""):
    return (f"sum{by} ({of_several(STEM, measures, QUEUE)})"
            f" / (sum{by} (axp_{STEM}_completed{{{QUEUE}}}) > 0)")


def now():
    return [
        *feed("Queue.*"),
        stat("Waiting", "Contacts that are not answered yet, those that alert at an agent included.",
             promql(total("contacts_queueing")), thresholds=colour.above(5, 15), no_data="no queue"),
        stat("In hand", "Contacts that agents talk to or have on hold, and those in wrap-up.",
             promql(f'sum({of_several(STEM, "(active|active_engagements_in_acw)", QUEUE)})'), no_data="no queue"),
        stat("Offered", "Contacts that came in since AXP's interval began.",
             promql(total("offered")), no_data="no queue"),
        stat("Answered", "Share of the offered contacts that were answered. Those still waiting count as not answered.",
             promql(f'{total("answered")} / ({total("offered")} > 0)'), "percentunit",
             thresholds=colour.below(0.9, 0.8), decimals=1, no_data=NOT_YET),
        stat("Abandoned", "Share of the offered contacts that left before an answer, in the queue or while an agent "
             "was alerted.",
             promql(f'{abandoned()} / ({total("offered")} > 0)'), "percentunit",
             thresholds=colour.above(0.05, 0.1), decimals=1, no_data=NOT_YET),
        stat("Handle time", "Mean time of talk, hold and wrap-up of the completed contacts, in hours, minutes and "
             "seconds.",
             promql(per_completed(HANDLING)), "dthms", no_data="nothing completed"),
    ]


def waiting():
    return [
        bars("Waiting by queue", "Contacts that are not answered yet, the longest line first.",
             promql(f'sort_desc({queue(by_queue("contacts_queueing"))})', "{{queue}}"),
             thresholds=colour.above(3, 8), width=8, no_data="no queue"),
        lines("Waiting over time", "Contacts that are not answered yet, by queue. A gap is a time without data.",
              [promql(queue(by_queue("contacts_queueing")), "{{queue}}")], stacked=True, width=16),
    ]


def flow():
    counts = [("offered", "Offered"), ("answered", "Answered"), ("completed", "Completed")]
    return [
        lines("Flow", "Contacts a minute: what comes in, what is answered, what is lost.",
              [promql(per_minute("offered"), "Offered"), promql(per_minute("answered"), "Answered"),
               promql(f'{per_minute("abandoned_from_queue")} + {per_minute("abandoned_from_alerting")}', "Abandoned")],
              "cpm", colours=COLOURS),
        lines("Counts of the interval", "Contacts since AXP's interval began; they fall to 0 when the next begins.",
              [*(promql(total(measure), name) for measure, name in counts), promql(abandoned(), "Abandoned")],
              colours=COLOURS),
        lines("Abandon rate by queue", "Share of the offered contacts that left before an answer.",
              [promql(queue(f'{abandoned(" by (account_id, queue_id)")} / ({by_queue("offered")} > 0)'), "{{queue}}")],
              "percentunit", thresholds=colour.above(0.05, 0.1)),
        lines("Where contacts were lost", "Abandoned contacts since AXP's interval began, by where they left.",
              [promql(total("abandoned_from_queue"), "From the queue"),
               promql(total("abandoned_from_alerting"), "While alerting")], stacked=True, colours=COLOURS),
    ]


def handle_time():
    parts = [("active", "Talk"), ("hold", "Hold"), ("acw", "Wrap-up")]
    by = " by (account_id, queue_id)"
    talk, hold, acw = (per_completed(f"{part}_duration_seconds", by) for part, _ in parts)
    alerting = f'{by_queue("alert_duration_seconds")} / ({by_queue("answered")} > 0)'
    return [
        lines("Handle time split", "Mean time a completed contact of the interval took, by what it was spent on.",
              [promql(per_completed(f"{part}_duration_seconds"), name) for part, name in parts],
              "dthms", stacked=True, colours=COLOURS, height=9),
        table("Handle time by queue", "Means over the completed contacts of the interval; alerting is the mean "
              "over the answered ones.",
              [promql(query) for query in (queue(talk), hold, acw, per_completed(HANDLING, by), alerting)],
              {"queue": ("Queue", "string"), "Value #A": ("Talk", "dthms"), "Value #B": ("Hold", "dthms"),
               "Value #C": ("Wrap-up", "dthms"), "Value #D": ("Handle time", "dthms"),
               "Value #E": ("Alerting", "dthms")},
              hidden=("Time", "account_id", "queue_id", "queue_name"), sort="Handle time",
              width=12, height=9, unit="dthms"),
    ]


def service():
    def of(measure):
        return f"sum by (account_id, queue_id, channel_id) (axp_queue_by_channel_itd_{measure}{{{CHANNEL}}})"

    lost = f'sum by (account_id, queue_id, channel_id) ({of_several("queue_by_channel_itd", ABANDONED, CHANNEL)})'
    return [
        table("Service by queue and channel",
              "What each queue does on each channel. Answered and abandoned are shares of the offered contacts of the "
              "interval. AXP's feed has no service level and no longest wait.",
              [promql(queue(of("contacts_queueing"))), promql(of("active")), promql(of("active_agents_in_acw")),
               promql(of("offered")), promql(f'{of("answered")} / ({of("offered")} > 0)'),
               promql(f'{lost} / ({of("offered")} > 0)')],
              {"queue": ("Queue", "string"), "channel_id": ("Channel", "string"),
               "Value #A": ("Waiting", "short", {"thresholds": colour.steps(colour.above(3, 8)),
                                                 "custom.displayMode": "color-text"}),
               "Value #B": ("In hand", "short"), "Value #C": ("Agents in wrap-up", "short"),
               "Value #D": ("Offered", "short"), "Value #E": ("Answered", "percentunit"),
               "Value #F": ("Abandoned", "percentunit", {"thresholds": colour.steps(colour.above(0.05, 0.1)),
                                                         "custom.displayMode": "color-text"})},
              hidden=("Time", "account_id", "queue_id", "queue_name"), sort="Waiting", width=16),
        lines("Passed on and let pass", "Contacts a minute that went to another queue, and alerts that no agent took.",
              [promql(per_minute("transfer_initiated_to_queue"), "Passed on"),
               promql(per_minute("not_answered"), "Alert not taken")], "cpm", width=8, height=10),
    ]


def variables():
    info = "axp_queue_itd_info"
    return [
        *scraped(info),
        account(info),
        variable(PROMETHEUS, "queue", "Queue", f"query_result({info}{{{ACCOUNT}}})",
                 regex='/queue_name="(?<text>[^"]+)|queue_id="(?<value>[^"]+)/g'),
        variable(PROMETHEUS, "channel", "Channel",
                 f"label_values(axp_queue_by_channel_itd_info{{{ACCOUNT}}}, channel_id)"),
    ]


def board():
    return build(
        PROMETHEUS, "axp-queues", "AXP / Queues",
        "Queues of a contact centre on the Avaya Experience Platform, as axp-exporter shows them.",
        variables(),
        [(None, now()), ("Waiting", waiting()), ("Flow", flow()), ("Handle time", handle_time()),
         ("Service", service())],
    )
