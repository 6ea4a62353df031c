#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The type is registered as aufs, too, so that commands written for aufs work.
#
# Catches: a name that is not registered; a module that cannot be inserted where it is taken.
module=$(dirname "$(readlink -f "$0")")/../aufs2.ko
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it is not called aufs"

# parameter NAME: of the module.
parameter() {
	cat "/sys/module/aufs2/parameters/$1"
}

[ ! -d /sys/module/aufs ] || skip_all "there is another aufs"
[ "$(parameter alias)" != N ] || skip_all "loaded with alias=0"
check 'the parameter alias' same Y "$(parameter alias)"
check 'the name' registered aufs
check 'the parameter brs' same 1 "$(parameter brs)"
refused 'a parameter cannot be changed' sh -c 'echo 0 > /sys/module/aufs2/parameters/brs'

echo low > ro/f
echo second > ro2/g
check 'mount -t aufs' mount -t aufs -o "br:$area/rw=rw:$area/ro=ro" aufs u
check 'it is called so' same aufs "$(awk -v at="$area/u" '$2 == at { print $3 }' /proc/mounts)"
check 'it says that no tool of aufs has to see to pseudo-links' \
	contains ",$(awk -v at="$area/u" '$2 == at { print $4 }' /proc/mounts)," ,noplink,
check 'it shows the branch' same low "$(cat u/f)"
check 'remount,append: as for aufs' mount -o "remount,append:$area/ro2=ro" aufs u
check 'the new branch shows' same second "$(cat u/g)"
check 'both names at a time' mount -t aufs2 -o "br:$area/ro=ro" none .work
check 'umount' umount .work
check 'umount' umount u

check 'dirs=, as in initramfs scripts' \
	mount -t aufs -o "noatime,noxino,dirs=$area/rw=rw:$area/ro=rr" aufs u
check 'umount' umount u

# `modprobe aufs` is what scripts for aufs do first.
if [ -f "$module" ]; then
	check 'modprobe finds it by the name aufs' sh -c "tr '\\0' '\\n' < $module | grep -qx alias=aufs"
else
	skip 'modprobe finds it by the name aufs' "no module file beside the tests"
fi

# The module under other names, in the same file: what it does when aufs is taken.
if [ -f "$module" ]; then
	# The kernel's own release may have the name in it, and is to be matched.
	said=$(dmesg | grep -c 'another aufs is registered')
	sed 's/aufs2/aufs9/g; s/\(vermagic=[^ ]*\)aufs9/\1aufs2/g' "$module" > /mnt/aufs9.ko
	check 'another module with the same alias' insmod /mnt/aufs9.ko
	check 'has its own name only' registered aufs9
	check 'says so, once' same $((said + 1)) "$(dmesg | grep -c 'another aufs is registered')"
	check 'has a folder of its own' test -d /sys/fs/aufs9
	check 'mount' mount -t aufs9 -o "br:$area/ro=ro" none u
	check 'umount' umount u
	check 'rmmod' rmmod aufs9
	check 'its folder is gone' test ! -e /sys/fs/aufs9
	check 'the other one is still there' registered aufs
	check 'insmod alias=0' insmod /mnt/aufs9.ko alias=0 brs=0
	check 'says nothing more' same $((said + 1)) "$(dmesg | grep -c 'another aufs is registered')"
	check 'alias' same N "$(cat /sys/module/aufs9/parameters/alias)"
	mkdir 'ro/a b,c:d'
	check 'mount' mount -t aufs9 -o "br:$area/rw=rw:$area/ro=rr+wh" none u
	check 'brs=0: the branches in /proc/mounts' \
		contains "$(cat /proc/mounts)" ",br:$area/rw=rw:$area/ro=rr+wh "
	check 'umount' umount u
	check 'mount' mount -t aufs9 -o "br:$area/ro/a b\\,c\\:d=ro" none u
	check 'escaped' contains "$(cat /proc/mounts)" ",br:$area/ro/a\\040b\\134\\054c\\134\\072d=ro "
	check 'umount' umount u
	# What is shown is what a mount takes, by fstab(5), which has the same octal escapes.
	odd="ro/o d,d:e=f\\g\\"
	mkdir "$odd"
	: > "$odd/mark"
	check 'mount' mount -t aufs9 -o "br:$area/ro/o d\\,d\\:e=f\\\\g\\\\=ro:$area/rw=ro" none u
	grep " $area/u " /proc/mounts > shown
	check 'remount with what is shown' mount -i -T shown -o remount "$area/u"
	check 'umount' umount u
	check 'mount what was shown' mount -i -T shown "$area/u"
	check 'it is that branch' same mark "$(names u)"
	check 'and shown so' same "$(sed 's/si=[0-9a-f]*//' shown)" \
		"$(grep " $area/u " /proc/mounts | sed 's/si=[0-9a-f]*//')"
	check 'umount' umount u
	check 'rmmod' rmmod aufs9
else
	skip 'another module with the same alias' "no module file beside the tests"
fi
finish
