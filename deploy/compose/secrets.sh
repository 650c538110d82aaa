#!/usr/bin/env bash
# Makes what compose.yaml reads as secrets: passwords, keys, the addresses that hold them, a certificate per process.
#
#     deploy/compose/secrets.sh [FOLDER]        (.data/compose, or what NEOFORGE_SECRETS says)
#
# Repeatable: what is there stays, but for certificates that end within 30 days. The folder is its owner's alone; the
# files in it can be read by any user, since the processes in the containers are others than the one who made them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${1:-${NEOFORGE_SECRETS:-$root/.data/compose}}
mkdir -p "$folder/roles"
chmod 700 "$folder"
cd "$folder"
umask 022

kept() { # NAME COMMAND...: the file NAME with what COMMAND prints, made once and whole
    [ -s "$1" ] && return
    "${@:2}" >"$1.new"
    mv "$1.new" "$1"
}
secret() { kept "$1" openssl rand -hex 32; }

secret postgres-password
secret valkey-password
secret cursor-secret
secret auth-secret
secret invitation-secret
secret subscription-secret
secret webhook-secret-key
secret grafana-password
kept valkey.conf printf 'requirepass %s\n' "$(<valkey-password)"
kept redis-exporter.json printf '{"redis://redis:6379": "%s"}\n' "$(<valkey-password)"
kept redis-url printf 'redis://:%s@redis:6379/0\n' "$(<valkey-password)"

url() { printf 'postgresql://%s:%s@postgres:5432/neoforge\n' "$1" "$(<"roles/$1")"; }
for path in "$root"/services/*/pyproject.toml; do
    service=$(basename "$(dirname "$path")")
    secret "roles/$service"
    secret "roles/${service}_owner"
    kept "$service-database-url" url "$service"
    kept "$service-migration-database-url" url "${service}_owner"
    processes+=("$service")
done

# --- mutual TLS: an authority of this folder, whose key never leaves it, and for each process its name ------------------
lasts() { [ -s "$1" ] && openssl x509 -noout -checkend $((30 * 86400)) -in "$1" >/dev/null; }
key() { (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$1"); }

if ! lasts ca.crt; then
    key ca.key
    openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=NeoForge compose authority" \
        -addext basicConstraints=critical,CA:true,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign -out ca.crt
    rm -f ./*.tls.crt edge/tls.crt
fi
issue() { # CERTIFICATE KEY NAME NAMES: each comes whole into its place, so that whoever watches reads no half of it
    key "$2.new"
    chmod 644 "$2.new"
    printf '%s\n' basicConstraints=critical,CA:false keyUsage=critical,digitalSignature \
        extendedKeyUsage=serverAuth,clientAuth "subjectAltName=$4" authorityKeyIdentifier=keyid >extensions
    openssl req -new -key "$2.new" -subj "/CN=$3" |
        openssl x509 -req -CA ca.crt -CAkey ca.key -sha256 -days 90 -extfile extensions -out "$1.new" 2>/dev/null
    rm extensions
    mv "$2.new" "$2"
    mv "$1.new" "$1"
}
for process in gateway mail "${processes[@]}"; do
    lasts "$process.tls.crt" ||
        issue "$process.tls.crt" "$process.tls.key" "$process" "URI:spiffe://neoforge/$process,DNS:$process,DNS:localhost,IP:127.0.0.1"
done
# What Envoy shows to visitors, unless NEOFORGE_EDGE_TLS names a folder with a pair of another authority.
mkdir -p edge
lasts edge/tls.crt || issue edge/tls.crt edge/tls.key localhost DNS:localhost,IP:127.0.0.1,IP:::1
echo "$folder holds the secrets of compose.yaml; certificates last until $(openssl x509 -noout -enddate -in gateway.tls.crt | cut -d= -f2)."
