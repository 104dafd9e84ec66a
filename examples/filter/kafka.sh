#!/bin/sh
# Events of a Kafka topic, one a message, as lines on stdout: for as long as the consumer runs.
# Arguments are the filter's own:
#
#     BOOTSTRAP=broker:9092 TOPIC=axp-events kafka.sh -c config.toml
#
# The filter writes each line as soon as its event is there. When the consumer ends, so does it,
# and says on stderr what came of the events.
set -eu
kafka-console-consumer.sh --bootstrap-server "${BOOTSTRAP:-localhost:9092}" --topic "${TOPIC:-axp-events}" \
    | axp-exporter filter "$@"
