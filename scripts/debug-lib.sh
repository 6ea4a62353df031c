# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts of the debug kernel share; wants lib.sh.

# The flavours are fragments that qemu/debug.config is extended by: `rt` is
# qemu/debug-rt.config.
DEBUG_FLAVOUR=${DEBUG_FLAVOUR:-}

# What KASAN in Rust code needs beyond the build root, and what packs the image.
DEBUG_PACKAGES=(clang lld llvm lz4)

# debug_root: where the build root with clang is, made or not.
debug_root() {
	echo "$(root_dir).debug-$(hash_of "${DEBUG_PACKAGES[@]}")"
}

# in_debug_root COMMAND...: in_root for that root.
in_debug_root() {
	in_some_root "$(debug_root)" "$@"
}

# debug_fragments: the parts of the config, one a line. What only one series knows is in a file of
# its own.
debug_fragments() {
	local kver debver source id series
	echo "$TOP/qemu/debug.config"
	id=$(kernel_id) || exit
	eval "$id"
	series=$(cut -d. -f1,2 <<<"$kver")
	[[ ! -f $TOP/qemu/debug-$series.config ]] || echo "$TOP/qemu/debug-$series.config"
	[[ -z $DEBUG_FLAVOUR ]] || echo "$TOP/qemu/debug-$DEBUG_FLAVOUR.config"
}

# debug_config: their settings, of which the last one of a symbol counts.
debug_config() {
	local -a fragments
	mapfile -t fragments < <(debug_fragments)
	awk '/^(# )?CONFIG_/ {
			name = $0
			sub(/^# /, "", name)
			sub(/[= ].*/, "", name)
			if (!(name in line)) order[++count] = name
			line[name] = $0
		}
		END { for (i = 1; i <= count; i++) print line[order[i]] }' "${fragments[@]}"
}

# debug_dir: where the debug kernel of this SUITE and KERNEL is, made or not:
#
#	tree/		what KDIR takes, with LLVM=1
#	modules/	its modules as installed, none being ours
#	release		what uname -r says in it
#
# Made anew when the source, a compiler or the config changes, and not for a
# comment in the script: it takes too long. What it contains has a number.
debug_dir() {
	local debver source id versions config
	local -a fragments
	id=$(kernel_id) || exit
	eval "local $(tr '\n' ' ' <<<"$id")"
	mapfile -t fragments < <(debug_fragments)
	config=$(grep -hE '^(# )?CONFIG_' "${fragments[@]}") || exit
	versions=$(in_debug_root sh -c \
		'clang --version | head -1; rustc --version; bindgen --version') || exit
	echo "$CACHE/debug/${source#linux-source-}${DEBUG_FLAVOUR:+-$DEBUG_FLAVOUR}-$(
		hash_of "contents 1" "$debver" "$versions" "$config")"
}

# debug_boot_dir: what `qemu/run --kernel` takes.
debug_boot_dir() {
	local dir
	dir=$(debug_dir) || exit
	echo "$dir.boot-$(hash_of "$TOP/scripts/boot-files" "$TOP/qemu/initramfs")"
}

# debug_out: where modules of this work tree built for it go.
debug_out() {
	local dir
	dir=$(debug_dir) || exit
	echo "$CACHE/out/$(hash_of "$TOP")/$(<"$dir/release")"
}
