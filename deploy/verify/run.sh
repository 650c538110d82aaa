#!/usr/bin/env bash
# Proves images and compose.yaml by running them, unchanged, where there is neither Docker nor a registry. As root, on Debian
# 12 or later, after `make setup`:
#
#     apt-get install podman buildah runc debootstrap netavark aardvark-dns openssl
#     deploy/verify/run.sh                 every step, then what came of each
#     deploy/verify/run.sh core smoke      some of them; what is built or runs already is taken as it is
#     deploy/verify/run.sh down            takes the containers away, which KEEP=1 leaves
#
# Ports are those of compose.yaml, from the environment: NEOFORGE_PORT, NEOFORGE_POSTGRES_PORT, ...
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
# shellcheck source=deploy/verify/podman.sh
source "$here/podman.sh"
# shellcheck source=deploy/verify/stack.sh
source "$here/stack.sh"

export NEOFORGE_PORT=${NEOFORGE_PORT:-8080}
export NEOFORGE_PUBLIC_URL=http://localhost:$NEOFORGE_PORT
export NEOFORGE_SECRETS=${NEOFORGE_SECRETS:-$root/.data/verify}
python=$root/.venv/bin/python
password=$(openssl rand -hex 16)
mail() { echo "verify-$1-${password:0:6}@example.test"; }

images() { # bases and ours are built; each holds its own alone, and refuses to start without its settings
    "$here/images.sh"
    "$here/build.sh"
}

core() { # compose.yaml comes up in its order, two replicas of what is restarted later, every health check holds, and so does HTTPS
    down
    deploy/compose/secrets.sh
    start gateway=2 projects=2 auth=2
    until_true 180 "ready" curl --fail --silent --max-time 5 "$NEOFORGE_PUBLIC_URL/ready"
    until_true 30 "ready by HTTPS, with a certificate of this stack's authority" \
        curl --fail --silent --max-time 5 --cacert "$NEOFORGE_SECRETS/ca.crt" "https://localhost:${NEOFORGE_TLS_PORT:-8443}/ready"
    until_healthy $(podman ps --filter "label=$project" --format '{{index .Labels "com.docker.compose.service"}}' | sort -u)
    podman stats --no-stream --format '{{.Name}}  {{.MemUsage}}'
}

migrations() { # by their own container, and from the serving one, which has not the login to change anything
    compose run --rm --no-deps -T projects-migrate
    compose run --rm --no-deps -T projects migrate
    ! podman exec "$(containers projects | head -n 1)" ls /run/secrets/migration-database-url 2>/dev/null
}

smoke() { # make smoke
    account "$(mail smoke)"
    NEOFORGE_TOKEN=$("$python" "$here/sign_in.py" "$NEOFORGE_PUBLIC_URL" "$(mail smoke)" "$password")
    export NEOFORGE_TOKEN
    make --no-print-directory smoke URL="$NEOFORGE_PUBLIC_URL"
}

rolling() { # every replica of projects, auth and the gateway restarted in turn under load: no request is lost
    local service container load
    account "$(mail load)"
    "$python" "$here/load.py" "$NEOFORGE_PUBLIC_URL" "$(mail load)" "$password" & load=$!
    # shellcheck disable=SC2064 # this very process
    trap "kill $load 2>/dev/null || true" EXIT
    sleep 5
    for service in projects auth gateway; do
        for container in $(containers "$service"); do
            podman restart --time 35 "$container" >/dev/null
            until_true 90 "$container is healthy" healthy "$container"
            sleep 20 # minReadySeconds of the chart: callers learn the address that it has now
            echo "restarted $container"
        done
    done
    kill -TERM "$load"
    wait "$load"
}

observability() { # Prometheus, Alertmanager and exporters with the configuration of compose.yaml: what they see
    compose --profile observability up --detach --no-build --no-deps postgres-exporter redis-exporter prometheus alertmanager >/dev/null
    until_healthy prometheus alertmanager
    "$python" "$here/observability.py" "http://127.0.0.1:${NEOFORGE_PROMETHEUS_PORT:-9090}" "http://127.0.0.1:${NEOFORGE_ALERTMANAGER_PORT:-9093}"
}

capacity() { # CPU per request, and what one and two replicas of a gateway bound to a part of a core bring of it
    local n
    for n in 1 2 3 4; do account "$(mail "capacity-$n")"; done
    "$python" "$here/capacity.py" "$NEOFORGE_PUBLIC_URL" "$password" "$(mail capacity-1)" "$(mail capacity-2)" "$(mail capacity-3)" "$(mail capacity-4)"
}

development() { # with compose.override.yaml a change of this checkout is in the process after its restart, without a build
    local copy gateway
    copy=$(mktemp -d)
    # shellcheck disable=SC2064 # this very folder
    trap "rm -rf $copy" EXIT
    git ls-files -z | xargs --null cp --parents --target-directory "$copy" --no-dereference
    chmod -R a+rX "$copy"
    down
    (cd "$copy" && "$python" deploy/verify/start.py --override)
    until_true 180 "ready" curl --fail --silent --max-time 5 "$NEOFORGE_PUBLIC_URL/ready"
    gateway=$(containers gateway)
    podman exec "$(containers projects-worker)" python -P -c 'import projects; print(projects.__file__)'
    sed -i 's/"alive"/"alive and changed"/' "$copy/gateway/src/gateway/probes.py"
    podman restart --time 35 "$gateway" >/dev/null
    until_true 90 "the gateway has the change" sh -c "curl --fail --silent '$NEOFORGE_PUBLIC_URL/health' | grep -q 'alive and changed'"
    curl --silent "$NEOFORGE_PUBLIC_URL/health" && echo
}

if [ "${1:-}" = down ]; then down; exit; fi
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(images core migrations smoke rolling observability capacity development)
summary=() failed=0
[ -n "${KEEP:-}" ] || trap down EXIT
for number in "${!steps[@]}"; do
    step=${steps[$number]}
    echo "==> [$((number + 1))/${#steps[@]}] $step: $(sed -n "s/^$step() { # //p" "$here/run.sh")"
    begun=$SECONDS status=0
    set +e # else a step would not end at its first fault
    (set -e && trap - EXIT && "$step")
    status=$?
    set -e
    if [ $status -eq 0 ]; then said=holds; else said="FAILED ($status)" failed=1; fi
    summary+=("$(printf '%-14s %5d s  %s' "$step" $((SECONDS - begun)) "$said")")
    if [ $status -ne 0 ]; then
        what_went_wrong || true
        break # what follows stands on it
    fi
done
echo "==> what came of it"
printf '%s\n' "${summary[@]}"
exit $failed
