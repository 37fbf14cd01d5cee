#!/bin/sh
# Creates what compose.three-nodes.yaml needs: passwords in deploy/.env, and in deploy/secrets the server's secret, a certificate
# authority, certificates for PostgreSQL, Valkey and the nodes, and Valkey's users. What is there already stays: delete a file to have it
# created again. Each file can only be read by the user of its container, so this runs sudo unless you are root.
#   sh deploy/secrets.sh
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
days=825
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# place NAME USER: what is on standard input becomes secrets/NAME, which only this user can read.
place() {
    cat > "$work/placed"
    if [ "$(id -u)" = 0 ]; then
        install -o "$2" -g "$2" -m 0400 "$work/placed" "secrets/$1"
    else
        sudo install -o "$2" -g "$2" -m 0400 "$work/placed" "secrets/$1"
    fi
}

# read_secret NAME: its content, though it belongs to another user.
read_secret() {
    if [ "$(id -u)" = 0 ]; then cat "secrets/$1"; else sudo cat "secrets/$1"; fi
}

# certificate NAME USER HOSTS: a key, and a certificate for these hosts of the networks of Compose.
certificate() {
    if [ -e "secrets/$1.crt" ] && [ -e "secrets/$1.key" ]; then return; fi
    names=$(printf 'DNS:%s,' $3)
    read_secret ca.key > "$work/ca.key"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$work/key" -out "$work/request" 2>/dev/null
    printf 'subjectAltName=%sDNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' "$names" > "$work/extensions"
    openssl x509 -req -in "$work/request" -CA secrets/ca.crt -CAkey "$work/ca.key" -CAcreateserial -CAserial "$work/serial" \
        -days "$days" -sha256 -extfile "$work/extensions" -out "$work/certificate" 2>/dev/null
    place "$1.crt" "$2" < "$work/certificate"
    place "$1.key" "$2" < "$work/key"
}

# Each password once, as a line of .env.
touch .env
for name in POSTGRES_PASSWORD DATABASE_OWNER_PASSWORD DATABASE_PASSWORD VALKEY_PASSWORD; do
    grep -q "^$name=" .env || echo "$name=$(openssl rand -hex 24)" >> .env
done
valkey_password=$(sed -n 's/^VALKEY_PASSWORD=//p' .env)

[ -e secrets/rollbook ] || openssl rand -hex 32 | place rollbook 10001
if ! [ -e secrets/ca.crt ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Rollbook's own authority" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
    place ca.key 0 < "$work/ca.key"
    # Everyone may know it.
    install -m 0444 "$work/ca.crt" secrets/ca.crt
fi
# The users of the images.
certificate postgres 999 postgres
certificate valkey 999 valkey
certificate node 10001 "node1 node2 node3"
# Not the password, only its SHA-256. Each time, since the password may have changed.
{
    echo "user default off"
    echo "user rollbook on #$(printf %s "$valkey_password" | openssl dgst -sha256 -r | cut -c1-64) $(cat valkey/permissions)"
} | place valkey.acl 999
echo "deploy/.env and deploy/secrets are complete."
