# Sourced by run.sh: the containers of compose.yaml, by podman-compose.
# shellcheck shell=bash
project=io.podman.compose.project=neoforge

compose() { "$root/.venv/bin/podman-compose" --in-pod false --file compose.yaml "$@"; }
start() { "$root/.venv/bin/python" deploy/verify/start.py "$@"; }
containers() { podman ps --filter "label=com.docker.compose.service=$1" --format '{{.Names}}' | sort; }
healthy() { podman healthcheck run "$1"; }
down() {
    compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    # What an interrupted start left, which stands in the way of the next.
    podman ps --all --quiet --filter "label=$project" | xargs --no-run-if-empty podman rm --force --depend --volumes >/dev/null 2>&1 || true
    podman volume ls --quiet --filter "label=$project" | xargs --no-run-if-empty podman volume rm --force >/dev/null 2>&1 || true
    podman network rm neoforge_edge neoforge_inner neoforge_data >/dev/null 2>&1 || true
}
until_true() { # SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1))
    until "${@:3}" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "$2: not within $1 s" >&2; return 1; }
        sleep 0.5
    done
}
until_healthy() { # SERVICE...
    local service container
    for service in "$@"; do
        for container in $(containers "$service"); do until_true 90 "$container is healthy" healthy "$container"; done
    done
}
account() { # MAIL: an administrator, with the password of this run
    compose run --rm --no-deps -T auth add-account "$1" --role admin <<<"$password" >/dev/null
}
what_went_wrong() { # the last words of every container that is not well
    local container
    for container in $(podman ps --all --filter "label=$project" --format '{{.Names}}'); do
        case $container in
        *_run_* | *-migrate_1 | neoforge_roles_1) [ "$(podman inspect --format '{{.State.ExitCode}}' "$container")" = 0 ] && continue ;;
        *) healthy "$container" >/dev/null 2>&1 && continue ;;
        esac
        echo "--- $container: $(podman inspect --format '{{.State.Status}}, exit status {{.State.ExitCode}}' "$container")"
        podman logs --tail 15 "$container" 2>&1
    done
}
