#!/bin/sh
# Ends a Patroni that hangs, so that systemd starts it again: a service of its own on each database machine.
#   patroni-alive.sh ADDRESS systemctl kill --signal=KILL patroni
address=$1 failures=0
shift
while sleep 5; do
    if curl --silent --fail --max-time 5 --output /dev/null "http://$address:8008/liveness"; then
        failures=0
    elif failures=$((failures + 1)) && [ "$failures" -ge 4 ]; then
        echo "Patroni does not answer or does nothing: $*"
        "$@"
        failures=0
    fi
done
