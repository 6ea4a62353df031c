#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Documentation/tutorial.md and cookbook.md, word for word, but for where the branches are.
#
# Catches: a step or a recipe that does not do what it says.
here=$(dirname "$(readlink -f "$0")")/..
books=$(readlink -f "$here")
PATH=$(readlink -f "$here"):$PATH
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it is about this union"
[ -f "$books/cookbook.md" ] || skip_all "no cookbook beside the tests"
need aufs2 save python3 tar

# run BOOK: each of its commands must print what it says there.
run() {
	mkdir book here
	# Each command, with the lines that it goes on in, and what it has to print: in a file of its own each,
	# by number.
	sed -E "s,(^|[ :])/(rw|base[23]?|union|up2|flat|kept|other|layer.tar),\\1$area/here/\\2,g" "$books/$1" | awk '
		/^```/ { inside = /console/; next }
		!inside { next }
		/^\$ / { n++; print substr($0, 3) > ("book/" n); printf "" > ("book/" n ".out"); next }
		/^> / { print substr($0, 3) > ("book/" n); next }
		{ print > ("book/" n ".out") }'
	n=1
	while [ -f "book/$n" ]; do
		command=$(cat "book/$n")
		# What says nothing succeeds; what tells of something has a status for that.
		output=$(eval "$command" 2>&1) || output=${output:-status $?}
		check "${1%.md}: $(echo "$command" | sed "s,$area/here/,,g; q")" same "$(cat "book/$n.out")" "$output"
		n=$((n + 1))
	done
	rm -r book here
}

run tutorial.md
check 'the tutorial had commands' test "$n" -gt 30
run cookbook.md
check 'the cookbook had commands' test "$n" -gt 40
finish
