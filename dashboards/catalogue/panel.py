"""Panels as Grafana's classic JSON has them, from version 8.3 on.

What shows one number or a table asks for the present alone: a range would go on showing its last
value after the series has gone, and what is stale would look alive.
"""

from .colour import plain, steps


class Source:
    """A kind of data source, chosen on the board by the variable `datasource`."""

    def __init__(self, kind):
        self.reference = {"type": kind, "uid": "${datasource}"}

    def target(self, index, query, **more):
        return {"refId": "ABCDEFGHIJKLMNOP"[index], "datasource": self.reference, **query, **more}


PROMETHEUS = Source("prometheus")
INFLUXDB = Source("influxdb")


def promql(expr, legend=""):
    """A query in PromQL; `legend` names its series by `{{label}}`."""
    return PROMETHEUS, {"expr": " ".join(expr.split()), "legendFormat": legend, "editorMode": "code"}


def influxql(query, alias=""):
    """A query in InfluxQL; `alias` names its series by `$tag_…` and `$col`."""
    return INFLUXDB, {"query": " ".join(query.split()), "rawQuery": True, "alias": alias}


def panel(kind, title, description, queries, unit, *, width=6, height=None, table=False, now=True, **more):
    """What all panels share. `no_data` stands where a query finds nothing."""
    defaults = {
        "unit": unit,
        "noValue": more.pop("no_data", "no data"),
        "color": {"mode": "thresholds"},
        "mappings": more.pop("mappings", []),
        "thresholds": steps(more.pop("thresholds", plain())),
    }
    for key in ("min", "max", "decimals"):
        if key in more:
            defaults[key] = more.pop(key)
    targets = []
    for index, (source, query) in enumerate(queries):
        if source is PROMETHEUS:
            shape = {"instant": now, "range": not now, "format": "table" if table else "time_series"}
        else:
            shape = {"resultFormat": "table" if table else "time_series"}
        targets.append(source.target(index, query, **shape))
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": queries[0][0].reference,
        "gridPos": {"w": width, "h": height},
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
        "options": more.pop("options", {}),
        "transformations": more.pop("transformations", []),
        **more,
    }


def stat(title, description, query, unit="short", *, height=4, width=3, background=False, **more):
    """One big number, or one for each series."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background" if background else "value",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "textMode": more.pop("text", "value"),
    }
    return panel("stat", title, description, [query], unit, width=width, height=height, options=options, **more)


def bars(title, description, query, unit="short", *, height=8, width=6, **more):
    """A bar for each series, the longest first where the query sorts."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "displayMode": "basic",
        "orientation": "horizontal",
        "showUnfilled": True,
    }
    return panel("bargauge", title, description, [query], unit,
                 width=width, height=height, options=options, min=0, **more)


def lines(title, description, queries, unit="short", *, height=8, width=12, stacked=False, colours=None, **more):
    """Series over time. A gap is a time of which nothing is known."""
    built = panel("timeseries", title, description, queries, unit,
                  width=width, height=height, now=False, min=more.pop("min", 0), **more)
    defaults = built["fieldConfig"]["defaults"]
    defaults["color"] = {"mode": "palette-classic"}
    defaults["custom"] = {
        "drawStyle": "line",
        "lineWidth": 2,
        "fillOpacity": 50 if stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    for name, colour in (colours or {}).items():
        built["fieldConfig"]["overrides"].append(override(name, color={"mode": "fixed", "fixedColor": colour}))
    built["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return built


def table(title, description, queries, columns, *, hidden=(), sort=None, height=10, width=24, unit="short", **more):
    """A row an entity. `columns` maps a field of the queries to its heading and unit, in order.

    The queries share the labels that name the entity; on these they are merged.
    """
    overrides = []
    for heading, column_unit, *properties in columns.values():
        properties = dict(properties[0]) if properties else {}
        if column_unit:
            properties = {"unit": column_unit, **properties}
        if properties:
            overrides.append(override(heading, **properties))
    organize = {
        "id": "organize",
        "options": {
            "excludeByName": {name: True for name in hidden},
            "indexByName": {name: index for index, name in enumerate(columns)},
            "renameByName": {name: heading for name, (heading, *_) in columns.items()},
        },
    }
    options = {"showHeader": True, "sortBy": [{"displayName": sort, "desc": True}] if sort else []}
    # A cell without a value says no more than that; the panel without a row says what is missing.
    return panel("table", title, description, queries, unit, width=width, height=height, table=True,
                 transformations=[{"id": "merge", "options": {}}, organize], options=options,
                 overrides=overrides, no_data=more.pop("no_data", "–"), **more)


def override(field, **properties):
    """Other settings for a field of this name."""
    return {
        "matcher": {"id": "byName", "options": field},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def words(**values):
    """Words and colours in the place of values; a number goes as `v1`."""
    options = {
        value.removeprefix("v"): {"text": word, "color": colour, "index": index}
        for index, (value, (word, colour)) in enumerate(values.items())
    }
    return [{"type": "value", "options": options}]
