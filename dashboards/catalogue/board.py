"""A board: its variables, its links to the others, and its panels set out on the grid of 24 columns."""

from .panel import INFLUXDB, PROMETHEUS

GRID_COLUMNS = 24
# Taken by Grafana 8.3 as well as by the newest, which bring older ones up to date themselves.
SCHEMA_VERSION = 36


def datasource(kind):
    """The choice of the data source."""
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": kind,
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "current": {},
        "options": [],
    }


def variable(source, name, label, query, *, regex="", every=".*", single=False):
    """A choice among what the data source has; `every` is what it stands for when all are chosen."""
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": source.reference,
        "query": query,
        "definition": query,
        "regex": regex,
        # When the time range changes: agents come and go.
        "refresh": 2,
        "sort": 5,
        "hide": 0,
        "multi": not single,
        "includeAll": not single,
        "allValue": None if single else every,
        "current": {} if single else everything,
        "options": [],
    }


def build(source, uid, title, description, variables, rows, *, refresh="10s", span="now-3h", kiosk=False):
    """The dashboard. `rows` are (heading or None, panels)."""
    kind = source.reference["type"]
    return {
        # No id: Grafana gives its own. The uid stays, so that an import replaces what was there.
        "id": None,
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["axp", "contact-centre", kind],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        # Changes here would be lost at the next provisioning; a copy may be changed freely.
        "editable": False,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "timezone": "browser",
        "refresh": refresh,
        "time": {"from": span, "to": "now"},
        "timepicker": {"hidden": kiosk, "refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "AXP boards",
                "tags": ["axp", kind],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": False,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "The other boards, with the same choices",
                "url": "",
            }
        ],
        "templating": {"list": [datasource(kind), *variables]},
        "panels": layout(rows),
    }


def layout(rows):
    """Places panels from left to right, row by row, and numbers them."""
    placed = []
    top = 0

    def put(built, left, top):
        built["id"] = len(placed) + 1
        built["gridPos"] |= {"x": left, "y": top}
        placed.append(built)

    for heading, panels in rows:
        if heading:
            place = {"w": GRID_COLUMNS, "h": 1}
            put({"type": "row", "title": heading, "collapsed": False, "gridPos": place, "panels": []}, 0, top)
            top += 1
        left = deepest = 0
        for built in panels:
            if left + built["gridPos"]["w"] > GRID_COLUMNS:
                left, top, deepest = 0, top + deepest, 0
            put(built, left, top)
            left += built["gridPos"]["w"]
            deepest = max(deepest, built["gridPos"]["h"])
        top += deepest
    return placed


def scraped(info):
    """The choice of exporters: the labels that Prometheus gives to what it scrapes."""
    return [
        variable(PROMETHEUS, "job", "Job", f"label_values({info}, job)", every=".+"),
        variable(PROMETHEUS, "instance", "Instance", f'label_values({info}{{job=~"$job"}}, instance)', every=".+"),
    ]


def account(info):
    """The choice of accounts, in Prometheus."""
    query = f'label_values({info}{{job=~"$job",instance=~"$instance"}}, account_id)'
    return variable(PROMETHEUS, "account", "Account", query)


def tag(name, label, measurement, where=""):
    """The choice among the values of a tag in InfluxDB."""
    query = f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{name}_id"{where}'
    return variable(INFLUXDB, name, label, query)
