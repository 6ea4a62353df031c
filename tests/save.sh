#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# tools/save copies a writable branch, one in memory included, as it is.
save=$(readlink -f "$(dirname "$(readlink -f "$0")")/../save")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it has no branch in memory"
[ -x "$save" ] || skip_all "no tools/save beside the tests"
need python3 setfattr getfattr

mkdir ro/d
echo low > ro/f
echo low > ro/d/g
check 'mount' mount -t aufs2 -o "br:mem=rw:$area/ro=ro" none u
echo more >> u/f
rm u/d/g
echo new > u/d/new
ln u/d/new u/link
setfattr -n user.x -v y u/f
truncate -s 1M u/sparse
chown 5:6 u/sparse
check 'save' "$save" u saved
check 'the copy of a changed file' same "$(printf 'low\nmore')" "$(cat saved/f)"
check 'its attributes' contains "$(getfattr -d saved/f 2>&1)" 'user.x="y"'
check 'a whiteout' test -f saved/d/.wh.g
check 'hard links' same 2 "$(stat -c %h saved/link)"
check 'owners' same '5 6' "$(stat -c '%u %g' saved/sparse)"
check 'holes' same 0 "$(stat -c %b saved/sparse)"
refused 'no work directory' test -e saved/.wh..wh.orph
refused 'a directory that is not empty' "$save" u saved
refused 'no union' "$save" ro elsewhere
# shown: all names with types, and the sizes of what are no directories.
shown() {
	(cd u && find . -type d -printf '%P d\n' -o -printf '%P %y %s\n' | sort)
}
before=$(shown)
check 'umount' umount u
check 'mount with the saved branch' mount -t aufs2 -o "br:$area/rw=rw:$area/saved=ro+wh:$area/ro=ro" none u
check 'shows the same' same "$before" "$(shown)"
check 'umount' umount u
finish
