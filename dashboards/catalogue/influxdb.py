"""The boards for InfluxDB, in InfluxQL: versions 1, 2 with a DBRP mapping, 3, and what speaks like them.

A line is written when something changes and holds what has changed, so what stands is the last value of
each series within the board's time range. Line protocol knows no delete: an agent who has logged out, or
a feed that is lost, goes on standing until the range has passed. Each board shows when the last line came.
"""

from . import colour
from .agents import STATE_WORDS
from .board import build, tag
from .panel import INFLUXDB, bars, influxql, lines, panel, stat, table
from .queues import COLOURS

BY_TIME = "GROUP BY time($__interval)"
HANDLING = ("active", "hold", "acw")


def chosen(key):
    return f'$timeFilter AND "account_id" =~ /^$account$/ AND "{key}_id" =~ /^${key}$/'


def last(measurement, key, fields):
    """The standing values of each row, as a source to select from."""
    values = ", ".join(f'last("{field}") AS "{name}"' for name, field in fields.items())
    return f'(SELECT {values} FROM "{measurement}" WHERE {chosen(key)} GROUP BY "{key}_id")'


def each_over_time(measurement, key, value):
    """A value of each row at each time, the one before standing where nothing came."""
    query = f'SELECT {value} FROM "{measurement}" WHERE {chosen(key)} {BY_TIME}, "{key}_id" fill(previous)'
    # Not summed up here: InfluxDB 1 does not join what fill() made of several series.
    return influxql(query, f"$tag_{key}_id")


def growth(measurement, key, field, name):
    """By how much a count of the interval has grown, over all rows, in each step of time."""
    steps = (f'SELECT non_negative_difference(last("{field}")) AS "more" FROM "{measurement}" '
             f'WHERE {chosen(key)} {BY_TIME}, "{key}_id" fill(none)')
    return influxql(f'SELECT sum("more") FROM ({steps}) WHERE $timeFilter {BY_TIME} fill(none)', name)


def newest(measurement, key):
    built = panel(
        "stat",
        "Last line",
        "When the last line came. When the feed is lost nothing comes any more, and the other numbers are as old as "
        "this says.",
        [influxql(f'SELECT * FROM "{measurement}" WHERE {chosen(key)} ORDER BY time DESC LIMIT 1')],
        "dateTimeFromNow", width=4, height=4, table=True, no_data="✖ nothing in this time range",
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/^[Tt]ime$/", "values": False},
            "colorMode": "value", "graphMode": "none", "justifyMode": "center", "orientation": "auto",
            "textMode": "value",
        },
    )
    return built


def queues():
    def source(*measures):
        return last("queue_itd", "queue", {measure: measure for measure in measures})

    def standing(*measures):
        return last("queue_itd", "queue", {measure: f"{measure}_duration_seconds" for measure in measures}
                    | {"completed": "completed"})

    def total(what, *measures):
        return influxql(f"SELECT {what} FROM {source(*measures)} WHERE $timeFilter")

    lost = ("abandoned_from_queue", "abandoned_from_alerting")
    share = f'(sum("{lost[0]}") + sum("{lost[1]}")) / sum("offered")'
    handle = " + ".join(f'sum("{part}")' for part in HANDLING)
    parts = {"active": "Talk", "hold": "Hold", "acw": "Wrap-up"}
    none = "no line"
    now = [
        newest("queue_itd", "queue"),
        stat("Waiting", "Contacts that are not answered yet, those that alert at an agent included.",
             total('sum("contacts_queueing")', "contacts_queueing"), thresholds=colour.above(5, 15), width=4,
             no_data=none),
        stat("Offered", "Contacts that came in since AXP's interval began.",
             total('sum("offered")', "offered"), width=4, no_data=none),
        stat("Answered", "Share of the offered contacts that were answered.",
             total('sum("answered") / sum("offered")', "answered", "offered"), "percentunit",
             thresholds=colour.below(0.9, 0.8), decimals=1, width=4, no_data=none),
        stat("Abandoned", "Share of the offered contacts that left before an answer.",
             total(share, *lost, "offered"), "percentunit", thresholds=colour.above(0.05, 0.1), decimals=1, width=4,
             no_data=none),
        stat("Handle time", "Mean time of talk, hold and wrap-up of the completed contacts.",
             influxql(f'SELECT ({handle}) / sum("completed") FROM {standing(*HANDLING)} WHERE $timeFilter'), "dthms",
             width=4, no_data=none),
    ]
    split = ", ".join(f'sum("{part}") / sum("completed") AS "{name}"' for part, name in parts.items())
    mean = " + ".join(f'last("{part}_duration_seconds")' for part in HANDLING)
    flow = [
        lines("Waiting over time", "Contacts that are not answered yet, by queue, stacked.",
              [each_over_time("queue_itd", "queue", 'last("contacts_queueing")')], stacked=True),
        lines("Flow", "Contacts in each step of time: what comes in, what is answered, what is lost.",
              [growth("queue_itd", "queue", "offered", "Offered"),
               growth("queue_itd", "queue", "answered", "Answered"),
               growth("queue_itd", "queue", lost[0], "From the queue"),
               growth("queue_itd", "queue", lost[1], "While alerting")], colours=COLOURS),
        lines("Handle time by queue", "Mean time of talk, hold and wrap-up of the completed contacts of the interval.",
              [each_over_time("queue_itd", "queue", f'({mean}) / last("completed")')], "dthms"),
        bars("Handle time split", "Mean time a completed contact of the interval took, by what it was spent on.",
             influxql(f"SELECT {split} FROM {standing(*HANDLING)} WHERE $timeFilter", "$col"), "dthms", width=12,
             no_data=none),
        bars("Waiting by queue", "Contacts that are not answered yet. AXP's id stands for the queue, unless "
             "a relabel rule puts another value into queue_id.",
             influxql(f'SELECT last("contacts_queueing") FROM "queue_itd" WHERE {chosen("queue")} GROUP BY "queue_id"',
                      "$tag_queue_id"), thresholds=colour.above(3, 8), width=24, no_data=none),
    ]
    names = {
        "queue_name": "queue_name", "contacts_queueing": "contacts_queueing", "offered": "offered",
        "answered": "answered", "completed": "completed", "abandoned_from_queue": "abandoned_from_queue",
        "abandoned_from_alerting": "abandoned_from_alerting", "alert": "alert_duration_seconds",
    }
    values = ", ".join(f'last("{field}") AS "{name}"' for name, field in names.items())
    by_channel = (f'SELECT {values} FROM "queue_by_channel_itd" WHERE {chosen("queue")} '
                  'GROUP BY "queue_id", "channel_id"')
    service = [
        table("Service by queue and channel",
              "What each queue does on each channel; counts are those of AXP's interval.",
              [influxql(by_channel)],
              {"queue_name": ("Queue", "string"), "channel_id": ("Channel", "string"),
               "contacts_queueing": ("Waiting", "short"), "offered": ("Offered", "short"),
               "answered": ("Answered", "short"), "completed": ("Completed", "short"),
               "abandoned_from_queue": ("Abandoned in the queue", "short"),
               "abandoned_from_alerting": ("Abandoned while alerting", "short"),
               "alert": ("Alerting in all", "dthms")},
              hidden=("Time", "queue_id"), sort="Waiting"),
    ]
    variables = [
        tag("account", "Account", "queue_itd"),
        tag("queue", "Queue", "queue_itd", ' WHERE "account_id" =~ /^$account$/'),
    ]
    return build(
        INFLUXDB, "axp-influxdb-queues", "AXP / Queues (InfluxDB)",
        "Queues of a contact centre on the Avaya Experience Platform, from the lines of axp-exporter.",
        variables, [(None, now), ("Flow", flow), ("Service", service)],
    )


def agents():
    def source(fields):
        return last("agent_itd", "agent", fields)

    def number(state=""):
        where = f""" AND "state" = '{state}'""" if state else ""
        return influxql(f'SELECT count("state") FROM {source({"state": "agent_state"})} WHERE $timeFilter{where}')

    durations = {name: f"{name}_duration_seconds" for name in (*HANDLING, "idle_time")}
    handling = " + ".join(f'sum("{name}")' for name in HANDLING)
    occupancy = f'({handling}) / ({handling} + sum("idle_time"))'
    none = "nobody in this time range"
    now = [
        newest("agent_itd", "agent"),
        stat("Seen", "Agents of whom a line came within the board's time range; who has logged out since is among "
             "them.", number(), width=5, no_data=none),
        stat("Ready", "Agents whose last state is READY.", number("READY"), width=5, no_data="none"),
        stat("Not ready", "Agents whose last state is NOT_READY.", number("NOT_READY"), width=5, no_data="none"),
        stat("Occupancy", "Share of the ready time of the interval that was spent on contacts.",
             influxql(f"SELECT {occupancy} FROM {source(durations)} WHERE $timeFilter"), "percentunit",
             thresholds=colour.above(0.85, 0.92), decimals=0, width=5, no_data=none),
    ]
    states = [
        panel("state-timeline", "States over time", "The state of each agent. Who has logged out keeps the last state "
              "to the end of the range.",
              [each_over_time("agent_itd", "agent", 'last("agent_state")')], "string", now=False, width=16, height=14,
              mappings=STATE_WORDS, no_data=none,
              options={"mergeValues": True, "showValue": "never", "rowHeight": 0.9,
                       "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                       "tooltip": {"mode": "single", "sort": "none"}}),
        table("Not ready, by reason", "Agents whose last state is NOT_READY, with the last reason they gave.",
              [influxql('SELECT "reason" FROM '
                        f'{source({"state": "agent_state", "reason": "reason_code_name"})} '
                        """WHERE $timeFilter AND "state" = 'NOT_READY' GROUP BY "agent_id" """)],
              {"agent_id": ("Agent", "string"), "reason": ("Reason", "string")},
              hidden=("Time",), width=8, height=14, no_data="nobody"),
    ]
    columns = {
        "name": "agent_display_name", "state": "agent_state", "completed": "completed",
        "active": "active_duration_seconds", "hold": "hold_duration_seconds", "acw": "acw_duration_seconds",
        "not_ready": "total_time_not_ready_seconds", "not_answered": "not_answered",
    }
    values = ", ".join(f'last("{field}") AS "{name}"' for name, field in columns.items())
    moments = ", ".join(f'last("time_{moment}_timestamp_seconds") * 1000 AS "{moment}"'
                        for moment in ("in_state", "logged_in"))
    people = [
        table("Agents", "Every agent seen in the time range. Names are here only if the exporter's privacy rules keep "
              "them. Durations are sums of AXP's interval.",
              [influxql(f'SELECT {values}, {moments} FROM "agent_itd" WHERE {chosen("agent")} GROUP BY "agent_id"')],
              {"agent_id": ("Agent", "string"), "name": ("Name", "string"),
               "state": ("State", "string", {"mappings": STATE_WORDS, "custom.displayMode": "color-text"}),
               "in_state": ("In state since", "dateTimeFromNow"), "logged_in": ("Logged in since", "dateTimeFromNow"),
               "completed": ("Completed", "short"), "active": ("Talk", "dthms"), "hold": ("Hold", "dthms"),
               "acw": ("Wrap-up", "dthms"), "not_ready": ("Not ready", "dthms"),
               "not_answered": ("Alerts not taken", "short")},
              hidden=("Time",), sort="Completed", height=14),
        bars("Contacts in hand, by channel", "Contacts that agents have now, by channel.",
             influxql('SELECT sum("active") FROM (SELECT last("active") AS "active" FROM "agent_by_channel_itd" '
                      f'WHERE {chosen("agent")} GROUP BY "agent_id", "channel_id") WHERE $timeFilter '
                      'GROUP BY "channel_id"',
                      "$tag_channel_id"), width=12, no_data=none),
        bars("Completed by agent", "Contacts completed in the interval.",
             influxql(f'SELECT last("completed") FROM "agent_itd" WHERE {chosen("agent")} GROUP BY "agent_id"',
                      "$tag_agent_id"), width=12, no_data=none),
    ]
    variables = [
        tag("account", "Account", "agent_itd"),
        tag("agent", "Agent", "agent_itd", ' WHERE "account_id" =~ /^$account$/'),
    ]
    return build(
        INFLUXDB, "axp-influxdb-agents", "AXP / Agents (InfluxDB)",
        "Agents of a contact centre on the Avaya Experience Platform, from the lines of axp-exporter.",
        variables, [(None, now), ("States", states), ("Agents", people)], span="now-1h",
    )
