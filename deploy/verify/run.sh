#!/usr/bin/env bash
# Proves compose.yaml by running it, unchanged, with podman-compose: images built, the core brought up with migrations,
# `make smoke` against it, then each process restarted in turn under load. Needs `make setup`, root, and Debian 12 or later:
#
#     apt-get install podman buildah runc debootstrap netavark aardvark-dns openssl
#     deploy/verify/run.sh                 (NEOFORGE_PORT and the other ports of compose.yaml from the environment)
#
# BUILT=1 takes the images that are there, RUNNING=1 the containers too; KEEP=1 leaves it running; `deploy/verify/run.sh down` takes it away.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
# shellcheck source=deploy/verify/podman.sh
source "$here/podman.sh"

export NEOFORGE_PORT=${NEOFORGE_PORT:-8080}
export NEOFORGE_PUBLIC_URL=http://localhost:$NEOFORGE_PORT
export NEOFORGE_SECRETS=${NEOFORGE_SECRETS:-$root/.data/verify}
compose() { .venv/bin/podman-compose --in-pod false --file compose.yaml "$@"; }
containers() { podman ps --filter "label=com.docker.compose.service=$1" --format '{{.Names}}' | sort; }
down() {
    compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    # What an interrupted start left, which stands in the way of the next.
    podman ps --all --quiet --filter label=io.podman.compose.project=neoforge | xargs --no-run-if-empty podman rm --force --depend --volumes >/dev/null 2>&1 || true
    podman volume ls --quiet --filter label=io.podman.compose.project=neoforge | xargs --no-run-if-empty podman volume rm --force >/dev/null 2>&1 || true
    podman network rm neoforge_edge neoforge_inner neoforge_data >/dev/null 2>&1 || true
}
until_true() { # SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1))
    until "${@:3}" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "$2: not within $1 s" >&2; exit 1; }
        sleep 0.5
    done
}
healthy() { podman healthcheck run "$1"; }

if [ "${1:-}" = down ]; then down; exit; fi

if [ -z "${BUILT:-}" ]; then
    "$here/images.sh"
    echo "==> our images"
    "$here/build.sh"
fi

[ -n "${RUNNING:-}" ] || down
deploy/compose/secrets.sh
[ -n "${KEEP:-}" ] || trap down EXIT
began=$SECONDS
echo "==> compose.yaml, two replicas of what is restarted below"
[ -n "${RUNNING:-}" ] || .venv/bin/python "$here/start.py" gateway=2 projects=2 auth=2
until_true 180 "ready" curl --fail --silent --max-time 5 "$NEOFORGE_PUBLIC_URL/ready"
echo "ready after $((SECONDS - began)) s"
for service in postgres redis mail projects projects-worker support community status auth gateway envoy; do
    for container in $(containers "$service"); do until_true 60 "$container is healthy" healthy "$container"; done
done
echo "every health check holds"

echo "==> docker compose run --rm projects migrate"
compose run --rm --no-deps -T projects migrate

echo "==> the first administrator, and a token"
password=$(openssl rand -hex 16)
mail=verify-$(openssl rand -hex 4)@example.test
compose run --rm --no-deps -T auth bootstrap-admin "$mail" <<<"$password"
NEOFORGE_TOKEN=$(.venv/bin/python "$here/sign_in.py" "$NEOFORGE_PUBLIC_URL" "$mail" "$password")
export NEOFORGE_TOKEN

echo "==> make smoke"
make --no-print-directory smoke URL="$NEOFORGE_PUBLIC_URL"

echo "==> a rolling restart under load"
.venv/bin/python "$here/load.py" "$NEOFORGE_PUBLIC_URL" "$mail" "$password" & load=$!
for service in projects auth gateway; do
    for container in $(containers "$service"); do
        podman restart --time 30 "$container" >/dev/null
        until_true 90 "$container is healthy" healthy "$container"
        sleep 6 # as minReadySeconds of the chart: callers learn the address that it has now
        echo "restarted $container"
    done
done
kill -TERM "$load"
wait "$load"

echo "==> what runs, as whom, and with what memory"
podman stats --no-stream --format '{{.Name}}  {{.MemUsage}}' || true
podman inspect --format '{{.Name}} user={{.Config.User}} read-only={{.HostConfig.ReadonlyRootfs}} exits={{.State.ExitCode}}' $(podman ps --quiet --filter label=io.podman.compose.project=neoforge)
