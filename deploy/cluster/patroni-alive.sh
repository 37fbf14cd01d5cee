#!/bin/sh
# Ends a Patroni that hangs, or whose standby stays at its start, with its PostgreSQL, so that systemd starts both again: a service
# of its own on each database machine.
#   patroni-alive.sh ADDRESS systemctl kill --signal=KILL patroni
address=$1 failures=0 starts=0
shift
while sleep 5; do
    if curl --silent --fail --max-time 5 --output /dev/null "http://$address:8008/liveness"; then
        failures=0
    else
        failures=$((failures + 1))
    fi
    # A standby that lost its new primary while it was rewound waits for WAL that no one sends, for good (Patroni 4.0). Replay after a
    # crash takes less than these two minutes: it begins max_wal_size back.
    if curl --silent --max-time 5 "http://$address:8008/patroni" | grep --quiet '"state": "starting"'; then
        starts=$((starts + 1))
    else
        starts=0
    fi
    if [ "$failures" -ge 4 ] || [ "$starts" -ge 24 ]; then
        echo "Patroni does not answer or does nothing, or PostgreSQL does not start: $*"
        "$@"
        failures=0 starts=0
    fi
done
