#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A layer on a disk is used in every way, removed, unmounted, its device detached and
# wiped: when del returns, the union holds nothing on that filesystem. With others about,
# branch_stress looks at that.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "overlayfs cannot do that"
need losetup mkfs.ext4 cmp

change() {
	mount -i -o "remount,$1" u
}

# fresh CONTENT: a new filesystem in the image, mounted at layer.
fresh() {
	mkfs.ext4 -q -F image || return
	device=$(losetup -f --show image) || return
	mount "$device" layer || return
	mkdir -p layer/d/deep layer/only/deep
	echo "$1" > layer/f
	echo "$1" > layer/d/deep/f
	echo "$1" > layer/only/deep/f
	echo "$1" > layer/gone
	echo "$1" > layer/copied
	ln layer/f layer/d/link
	cp "$(command -v sleep)" layer/program
}

# use: what reads, maps, runs, watches, copies up and removes.
use() {
	ls -lR u > /dev/null
	cat u/f u/d/link u/only/deep/f u/d/deep/f > /dev/null
	u/program 0
	exec 7< u/gone
	rm u/gone
	cat /proc/self/fd/7 > /dev/null
	exec 7<&-
	echo more >> u/copied
	chmod 700 u/only
	exec 8< u/d
	: > u/d/made
}

modprobe -q loop 2> /dev/null
mkdir layer rw/d ro/d
truncate -s 16M image zeros
mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u || fail_all "cannot mount"
(cd u/d && exec sleep 1000) &
sleeper=$!
for round in first second third; do
	fresh $round || skip_all "no loop devices"
	check "$round: add" change "add:1:$area/layer=ro"
	check "$round: it shows" same $round "$(cat u/only/deep/f)"
	use
	check "$round: del, with somebody in a directory and another one open" change "del:$area/layer"
	check "$round: umount" umount layer
	check "$round: losetup -d" losetup -d "$device"
	check "$round: it is detached" same '' "$(losetup -j image)"
	check "$round: wipe" cp zeros image
	check "$round: the union goes on" same none "$(cat u/f 2> /dev/null || echo none)"
	check "$round: with what was copied up" same "$round more" "$(tr '\n' ' ' < u/copied | sed 's/ $//')"
	check "$round: and what somebody is in" same made "$(names /proc/$sleeper/cwd)"
	sync
	check "$round: nobody has written to it" cmp image zeros
	exec 8<&-
	rm -r u/only u/copied
	rm -f rw/.wh.* rw/d/.wh.*
done
kill $sleeper
wait $sleeper 2> /dev/null
check 'umount' umount u
finish
