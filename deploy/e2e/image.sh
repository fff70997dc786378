#!/usr/bin/env bash
# Builds the Dockerfile for real, with buildah, and takes the image apart. No container engine, registry or network: the
# official golang image is stood in for by busybox, this machine's Go and its certificate authorities, and modules come from
# the module cache.
#
#   deploy/e2e/image.sh ROOT OUT [VERSION]
#
# ROOT is the root of the repository. The image's binary is written to OUT, and the image is pushed to PUSH, if that is set
# (registry/name:tag). What the image says of itself is printed, one thing on a line:
#
#   user 65532:65532
#   entrypoint ["/mcp-authz"]
#   label org.opencontainers.image.title=mcp-authz
#   file etc/ssl/certs/ca-certificates.crt
set -euo pipefail

fail() {
  echo "image.sh: $1" >&2
  exit 1
}

[ $# = 2 ] || [ $# = 3 ] || fail "usage: image.sh ROOT OUT [VERSION]"
root=$(realpath "$1") out=$(realpath -m "$2") version=${3:-e2e}
[ -f "$root/Dockerfile" ] || fail "$root has no Dockerfile; give the root of the repository"
[ "$(id -u)" = 0 ] || fail "building an image without a container engine needs root; run it as root"
command -v go >/dev/null || fail "go is missing; install Go 1.26"

certificates=/etc/ssl/certs/ca-certificates.crt
shell() { PATH=$PATH:/bin:/usr/bin command -v busybox; }
if ! command -v buildah >/dev/null || ! shell >/dev/null || [ ! -s $certificates ]; then
  command -v apt-get >/dev/null || fail "buildah, a static busybox or $certificates is missing; install them"
  echo "image.sh: installing buildah, busybox-static and ca-certificates" >&2
  log=$(mktemp)
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah busybox-static ca-certificates; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install them: the reason stands above"
  fi
  rm -f "$log"
fi

tmp=$(mktemp -d)
b=(buildah --root "$tmp/storage" --runroot "$tmp/run" --storage-driver vfs)
cleanup() {
  "${b[@]}" umount --all >/dev/null 2>&1 || true
  rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The modules that the build needs, into the cache.
go -C "$root" list -deps ./cmd/mcp-authz >/dev/null

base=$("${b[@]}" from scratch)
files=$("${b[@]}" mount "$base")
mkdir -p "$files/bin" "$files/etc/ssl/certs" "$files/root" "$files/tmp" "$files/usr/local/go" "$files/go/pkg/mod" "$files/gocache"
cp -L "$(shell)" "$files/bin/busybox"
for name in sh mkdir ls; do ln -s busybox "$files/bin/$name"; done
cp -L "$certificates" "$files$certificates"
echo 'root:x:0:0::/root:/bin/sh' >"$files/etc/passwd"
echo 'root:x:0:' >"$files/etc/group"
"${b[@]}" config --workingdir /go --env PATH=/usr/local/go/bin:/bin --env HOME=/root --env GOPATH=/go --env GOCACHE=/gocache \
  --env GOPROXY=off --env GOTOOLCHAIN=local --env GOFLAGS=-buildvcs=false "$base"
"${b[@]}" commit -q "$base" localhost/golang >/dev/null

from=$(awk 'toupper($1) == "FROM" && tolower($2) ~ /(^|\/)golang:/ {print $2; exit}' "$root/Dockerfile")
[ -n "$from" ] || fail "the Dockerfile has no stage FROM golang:…"
"${b[@]}" build -q --isolation chroot --build-context "$from=container-image://localhost/golang" --build-arg "VERSION=$version" \
  --volume "$(go env GOROOT):/usr/local/go:ro" --volume "$(go env GOMODCACHE):/go/pkg/mod:ro" --volume "$(go env GOCACHE):/gocache" \
  -t localhost/mcp-authz "$root" >"$tmp/build.log" 2>&1 || {
  cat "$tmp/build.log" >&2
  fail "the build failed: the reason stands above"
}

image=$("${b[@]}" from --pull-never localhost/mcp-authz)
content=$("${b[@]}" mount "$image")
inspect() { "${b[@]}" inspect --type image --format "$1" localhost/mcp-authz; }
inspect 'user {{.OCIv1.Config.User}}
entrypoint {{printf "%q" .OCIv1.Config.Entrypoint}}
'
inspect '{{range $name, $value := .OCIv1.Config.Labels}}label {{$name}}={{$value}}{{"\n"}}{{end}}' | sed '/^$/d'
(cd "$content" && find . ! -type d -printf 'file %P\n' | sort)
mkdir -p "$(dirname "$out")"
cp "$content/mcp-authz" "$out"
case ${PUSH:-} in
  "") ;;
  127.0.0.1:* | localhost:*) "${b[@]}" push -q --tls-verify=false localhost/mcp-authz "docker://$PUSH" ;;
  *) "${b[@]}" push -q localhost/mcp-authz "docker://$PUSH" ;;
esac
