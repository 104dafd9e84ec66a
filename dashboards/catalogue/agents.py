"""Agents: who is there, in which state and why, for how long, and how busy."""

from . import colour
from .board import account, build, scraped, variable
from .panel import PROMETHEUS, bars, lines, promql, stat, table, words
from .promql import ACCOUNT, AGENT, HANDLING, agent, feed, of_several

STEM = "agent_itd"
STATES = {"READY": colour.BLUE, "NOT_READY": colour.ORANGE, "LOGGED_OUT": colour.GREY}
STATE_WORDS = words(
    READY=("● ready", colour.BLUE),
    NOT_READY=("◌ not ready", colour.ORANGE),
    LOGGED_OUT=("✕ logged out", colour.GREY),
)
ACTIVITIES = {
    "Available": colour.SKY,
    "On a contact": colour.BLUE,
    "On hold": colour.YELLOW,
    "In wrap-up": colour.PURPLE,
    "Not ready": colour.ORANGE,
}
NOBODY = "nobody logged in"
SHOWN_AGENTS = 15


def since(what):
    return f"axp_{STEM}_time_{what}_timestamp_seconds{{{AGENT}}}"


def in_state(state):
    return f'axp_{STEM}_agent_state{{{AGENT},state="{state}"}} == 1'


def counted(expr):
    """How many there are; 0 only while there are agents at all."""
    return f"count({expr}) or 0 * count({since('logged_in')})"


def available():
    on = "unless on (account_id, agent_id)"
    return counted(f"({in_state('READY')}) {on} {since('active')} {on} {since('on_hold')} {on} {since('in_acw')}")


def by_agent(measure):
    return f"sum by (account_id, agent_id) (axp_{STEM}_{measure}{{{AGENT}}})"


def occupancy(by=""):
    handling = of_several(STEM, HANDLING, AGENT)
    staffed = of_several(STEM, "(active|hold|acw|idle_time)_duration_seconds", AGENT)
    return f"sum{by} ({handling}) / (sum{by} ({staffed}) > 0)"


def handle_time():
    by = " by (account_id, agent_id)"
    return f"sum{by} ({of_several(STEM, HANDLING, AGENT)}) / ({by_agent('completed')} > 0)"


def now():
    return [
        *feed("Agent.*"),
        stat("Logged in", "Agents who are logged in, whatever they do.",
             promql(f"count({since('logged_in')})"), no_data=NOBODY),
        stat("Available", "Agents who are ready and have no contact. One at whom a contact alerts counts here.",
             promql(available()), thresholds=colour.below(3, 1), no_data=NOBODY),
        stat("On a contact", "Agents who talk to a contact or have it on hold.",
             promql(counted(f"{since('active')} or {since('on_hold')}")), no_data=NOBODY),
        stat("In wrap-up", "Agents who finish the work of a contact that has gone.",
             promql(counted(since("in_acw"))), no_data=NOBODY),
        stat("Not ready", "Agents who take no contacts.",
             promql(counted(in_state("NOT_READY"))), no_data=NOBODY),
        stat("Occupancy", "Share of the ready time of the interval that was spent on contacts: talk, hold and wrap-up. "
             "Above 85 % for long, agents wear out.",
             promql(occupancy()), "percentunit", thresholds=colour.above(0.85, 0.92), decimals=0,
             no_data="no ready time"),
    ]


def over_time():
    activities = [
        promql(available(), "Available"),
        promql(counted(since("active")), "On a contact"),
        promql(counted(since("on_hold")), "On hold"),
        promql(counted(since("in_acw")), "In wrap-up"),
        promql(counted(in_state("NOT_READY")), "Not ready"),
    ]
    reasons = f'count by (reason_code_name) (axp_{STEM}_info{{{AGENT},reason_code_name!=""}})'
    return [
        lines("Agents by state", "Agents in each state that AXP gives them, stacked: the height is who is logged in.",
              [promql(f"sum by (state) (axp_{STEM}_agent_state{{{AGENT}}})", "{{state}}")],
              stacked=True, colours=STATES),
        lines("Agents by what they do", "Ready agents apart by what they are at. An agent who has gone not ready "
              "during a contact counts twice until it ends.",
              activities, stacked=True, colours=ACTIVITIES),
        bars("Not ready, by reason", "Agents who are not ready, by the reason they gave. Without a reason code "
             "an agent is not in here.",
             promql(f"sort_desc({reasons})", "{{reason_code_name}}"), thresholds=colour.plain(colour.ORANGE),
             width=8, no_data="nobody with a reason"),
        lines("Not ready over time, by reason", "Agents who are not ready, by the reason they gave, stacked.",
              [promql(reasons, "{{reason_code_name}}")], stacked=True, width=16),
    ]


def people():
    ids = "account_id, agent_id"
    queries = [
        agent(f"max by ({ids}) ({since('logged_in')})", "reason_code_name"),
        f"max by ({ids}, state) (axp_{STEM}_agent_state{{{AGENT}}} == 1)",
        f"time() - max by ({ids}) ({since('in_state')})",
        f"time() - max by ({ids}) ({since('active')})",
        f"time() - max by ({ids}) ({since('logged_in')})",
        by_agent("completed"),
        handle_time(),
        occupancy(" by (account_id, agent_id)"),
        by_agent("total_time_not_ready_seconds"),
        by_agent("not_answered"),
    ]
    columns = {
        "agent": ("Agent", "string"),
        "state": ("State", "string", {"mappings": STATE_WORDS, "custom.displayMode": "color-text"}),
        "reason_code_name": ("Reason", "string"),
        "Value #C": ("In state for", "dthms"),
        "Value #D": ("On contact for", "dthms"),
        "Value #E": ("Logged in for", "dthms"),
        "Value #F": ("Completed", "short"),
        "Value #G": ("Handle time", "dthms"),
        "Value #H": ("Occupancy", "percentunit"),
        "Value #I": ("Not ready in all", "dthms"),
        "Value #J": ("Alerts not taken", "short"),
    }
    return [
        table("Agents", "Every agent with the time in the present state, the longest first. Counts and means are those "
              "of AXP's interval. Agents have names here only if the exporter's privacy rules keep them.",
              [promql(query) for query in queries], columns,
              hidden=("Time", "account_id", "agent_id", "agent_display_name", "Value #A", "Value #B"),
              sort="In state for", height=14),
    ]


def work():
    top = f"topk({SHOWN_AGENTS}, {{}})".format
    channels = "sum by (channel_id) (axp_agent_by_channel_itd_{}{{{}}})".format
    return [
        lines("Occupancy over time", "Share of the ready time of the interval that was spent on contacts.",
              [promql(occupancy(), "Occupancy")], "percentunit", thresholds=colour.above(0.85, 0.92), width=8, max=1),
        lines("Contacts in hand, by channel", "Contacts that agents talk to or have on hold, by channel, stacked.",
              [promql(channels("active", AGENT), "{{channel_id}}")], stacked=True, width=8),
        bars("Completed by agent", f"The {SHOWN_AGENTS} agents who completed most contacts in the interval.",
             promql(f"sort_desc({agent(top(by_agent('completed')))})", "{{agent}}"), width=8, no_data=NOBODY),
    ]


def variables():
    info = "axp_agent_itd_info"
    return [
        *scraped(info),
        account(info),
        variable(PROMETHEUS, "agent", "Agent", f"query_result({info}{{{ACCOUNT}}})",
                 regex='/agent_display_name="(?<text>[^"]+)|agent_id="(?<value>[^"]+)/g'),
    ]


def board():
    return build(
        PROMETHEUS, "axp-agents", "AXP / Agents",
        "Agents of a contact centre on the Avaya Experience Platform, as axp-exporter shows them.",
        variables(),
        [(None, now()), ("States", over_time()), ("Agents", people()), ("Work", work())],
    )
