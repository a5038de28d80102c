#!/usr/bin/env bash
# From a fresh Debian 12 with Go, git and make to a command run in a VM. Run
# again, it reuses all that is there. Only installing packages needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE_NAME=${QUICKSTART_NAME:-debian}
# mkfs.ext4 and depmod are in sbin, which is not on every user's PATH.
export PATH=$PWD/bin:$PATH:/usr/sbin:/sbin

say() { printf '\n==> %s\n' "$*"; }
die() {
	printf '\nquickstart: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
	exit 1
}
have() { command -v "$1" >/dev/null; }

# The package that brings each program.
needed_packages() {
	have qemu-system-x86_64 || echo qemu-system-x86
	have mkfs.ext4 || echo e2fsprogs
	have depmod || echo kmod
	have ssh || echo openssh-client
	[ -n "${QUICKSTART_IMAGE:-}" ] || image_there || {
		have mmdebstrap || echo mmdebstrap
		[ "$(id -u)" = 0 ] || have newuidmap || echo uidmap
	}
}

image_there() { [ -x bin/banger ] && bin/banger image show "$IMAGE_NAME" >/dev/null 2>&1; }

install_packages() {
	local packages
	mapfile -t packages < <(needed_packages)
	[ ${#packages[@]} -gt 0 ] || return 0
	have apt-get || die "these programs' packages are missing: ${packages[*]}" "install them with your package manager, and run make quickstart again"
	local as=()
	if [ "$(id -u)" != 0 ]; then
		if have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
			as=(sudo)
		else
			die "these packages are missing, and installing them needs root: ${packages[*]}" \
				"as root: apt-get update && apt-get install --no-install-recommends ${packages[*]}"
		fi
	fi
	say "Installing ${packages[*]} from Debian${as:+ (with sudo)}"
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${packages[@]}"
}

# Without a name the first VM pulls the kernel for this Debian.
get_kernel() {
	[ -n "${QUICKSTART_KERNEL:-}" ] || return 0
	if bin/banger kernel show "$QUICKSTART_KERNEL" >/dev/null 2>&1; then
		say "Kernel $QUICKSTART_KERNEL is there"
		return
	fi
	say "Pulling kernel $QUICKSTART_KERNEL"
	banger kernel pull "$QUICKSTART_KERNEL"
}

# As an ordinary user mmdebstrap needs subordinate ids.
mmdebstrap_mode() {
	if [ "$(id -u)" = 0 ]; then
		echo root
	elif grep -qs "^$(id -un):" /etc/subuid && grep -qs "^$(id -un):" /etc/subgid && unshare -U true 2>/dev/null; then
		echo unshare
	else
		return 1
	fi
}

get_image() {
	if image_there; then
		say "Image $IMAGE_NAME is there"
		return
	fi
	if [ -n "${QUICKSTART_IMAGE:-}" ]; then
		say "Pulling $QUICKSTART_IMAGE"
		banger image pull "$QUICKSTART_IMAGE" --name "$IMAGE_NAME"
		return
	fi
	local mode
	mode=$(mmdebstrap_mode) || die "mmdebstrap cannot make a root filesystem as $(id -un): no subordinate ids in /etc/subuid and /etc/subgid, or no user namespaces" \
		"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un); or: make quickstart QUICKSTART_IMAGE=debian:bookworm-slim"
	say "Making a Debian root filesystem (mmdebstrap) straight into image $IMAGE_NAME"
	mmdebstrap --quiet --mode="$mode" --variant=minbase bookworm - | banger image pull tar:- --name "$IMAGE_NAME"
}

install_packages
say "Building banger, bangerd and banger-vsock-agent"
make --no-print-directory build
get_kernel
get_image
say "Running a command in a VM of its own"
banger vm run --rm --no-workspace --image "$IMAGE_NAME" -- sh -c 'uname -a; cat /etc/os-release'
printf '\nThat was a virtual machine. Next: bin/banger vm create --image %s, bin/banger --help, make install\n' "$IMAGE_NAME"
