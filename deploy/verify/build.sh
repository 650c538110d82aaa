#!/usr/bin/env bash
# Builds every image of ours with the unchanged Dockerfile, and says how large each is.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/verify/podman.sh
source "$here/podman.sh"
names=(gateway)
for path in "$root"/services/*/pyproject.toml; do names+=("$(basename "$(dirname "$path")")"); done
for name in "${names[@]}"; do
    image=neoforge/$name:${NEOFORGE_VERSION:-dev}
    build --file "$root/deploy/docker/Dockerfile" --build-arg "SERVICE=$name" --tag "$image" "$root"
    size=$(podman image inspect --format '{{.Size}}' "$image")
    printf '%-12s %4d MB\n' "$name" $((size / 1000000))
    [ "$size" -le 200000000 ] || { echo "$name is larger than 200 MB" >&2; exit 1; }
    others=()
    for other in "${names[@]}"; do [ "$other" = "$name" ] || others+=("$other"); done
    podman run --rm --interactive --read-only --cap-drop ALL --network none --entrypoint python "$image" - "$name" "${others[@]}" <"$here/contents.py"
    # Told nothing, it names every setting that is missing and ends with EX_CONFIG.
    status=0
    podman run --rm --read-only --cap-drop ALL --network none "$image" 2>/dev/null || status=$?
    [ "$status" = 78 ] || { echo "$name, told nothing, ended with $status, not 78" >&2; exit 1; }
done
