#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module's own unit tests, which run when it is inserted into a kernel with
# CONFIG_KUNIT=y, as the debug kernel is. debugfs has their results.
#
# Catches: what the tests themselves are about, and tests that do not run.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it has none"
kunit=/sys/kernel/debug/kunit
mount -t debugfs none /sys/kernel/debug 2> /dev/null || true
[ -d $kunit ] || skip_all "the kernel has no KUnit"

for suite in aufs2_ids aufs2_number_map aufs2_rcu aufs2_registration aufs2_space; do
	check "$suite ran" test -f "$kunit/$suite/results"
	sed 's/^/# /' "$kunit/$suite/results"
	check "$suite passed" grep -q "^ok 1 $suite" "$kunit/$suite/results"
done
finish
