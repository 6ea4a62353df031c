#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Puts the module into dracut's initramfs of a system whose root is a union, or where it is asked
# for: add_dracutmodules+=" aufs2 ".

check() {
	local type
	# dracut sets it: the types of what the system to start needs.
	# shellcheck disable=SC2154
	for type in "${host_fs_types[@]}"; do
		[[ $type != aufs && $type != aufs2 ]] || return 0
	done
	# Only if it is asked for.
	return 255
}

installkernel() {
	# Whether the module is loaded at the moment says nothing.
	hostonly='' instmods aufs2
}
