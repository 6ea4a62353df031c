#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# tools/save copies a writable branch, one in memory included, as it is.
#
# Catches: a mark that makes the next mount refuse the copy; a copy of another branch; one into itself.
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
check 'help' contains "$("$save" --help)" 'usage: '
check 'save' same 'branch 0, mem, is saved' "$("$save" u saved 2>&1)"
check 'the copy of a changed file' same "$(printf 'low\nmore')" "$(cat saved/f)"
check 'its attributes' contains "$(getfattr -d saved/f 2>&1)" 'user.x="y"'
check 'a whiteout' test -f saved/d/.wh.g
check 'hard links' same 2 "$(stat -c %h saved/link)"
check 'owners' same '5 6' "$(stat -c '%u %g' saved/sparse)"
check 'holes' same 0 "$(stat -c %b saved/sparse)"
refused 'no work directory' test -e saved/.wh..wh.orph
refused 'a directory that is not empty' "$save" u saved
refused 'no union' "$save" ro elsewhere
refused 'makes nothing then' test -e elsewhere
refused 'into the union' "$save" u u/backup
refused 'makes nothing there' test -e u/backup
refused 'nor deeper' "$save" u u/d/to/backup
refused 'makes nothing there' test -e u/d/to
check 'another branch' same 'branch 1, ro, is saved' "$("$save" u other ro 2>&1 | sed "s,$area/,,")"
check 'as it is' same low "$(cat other/f)"
check 'by index' "$save" u other2 1
refused 'no such branch' "$save" u other3 2
refused 'makes nothing' test -e other3
rm -r other other2
# shown: all names with types, and the sizes of what are no directories.
shown() {
	(cd u && find . -type d -printf '%P d\n' -o -printf '%P %y %s\n' | sort)
}
before=$(shown)
# What is read-only by now can be saved, and is not taken for another one.
check 'read-only' mount -i -o 'remount,mod:mem=ro' u
refused 'no branch is writable' "$save" u none
refused 'makes nothing' test -e none
check 'the one that is named' same 'branch 0, mem, is saved' "$("$save" u named mem 2>&1)"
check 'the same' diff -r saved named
rm -r named
check 'umount' umount u
check 'mount with the saved branch' mount -t aufs2 -o "br:$area/rw=rw:$area/saved=ro+wh:$area/ro=ro" none u
check 'shows the same' same "$before" "$(shown)"
check 'umount' umount u

# The mark of fsync=volatile is of that mount only.
check 'volatile' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro,fsync=volatile" none u
check 'has a mark' test -e rw/.wh..wh.volatile
echo x > u/kept
refused 'on the branch' "$save" u rw/backup
refused 'makes nothing there' test -e rw/backup
check 'save' "$save" u kept
check 'a file' same x "$(cat kept/kept)"
refused 'no mark' test -e kept/.wh..wh.volatile
check 'umount' umount u
check 'it can be a branch' mount -t aufs2 -o "br:$area/kept=ro+wh:$area/ro=ro" none u
check 'umount' umount u
finish
