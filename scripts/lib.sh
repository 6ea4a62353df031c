# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts share: messages, the cache, and entering the build root.
#
# Nothing here touches the host beyond the cache folder.  Everything that is
# fetched or generated lives below it in folders named after a hash of what
# went in, made elsewhere and renamed into place, so that an interrupted step
# leaves nothing that looks finished.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${AUFS2_CACHE:-$HOME/.cache/aufs2}
SUITE=${SUITE:-trixie}
KERNEL=${KERNEL:-}
FLAVOUR=cloud-amd64
export TOP CACHE SUITE KERNEL FLAVOUR

# The kernels this tree is written for; any other is refused (see
# Documentation/building.md before adding one).
SUPPORTED_KERNELS="7.2 7.3"

# How kernel-version ends if the suite has no kernel of that series.
export NO_SUCH_KERNEL=3

# step MESSAGE...: says what is being done.
step() {
	printf '==> %s\n' "$*"
}

# die MESSAGE...: one line on why this cannot go on, then the end.
die() {
	printf 'aufs2: %s\n' "$*" >&2
	exit 1
}

# hash_of WORD-OR-FILE...: a short hash over words and the contents of files.
hash_of() {
	local arg
	for arg in "$@"; do
		if [[ -f $arg ]]; then cat -- "$arg"; else printf '%s\n' "$arg"; fi
	done | sha256sum | cut -c1-12
}

# cached DEST FUNCTION [ARG...]: makes DEST by calling FUNCTION with a
# temporary path and the arguments, unless DEST is there already.
cached() {
	local dest=$1 make=$2
	shift 2
	[[ -e $dest ]] && return
	mkdir -p "$(dirname "$dest")"
	local lock
	exec {lock}> "$dest.lock"
	flock "$lock"
	if [[ ! -e $dest ]]; then
		rm -rf --one-file-system "$dest.tmp"
		# Not in a condition: `set -e` has to stay in force inside.
		"$make" "$dest.tmp" "$@"
		mv -T "$dest.tmp" "$dest"
	fi
	exec {lock}>&-
	rm -f "$dest.lock"
}

# need_root: building a root, chroot and mounts want uid 0; and before there is a build root, this
# machine has to have what one is made with.
need_root() {
	[[ $(id -u) -eq 0 ]] ||
		die "this needs root, for the build root's chroot and mounts (or use make KDIR=...)"
	[[ -d $(root_dir) ]] || need_what_makes_roots
}

# need_host COMMAND[:PACKAGE]...: one line on what this machine lacks.
need_host() {
	local word missing=()
	for word; do
		command -v "${word%%:*}" > /dev/null || missing+=("${word##*:}")
	done
	[[ ${#missing[@]} -eq 0 ]] || die "this machine lacks ${missing[*]}: apt-get install ${missing[*]}"
}

# need_room MEGABYTES: on the disk that the cache is on.
need_room() {
	local room
	mkdir -p "$CACHE" || die "there is no cache at $CACHE, and it cannot be made (AUFS2_CACHE= says where)"
	room=$(($(stat -f -c '%a * %S' "$CACHE") / 1048576))
	[[ $room -ge $1 ]] ||
		die "$CACHE is on a disk with $room MB left; this takes $1 (AUFS2_CACHE= puts it elsewhere)"
}

# need_namespaces: a container without privileges has root, and neither mounts nor devices.
need_namespaces() {
	local probe=$CACHE/probe.$$
	unshare --mount --propagation private --pid --fork \
		mount -t tmpfs tmpfs "$CACHE" 2> /dev/null ||
		die "root may not mount here: an unprivileged container will not do"
	{ mknod "$probe" c 1 3 && true 2> /dev/null < "$probe"; } 2> /dev/null ||
		die "root may not make devices at $CACHE: an unprivileged container, or mounted nodev"
	rm -f "$probe"
}

# need_archive: the suite's index is reached, by this machine's apt settings, where it is said.
need_archive() {
	local mirror=${AUFS2_MIRROR:-}
	# Or the mirror is given as a whole line of sources.list.
	[[ $mirror =~ ^https?://[^\ ]*$ && -x /usr/lib/apt/apt-helper ]] || return 0
	/usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=1 download-file \
		"$mirror/dists/$SUITE/InRelease" "$CACHE/probe.$$" > /dev/null 2>&1 ||
		die "$mirror has no $SUITE, or is not reached from here (AUFS2_MIRROR= is another one)"
	rm -f "$CACHE/probe.$$"
}

# need_what_makes_roots: mmdebstrap is installed by build-root if there is an apt-get to do that.
need_what_makes_roots() {
	local version oldest=1.0
	[[ $(uname -m) == x86_64 ]] || die "this machine is no amd64 one, which is what is built for"
	need_host flock:util-linux unshare:util-linux mount:util-linux chroot:coreutils
	need_room 10000
	need_namespaces
	if command -v mmdebstrap > /dev/null; then
		version=$(mmdebstrap --version | sed 's/[^0-9.]//g')
		[[ $(printf '%s\n' "$oldest" "$version" | sort -V | head -n 1) == "$oldest" ]] ||
			die "mmdebstrap $version is too old: $oldest is wanted"
	else
		command -v apt-get > /dev/null ||
			die "this machine has neither mmdebstrap nor an apt-get to install it by"
	fi
	[[ -n $(find /usr/share/keyrings /etc/apt/trusted.gpg.d -name 'debian-archive-*' 2> /dev/null) ]] ||
		die "this machine lacks the keys of Debian's archive: apt-get install debian-archive-keyring"
	need_archive
}

# need_git: the work tree has to be one that git reads; that of another user is none for it.
need_git() {
	need_host git
	[[ -n $(git -C "$TOP" ls-files | head -n 1) ]] ||
		die "git does not list the files of $TOP: not a clone, or another user's (git config safe.directory)"
}

# root_dir: where the build root of this suite is, made or not.
root_dir() {
	echo "$CACHE/root/$SUITE-$(hash_of "$SUITE" "$TOP/scripts/build-root")"
}

# in_root COMMAND...: runs a command in the build root, in the current folder,
# with the work tree and the cache at their own paths.  The mounts live in a
# namespace of their own and go with the command, as do its children.
in_root() {
	in_some_root "$(root_dir)" "$@"
}

# in_some_root ROOT COMMAND...: the same in any root.
in_some_root() {
	local root=$1
	shift
	[[ -d $root ]] || die "no build root at $root: run scripts/build-root"
	unshare --mount --pid --fork --kill-child \
		"$TOP/scripts/enter-root" "$root" "$TOP" "$CACHE" "$PWD" "$@"
}

# kernel_id: kernel-version's answer for this SUITE and KERNEL, kept with the
# build root whose package index it came from.
kernel_id() {
	local id
	id=$(root_dir).kernel${KERNEL:+-$KERNEL}
	if [[ ! -s $id ]]; then
		"$TOP/scripts/kernel-version" > "$id.tmp" || return
		mv "$id.tmp" "$id"
	fi
	cat "$id"
}

# kernel_dir: where this kernel is unpacked, fetched or not.
kernel_dir() {
	local kver debver source id
	id=$(kernel_id) || exit
	eval "$id"
	echo "$CACHE/kernel/$kver-$(hash_of "$SUITE" "$debver" "$source" "$TOP/scripts/kernel-fetch")"
}

# kernel_tree: the build tree of this kernel, with its Rust metadata; what
# KDIR= takes.
kernel_tree() {
	local kernel
	kernel=$(kernel_dir) || exit
	echo "$kernel.tree-$(hash_of "$TOP/scripts/rust-metadata")"
}

# out_dir: where the module built for this kernel goes.
out_dir() {
	local kver debver source id
	id=$(kernel_id) || exit
	eval "$id"
	echo "$CACHE/out/$(hash_of "$TOP")/$kver${CLIPPY:+-clippy}${AUFS2_SAMPLE:+-sample}"
}

# apt_options: this system's apt settings which decide whether the archive can
# be reached at all, one a line, for mmdebstrap's --aptopt.
apt_options() {
	apt-config dump 2>/dev/null |
		grep -E '^Acquire::((http|https)::Proxy|Check-Valid-Until) ' || true
}

# bootstrap VARIANT FOLDER PACKAGE...: a system of the suite without what only
# people read.
bootstrap() {
	local variant=$1 folder=$2 option include
	shift 2
	local -a options=()
	while read -r option; do
		[[ -n $option ]] && options+=(--aptopt="$option")
	done < <(apt_options)
	include=$(IFS=,; echo "$*")
	mmdebstrap --variant="$variant" --mode=root --format=directory --quiet \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		${include:+"--include=$include"} "${options[@]}" \
		"$SUITE" "$folder" ${AUFS2_MIRROR:+"$AUFS2_MIRROR"}
	rm -rf "${folder:?}"/dev/*
}

# test_root: the image of the small system that tests run in, made or not.
test_root() {
	echo "$CACHE/test-root/$SUITE-$(hash_of "$SUITE" "$TOP/scripts/test-root").img"
}

# fstests_root: the image of the small system that fstests runs in, made or not.
fstests_root() {
	echo "$CACHE/fstests-root/$SUITE-$(hash_of "$SUITE" "$TOP/scripts/fstests-root").img"
}

# boot_dir: what a machine boots of this kernel, made or not: vmlinuz,
# modules.img and initramfs.
boot_dir() {
	local kernel
	kernel=$(kernel_dir) || exit
	echo "$kernel.boot-$(hash_of "$TOP/scripts/boot-files" "$TOP/qemu/initramfs")"
}

# memory_root: the root of a machine of this kernel that has no disks, made or not.
memory_root() {
	local boot
	boot=$(boot_dir) || exit
	echo "$boot.memory-$(hash_of "$(test_root)" "$TOP/scripts/memory-root" "$TOP/qemu/gather")"
}

# add_programs: builds the programs that the tests want beside the module, and appends to the array
# `options` what gives them to scripts/tests.
add_programs() {
	local built
	build_programs
	built=$("$TOP/tools/cargo" --where)
	# shellcheck disable=SC2034 # that of who calls
	options+=(--add "$built/mount-aufs2:mount.aufs2" --add "$built/aubusy" --add "$built/aufs2")
}

# build_programs: those that go with the module.
build_programs() {
	"$TOP/tools/cargo" build --release --locked -p mount-aufs2 -p aubusy -p aufs2
}

# demo_dir: where the demo's branch and packages are, made or not.
demo_dir() {
	echo "$CACHE/demo/$SUITE-$(hash_of "$SUITE" "$TOP/scripts/demo-root")"
}
