#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What umount leaves: nothing held on the branches, and a module that can go.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: the module"
need rmmod lsmod

mkdir a b
mount -t tmpfs a a
mount -t tmpfs b b
mkdir b/d
echo low > b/f
echo low > b/d/g

users() {
	awk '$1 == "aufs2" { print $3 }' /proc/modules
}

unused=$(users)
check 'mount' mount -t aufs2 -o "br:$area/a=rw:$area/b=ro" none u
check 'the module is used' test "$(users)" -gt "$unused"
refused 'rmmod while mounted' rmmod aufs2
refused 'a branch is busy' umount b

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
check 'nothing is held on the read-only branch' umount b
check 'nor on the writable one' umount a

# The same lazily: with a file open, then closed.
mount -t tmpfs a a
mount -t tmpfs b b
echo low > b/f
mount -t aufs2 -o "br:$area/a=rw:$area/b=ro" none u
exec 7< u/f
check 'lazy umount' umount -l u
check 'the open file is read' same low "$(cat <&7)"
exec 7<&-
check 'nothing is held after the last close (ro)' umount b
check 'nothing is held after the last close (rw)' umount a

# A loop device can go, its file system not being held.
if command -v mkfs.ext4 > /dev/null && truncate -s 16M img && mkfs.ext4 -q img &&
	loop=$(losetup -f --show img 2> /dev/null); then
	mount "$loop" b
	mount -t aufs2 -o "br:$area/rw=rw:$area/b=ro" none u
	ls u > /dev/null
	check 'umount of a loop device: union' umount u
	check 'umount of a loop device: branch' umount b
	check 'losetup -d' losetup -d "$loop"
	refused 'the device is gone' losetup "$loop"
else
	skip 'loop device' 'no loop device'
fi

# Many mounts come and go.
many() {
	i=0
	while [ $i -lt 50 ]; do
		mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u || return
		echo $i > u/f || return
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
