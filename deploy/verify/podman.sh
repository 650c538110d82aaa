# Sourced by the scripts beside it: podman as it works inside a container or a small virtual machine without a registry.
# shellcheck shell=bash
settings=$(mktemp)
cat >"$settings" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
CONF
export CONTAINERS_CONF=$settings
export BUILDAH_ISOLATION=chroot
# Health checks are no part of OCI's own format of images.
export BUILDAH_FORMAT=docker

# Packages come as they come to this machine: by its network, its authorities and its pip configuration.
builder=(--network host --volume /etc/ssl/certs:/etc/ssl/certs:ro)
for file in /etc/pip.conf /usr/local/share/ca-certificates; do
    [ -e "$file" ] && builder+=(--volume "$file:$file:ro")
done
build() { podman build --quiet "${builder[@]}" "$@" >/dev/null; }
# Without systemd there is no timer to run health checks, and no need to complain of it: who waits for health runs them.
export DISABLE_HC_SYSTEMD=true
