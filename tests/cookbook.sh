#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Documentation/cookbook.md, word for word, but for where the branches are.
#
# Catches: a recipe that does not do what it says.
here=$(dirname "$(readlink -f "$0")")/..
book=$(readlink -f "$here/cookbook.md")
PATH=$(readlink -f "$here"):$PATH
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it is about this union"
[ -f "$book" ] || skip_all "no cookbook beside the tests"
need aufs2 save python3 tar

# Each command with what it has to print: in a file of its own each, by number.
mkdir book here
sed -E "s,(^|[ :])/(rw|base[23]?|union|up2|flat|kept|other|layer.tar),\\1$area/here/\\2,g" "$book" | awk '
	/^```/ { inside = /console/; next }
	!inside { next }
	/^\$ / { n++; print substr($0, 3) > ("book/" n); printf "" > ("book/" n ".out"); next }
	{ print > ("book/" n ".out") }'
n=1
while [ -f "book/$n" ]; do
	command=$(cat "book/$n")
	# What says nothing succeeds; what tells of something has a status for that.
	output=$(eval "$command" 2>&1) || output=${output:-status $?}
	check "$(echo "$command" | sed "s,$area/here,,g")" same "$(cat "book/$n.out")" "$output"
	n=$((n + 1))
done
check 'there were commands' test "$n" -gt 40
finish
