#!/usr/bin/env bash
# Installs Debian's packages that `make lint` and `make test` need, as root. .ci/run calls it; no task does: it changes the machine.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

packages=(
    ca-certificates make python3 python3-venv
    npm                                       # make lint, the tests of the documented examples and of generated clients
    default-jre-headless                      # openapi-generator, in the tests of generated clients
    chromium-headless-shell fonts-dejavu-core # the browser tests; without a font, text has no width
    postgresql-common postgresql pgbouncer valkey-server
    haproxy bubblewrap strace systemd         # the tests of deploy/
    prometheus                                # the tests of deploy/prometheus and deploy/grafana
)
missing=()
for package in "${packages[@]}"; do
    [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

install=(apt-get install -y -qq --no-install-recommends)
apt-get update -qq
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    # The tests start servers of their own. Without this, the package would create one and start it on port 5432.
    "${install[@]}" postgresql-common
    sed -Ei 's/^#?\s*create_main_cluster\s*=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi
if [[ " ${missing[*]} " == *" prometheus "* ]]; then
    # Neither does anything need a Prometheus that runs all the time: systemd is told not to start this one.
    mkdir -p /etc/systemd/system
    ln -sf /dev/null /etc/systemd/system/prometheus.service
fi
"${install[@]}" "${missing[@]}"
