#!/usr/bin/env bash
# Builds the agent image (images/dev) as an OCI archive, with docker, podman or
# buildah, whichever is there. The build uses this machine's settings: its apt
# mirrors, ~/.npmrc or the system's npmrc, certificates and proxy variables.
#
# Usage: scripts/dev-image.sh [ARCHIVE]
#   DEV_IMAGE_BUILDER=docker|podman|buildah   (default: the first that works)
#   DEV_IMAGE_BASE=REF    build on this image (default: made with mmdebstrap)
set -euo pipefail
cd "$(dirname "$0")/.."

ARCHIVE=$(realpath -m "${1:-dist/dev-image.oci.tar}")
SUITE=bookworm
BASE=${DEV_IMAGE_BASE:-localhost/banger-dev-base:$SUITE}
TAG=localhost/banger-dev:latest
CA=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

say() { printf '\n==> %s\n' "$*"; }
die() {
	printf '\ndev-image: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
	exit 1
}
have() { command -v "$1" >/dev/null; }

choose_builder() {
	if [ -n "${DEV_IMAGE_BUILDER:-}" ]; then
		have "$DEV_IMAGE_BUILDER" || die "$DEV_IMAGE_BUILDER is not installed"
		echo "$DEV_IMAGE_BUILDER"
	elif have docker && docker info >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then
		echo docker
	elif have podman && podman info >/dev/null 2>&1; then
		echo podman
	elif have buildah; then
		echo buildah
	else
		die "no docker (with buildx), podman or buildah on this machine" "sudo apt-get install buildah"
	fi
}

# This machine's own mirrors of the suite, if it has any.
mirrors() {
	! have apt-get || apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(ORIGIN)' 'Created-By: Packages' |
		awk -F '|' -v suite="$SUITE" '$2 == "Debian" { split($1, w, " "); if (w[3] ~ "^" suite "(-updates|-security)?$") print $1 }' | sort -u
}

make_base() {
	have mmdebstrap || die "mmdebstrap is not installed, and DEV_IMAGE_BASE names no image to build on" "sudo apt-get install mmdebstrap"
	local apt=()
	mirrors >"$WORK/mirrors.list"
	if have apt-config; then
		local proxy
		eval "$(apt-config shell proxy Acquire::http::Proxy)"
		[ -z "${proxy:-}" ] || apt+=("--aptopt=Acquire::http::Proxy \"$proxy\";")
	fi
	say "Making $BASE with mmdebstrap"
	local from=()
	[ ! -s "$WORK/mirrors.list" ] || from=("$WORK/mirrors.list")
	mmdebstrap --quiet --variant=minbase --include=ca-certificates "${apt[@]}" "$SUITE" "$WORK/base.tar" "${from[@]}"
}

import_base() {
	case $BUILDER in
	docker | podman) "$BUILDER" import -q "$WORK/base.tar" "$BASE" >/dev/null ;;
	buildah)
		printf 'FROM scratch\nADD base.tar /\n' >"$WORK/Containerfile"
		buildah build -q --isolation chroot -t "$BASE" -f "$WORK/Containerfile" "$WORK" >/dev/null
		;;
	esac
	rm -f "$WORK/base.tar"
}

base_there() {
	case $BUILDER in
	docker) docker image inspect "$BASE" >/dev/null 2>&1 ;;
	*) "$BUILDER" inspect "$BASE" >/dev/null 2>&1 ;;
	esac
}

build() {
	local args=(--build-arg "BASE=$BASE" --network host)
	local npmrc
	for npmrc in ~/.npmrc /etc/npmrc /dev/null; do
		[ ! -r "$npmrc" ] || break
	done
	# A certificate file of the host in an npmrc is another one in the build.
	grep -v '^ *cafile' "$npmrc" >"$WORK/npmrc" || true
	args+=(--secret "id=npmrc,src=$WORK/npmrc")
	[ ! -r "$CA" ] || args+=(--secret "id=ca,src=$CA")
	mkdir -p "$(dirname "$ARCHIVE")"
	case $BUILDER in
	docker) docker buildx build "${args[@]}" --output "type=oci,dest=$ARCHIVE.staging,name=$TAG" images/dev ;;
	podman)
		podman build --layers "${args[@]}" -t "$TAG" images/dev
		podman save --format oci-archive -o "$ARCHIVE.staging" "$TAG"
		;;
	buildah)
		buildah build --isolation chroot --layers "${args[@]}" -t "$TAG" images/dev
		buildah push "$TAG" "oci-archive:$ARCHIVE.staging:dev"
		;;
	esac
	mv "$ARCHIVE.staging" "$ARCHIVE"
}

BUILDER=$(choose_builder)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK" "$ARCHIVE.staging"' EXIT
start=$SECONDS
if [ -z "${DEV_IMAGE_BASE:-}" ] && ! base_there; then
	make_base
	import_base
fi
say "Building $TAG with $BUILDER"
build
say "$ARCHIVE: $(du -h "$ARCHIVE" | cut -f1) in $((SECONDS - start)) s"
printf 'Next: banger image pull oci-archive:%s --name dev\n' "$ARCHIVE"
