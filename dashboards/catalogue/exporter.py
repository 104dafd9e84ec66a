"""The exporter itself: its feeds, what it refuses, where lines go, how near its limits it is."""

from . import colour
from .board import build, scraped
from .panel import PROMETHEUS, lines, promql, stat, table, words
from .promql import EXPORTER

BY_FEED = "instance, measure_producer_id"


def own(metric, more=""):
    return f"axp_exporter_{metric}{{{EXPORTER}{',' + more if more else ''}}}"


def rate(metric, by="", more=""):
    return f"sum{by} (rate({own(metric, more)}[$__rate_interval]))"


def now():
    return [
        stat("Feeds", "Whether all of AXP's feeds are connected.", promql(f"min({own('feed_up')})"), "none",
             background=True, width=4,
             mappings=words(v0=("✖ a feed is lost", colour.BAD), v1=("✔ all live", colour.GOOD)),
             thresholds=[(None, colour.BAD), (1, colour.GOOD)], no_data="✖ no exporter"),
        stat("Last event", "How long ago the last event came, on the feed that has been quiet for longest.",
             promql(f"max(time() - ({own('feed_last_event_timestamp_seconds')} > 0))"), "dtdurations",
             thresholds=colour.above(120, 900), width=4, no_data="no event yet"),
        stat("Series", "Series of measures that are shown, of all exporters chosen.",
             promql(f"sum({own('series')})"), width=3, no_data="no exporter"),
        stat("Room taken", "Series shown, as a share of limits.series; at 100 % new series are refused.",
             promql(f"max(sum by (instance) ({own('series')}) / on (instance) {own('series_limit')})"), "percentunit",
             thresholds=colour.above(0.8, 0.95), decimals=1, width=3, no_data="no exporter"),
        stat("Token", "Time until the access token ends. It is renewed long before.",
             promql(f"min({own('token_expiry_timestamp_seconds')} > 0) - time()"), "dtdurations",
             thresholds=colour.below(60, 1), width=3, no_data="no token"),
        stat("Configuration", "Whether the configuration could be used when it was read last.",
             promql(f"min({own('config_last_reload_successful')})"), "none", background=True, width=4,
             mappings=words(v0=("✖ not reloaded", colour.BAD), v1=("✔ as in the file", colour.GOOD)),
             thresholds=[(None, colour.BAD), (1, colour.GOOD)], no_data="no exporter"),
        stat("Version", "The program that runs.", promql(own("build_info"), "{{version}} {{revision}}"), "none",
             text="name", width=3, no_data="no exporter"),
    ]


def feeds():
    up = words(v0=("✖ lost", colour.BAD), v1=("✔ live", colour.GOOD))
    whole = words(v0=("◌ open", colour.WARN), v1=("● complete", colour.GOOD))
    queries = [
        f"max by ({BY_FEED}) ({own('feed_up')})",
        f"max by ({BY_FEED}) ({own('feed_snapshot_complete')})",
        f"time() - max by ({BY_FEED}) ({own('feed_last_event_timestamp_seconds')} > 0)",
        f"max by ({BY_FEED}) ({own('feed_ping_seconds')})",
        f"max by ({BY_FEED}) ({own('subscription_expiry_timestamp_seconds')} > 0) - time()",
        f"sum by ({BY_FEED}) ({own('rows')})",
        f"sum by ({BY_FEED}) ({own('series')})",
        f"sum by ({BY_FEED}) ({own('reconnects_total')})",
        f"max by ({BY_FEED}, status) ({own('subscription_status')} == 1)",
    ]
    columns = {
        "instance": ("Instance", "string"),
        "measure_producer_id": ("Producer", "string"),
        "Value #A": ("Feed", "none", {"mappings": up, "custom.displayMode": "color-text"}),
        "Value #B": ("Snapshot", "none", {"mappings": whole, "custom.displayMode": "color-text"}),
        "Value #C": ("Last event", "dtdurations"),
        "Value #D": ("Ping", "s"),
        "status": ("Subscription", "string"),
        "Value #E": ("Subscription left", "dtdurations"),
        "Value #F": ("Rows", "short"),
        "Value #G": ("Series", "short"),
        "Value #H": ("Reconnects", "short"),
    }
    return [
        table("Feeds", "One feed a producer: its connection, how old its last event is, what it holds, and how "
              "often it was lost since the exporter started.",
              [promql(query) for query in queries], columns, hidden=("Time", "Value #I"), sort="Last event", height=7),
        lines("Events", "Events a second, by producer.",
              [promql(rate("events_total", " by (measure_producer_id)"), "{{measure_producer_id}}")], "cps", width=8),
        lines("Age of the last event", "How long each feed has been quiet.",
              [promql(f"time() - ({own('feed_last_event_timestamp_seconds')} > 0)", "{{measure_producer_id}}")],
              "s", width=8),
        lines("Lost feeds, by reason", "Sessions that ended, a minute, by what ended them. Empty is well.",
              [promql(f"{rate('reconnects_total', ' by (measure_producer_id, reason)')} * 60 > 0",
                      "{{measure_producer_id}}: {{reason}}")], "cpm", width=8, no_data="none was lost"),
        lines("Refused authentication", "Websockets a minute whose server refused the token or the subscription, by what "
              "it said. Empty is well.",
              [promql(f"""{rate('authentications_total', ' by (status)', 'status!="confirmed"')} * 60 > 0""",
                      "{{status}}")], "cpm", width=8, no_data="none was refused"),
        lines("Calls to AXP", "Requests to AXP's REST interfaces a minute, by outcome.",
              [promql(f"{rate('api_requests_total', ' by (outcome)')} * 60", "{{outcome}}")], "cpm", width=8),
        lines("Subscription left", "Time until each subscription ends unless it is renewed: a line that falls to 0 was "
              "not.",
              [promql(f"({own('subscription_expiry_timestamp_seconds')} > 0) - time()", "{{measure_producer_id}}")],
              "s", width=8),
    ]


def refusals():
    return [
        lines("Readings", "Values of measures a second, by what became of them.",
              [promql(rate("readings_total", " by (outcome)"), "{{outcome}}")], "cps", width=8),
        lines("Refused readings, by reason", "Values of measures a minute that could not be taken. Empty is well.",
              [promql(f"{rate('readings_rejected_total', ' by (reason)')} * 60 > 0", "{{reason}}")], "cpm", width=8,
              no_data="none was refused"),
        lines("Refused events, by reason", "Events a minute that could not be taken. Empty is well.",
              [promql(f"{rate('events_rejected_total', ' by (reason)')} * 60 > 0", "{{reason}}")], "cpm", width=8,
              no_data="none was refused"),
        lines("Refused rows and connections", "A minute: rows that were not shown, connections that TLS kept from "
              "being made, scrapes that were sent away.",
              [promql(f"{rate('rows_refused_total')} * 60", "Rows"),
               promql(f"{rate('tls_errors_total')} * 60", "TLS connections"),
               promql(f"{rate('scrapes_refused_total')} * 60", "Scrapes")], "cpm", width=8),
        lines("Retired rows, by cause", "Rows a minute that were removed: by AXP's DELETE, by a snapshot without them, "
              "with a lost feed, by a reload.",
              [promql(f"{rate('rows_retired_total', ' by (cause)')} * 60", "{{cause}}")], "cpm", width=8),
        lines("Rows", "Rows held, by producer.",
              [promql(f"sum by (measure_producer_id) ({own('rows')})", "{{measure_producer_id}}")], width=8),
    ]


def sinks():
    up = words(v0=("✖ failing", colour.BAD), v1=("✔ writing", colour.GOOD))
    none = "no sink configured"
    return [
        stat("Sinks", "Whether the last write to each sink of lines went through.",
             promql(own("influx_up"), "{{sink}}"), "none", text="value_and_name", background=True, width=4, height=8,
             mappings=up, thresholds=[(None, colour.BAD), (1, colour.GOOD)], no_data=none),
        lines("Lines", "Lines a second, by sink and by what became of them.",
              [promql(rate("influx_lines_total", " by (sink, outcome)"), "{{sink}}: {{outcome}}")], "cps", width=10,
              no_data=none),
        lines("Waiting lines", "Bytes of lines that wait in memory and on disk. What grows is not delivered.",
              [promql(f"sum by (sink) ({own('influx_queue_bytes')})", "{{sink}}: memory"),
               promql(f"sum by (sink) ({own('influx_spool_bytes')})", "{{sink}}: disk")], "bytes", width=10,
              no_data=none),
    ]


def process():
    buckets = f"sum by (le) (rate({own('scrape_duration_seconds_bucket')}[$__rate_interval]))"
    return [
        lines("Scrape time", "How long scrapes took until their answer was there: half of them, and all but one in a "
              "hundred.",
              [promql(f"histogram_quantile(0.5, {buckets})", "half"),
               promql(f"histogram_quantile(0.99, {buckets})", "99 %")], "s", width=6),
        lines("Series and limit", "Series shown and the most there may be.",
              [promql(f"sum by (instance) ({own('series')})", "{{instance}}: series"),
               promql(own("series_limit"), "{{instance}}: limit")], width=6),
        lines("Memory", "Memory in use.",
              [promql(f"process_resident_memory_bytes{{{EXPORTER}}}", "{{instance}}")], "bytes", width=6),
        lines("Processor", "Processor time used, 100 % being one core.",
              [promql(f"rate(process_cpu_seconds_total{{{EXPORTER}}}[$__rate_interval])", "{{instance}}")],
              "percentunit", width=6),
    ]


def board():
    return build(
        PROMETHEUS, "axp-exporter", "AXP / Exporter",
        "axp-exporter itself: feeds, refusals, sinks and limits. For those who run it.",
        scraped("axp_exporter_build_info"),
        [(None, now()), ("Feeds", feeds()), ("Refusals", refusals()), ("Sinks of lines", sinks()),
         ("Limits", process())],
        refresh="30s",
    )
