#!/bin/sh
# Events out of a file, or several: lines on stdout. Further arguments are the filter's own:
#
#     shell.sh events.jsonl -c config.toml > lines
#     shell.sh events.jsonl --output prometheus > /var/lib/node_exporter/textfile/axp.prom
#
# Events that stand over many lines, as people write them, go through `jq -c .` first.
set -eu
events=$1
shift
axp-exporter filter "$@" < "$events"
