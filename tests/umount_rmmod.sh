#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What umount leaves: nothing held on the branches, and a module that can go.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: the module"
need rmmod lsmod

modprobe -q loop 2> /dev/null
need losetup wipefs mkfs.ext4

# Two file systems on devices: a super block that is held keeps its device from
# being opened exclusively, after its last mount is gone, too.
mkdir a b
for at in a b; do
	truncate -s 16M "$at.img" || exit 1
	mkfs.ext4 -q "$at.img" || exit 1
done
dev_a=$(losetup -f --show a.img) || skip_all "no loop device"
dev_b=$(losetup -f --show b.img) || skip_all "no loop device"

# free DEVICE: whether no file system on it is alive.
free() {
	wipefs --all --quiet "$1"
}

# fresh: makes both anew, mounts them, and fills b.
fresh() {
	mkfs.ext4 -q -F "$dev_a" && mkfs.ext4 -q -F "$dev_b" &&
		mount "$dev_a" a && mount "$dev_b" b || exit 1
	mkdir b/d
	echo low > b/f
	echo low > b/d/g
}

users() {
	awk '$1 == "aufs2" { print $3 }' /proc/modules
}

unused=$(users)
fresh
refused 'a device with a mounted file system is not free' free "$dev_b"
check 'mount' mount -t aufs2 -o "br:$area/a=rw:$area/b=ro" none u
check 'the module is used' test "$(users)" -gt "$unused"
refused 'rmmod while mounted' rmmod aufs2

# Everything that takes references: inodes, open files, maps, whiteouts.
cat u/f u/d/g > /dev/null
echo more >> u/f
rm u/d/g
ls -lR u > /dev/null
mv u/d u/d2
ln u/f u/hard
exec 7< u/f
rm u/f u/hard
refused 'umount with an open file' umount u
check 'the open file is still there' contains "$(cat <&7)" low
exec 7<&-
check 'umount' umount u
check 'the module is as unused as before' same "$unused" "$(users)"
umount a b
check 'nothing is held on the read-only branch' free "$dev_b"
check 'nor on the writable one' free "$dev_a"

# The same lazily: with a file open, then closed.
fresh
mount -t aufs2 -o "br:$area/a=rw:$area/b=ro" none u
exec 7< u/f
check 'lazy umount' umount -l u
umount a b
check 'the open file is read' same low "$(cat <&7)"
refused 'and holds the branch' free "$dev_b"
exec 7<&-
check 'nothing is held after the last close (ro)' free "$dev_b"
check 'nothing is held after the last close (rw)' free "$dev_a"

# A mount that is refused holds nothing.
fresh
refused 'a mount with a missing branch' \
	mount -i -t aufs2 -o "br:$area/a=rw:$area/b=ro:$area/nowhere=ro" none u
umount a b
check 'nothing is held after it (ro)' free "$dev_b"
check 'nothing is held after it (rw)' free "$dev_a"
check 'losetup -d' losetup -d "$dev_a" "$dev_b"

# Many mounts come and go.
many() {
	i=0
	while [ "$i" -lt 50 ]; do
		mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u || return
		echo "$i" > u/f || return
		umount u || return
		i=$((i + 1))
	done
}
check '50 mounts' many

# The module goes and comes back, where it is a file we can find.
module=
for file in "${AUFS2_MODULE:-}" ./aufs2.ko /job/aufs2.ko; do
	[ -f "$file" ] && module=$file
done
if [ -n "$module" ] && [ "$unused" -eq 0 ]; then
	check 'rmmod' rmmod aufs2
	refused 'the type is gone' registered aufs2
	check 'insmod' insmod "$module"
	check 'the type is back' registered aufs2
else
	skip 'rmmod' 'the module is in use or its file not known'
fi
finish
