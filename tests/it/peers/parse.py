"""Reads an exposition on stdin with the reference parser of its format, the argument, and
writes what is in it to stdout as JSON."""

import json
import sys

import prometheus_client.openmetrics.parser
import prometheus_client.parser

PARSERS = {
    "text": prometheus_client.parser,
    "openmetrics": prometheus_client.openmetrics.parser,
}

exposition = sys.stdin.buffer.read().decode("utf-8", errors="strict")
families = PARSERS[sys.argv[1]].text_string_to_metric_families(exposition)
json.dump(
    [
        {
            "name": family.name,
            "type": family.type,
            "help": family.documentation,
            "samples": [[sample.name, sample.labels, repr(sample.value)] for sample in family.samples],
        }
        for family in families
    ],
    sys.stdout,
)
