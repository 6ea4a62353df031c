#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The commands that live distributions, Docker and fstabs give aufs, word for
# word but for the paths.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "these are aufs's commands"
registered aufs || fail_all "no type called aufs"

content() {
	cat "u/$1" 2> /dev/null || echo none
}

# layer NAME: a layer of its own filesystem, as a module or an .sfs is.
layer() {
	mkdir -p "$1"
	mount -t tmpfs "$1" "$1"
	mkdir -p "$1/etc"
	echo "$1" > "$1/etc/$1"
	echo "$1" > "$1/etc/shared"
}

# Slax: linux-live's livekitlib.
mkdir changes
mkdir -p bundles
check 'Slax: init_aufs' mount -t aufs -o "xino=$area/.xino,trunc_xino,br=$area/changes" aufs u
for bundle in 01-core 02-firmware 03-apps; do
	layer "bundles/$bundle" 2> /dev/null
	echo "$bundle" > "bundles/$bundle/etc/name"
	check "Slax: add $bundle" mount -o "remount,add:1:$area/bundles/$bundle=rr+wh" aufs u
done
check 'Slax: the last one is on top' same 03-apps "$(content etc/name)"
si=$(sed -n "s|.* $area/u aufs .*[,]si=\([0-9a-f]*\).*|\1|p" /proc/mounts)
check 'Slax: si= in /proc/mounts' test -n "$si"
check 'Slax: the branches in sysfs' same "changes 03-apps 02-firmware 01-core" \
	"$(for b in 0 1 2 3; do sed 's/=.*//; s|.*/||' "/sys/fs/aufs/si_$si/br$b"; done | tr '\n' ' ' | sed 's/ $//')"
check 'Slax: strips =rr' contains "$(cat "/sys/fs/aufs/si_$si/br1")" "$area/bundles/03-apps=rr"
echo changed > u/etc/own
check 'Slax: deactivate' mount -o "remount,verbose,del:$area/bundles/03-apps" aufs u
check 'Slax: what it hid shows' same 02-firmware "$(content etc/name)"
check 'Slax: changes stay' same changed "$(content etc/own)"
check 'Slax: the module can be unmounted' umount bundles/03-apps
check 'Slax: remount,ro at shutdown' sh -c 'cd u && mount -n -o remount,ro aufs .'
refused 'Slax: read-only then' sh -c 'echo x > u/x'
umount u
umount bundles/*  2> /dev/null

# Puppy: initrd's init.
mkdir -p pup_rw pup_ro2 mnt
layer puppy; layer adrv; layer sfs
check 'Puppy: mount' mount -t aufs -o "udba=reval,diropq=w,br=$area/pup_rw=rw,xino=$area/.aufs.xino" unionfs u
check 'Puppy: add:1' mount -o "remount,add:1:$area/adrv" u
check 'Puppy: append' mount -o "remount,append:$area/puppy" u
check 'Puppy: add:1 +wh' mount -o "remount,add:1:$area/sfs=ro+wh" u
check 'Puppy: the order' same sfs "$(content etc/shared)"
echo session > u/etc/session
mkdir save
check 'Puppy: the save layer' mount -t aufs -o "remount,prepend:$area/save=rw,mod:$area/pup_rw=ro,del:$area/pup_rw" unionfs u
check 'Puppy: it is written to' sh -c 'echo x > u/etc/saved && test -e save/etc/saved'
check 'Puppy: what was in the old one is gone' same none "$(content etc/session)"
layer extra
check 'Puppy: sfs_load' mount -o "remount,append:$area/extra=rr" u
check 'Puppy: it shows' same extra "$(content etc/extra)"
check 'Puppy: udba=notify' mount -o remount,udba=notify u
: > save/etc/.wh.extra
check 'Puppy: a whiteout made by hand' same none "$(content etc/extra)"
rm save/etc/.wh.extra
check 'Puppy: and removed by hand' same extra "$(content etc/extra)"
check 'Puppy: udba=reval' mount -o remount,udba=reval u
# What aufs itself leaves in a branch: Puppy's scripts filter it when they merge the
# save layer, and the union does not show it.
: > save/.wh..wh.aufs
mkdir -p save/.wh..wh.orph save/.wh..wh.plnk
rm u/etc/adrv
check "Puppy: aufs's own files do not show" same etc "$(names u)"
check 'Puppy: its filters leave what is the user'"'"'s' same 'etc etc/.wh.adrv etc/saved' "$(cd save &&
	find . -mindepth 1 -regextype posix-extended \
		-not -regex '.*/\.wh\.\.wh\.(aufs|orph|plnk|opq).*' -printf '%P\n' |
	LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
check 'Puppy: sfs_load unload' mount -o "remount,del:$area/extra" u
check 'Puppy: umount' umount extra
umount u puppy adrv sfs

# Porteus and PorteuX.
layer porteus; layer X.xzm
mkdir porteus_rw
mount -t aufs -o "br:$area/porteus_rw=rw:$area/porteus=rr" aufs u
check 'Porteus: activate' mount -no "remount,add:1:$area/X.xzm=rr" aufs u
check 'Porteus: it shows' same X.xzm "$(content etc/X.xzm)"
check 'Porteus: deactivate' mount -no "remount,del:$area/X.xzm" aufs u
check 'Porteus: umount -nd' umount -nd X.xzm
check 'Porteus: append' mount -no "remount,append:$area/ro=ro" aufs u
umount u porteus

# As Porteus has it: a squashfs in a file, which umount -d detaches.
if command -v mksquashfs > /dev/null && modprobe -q loop 2> /dev/null && {
	mkdir -p module/usr/bin images/Y.xzm &&
	echo Y > module/usr/bin/Y &&
	mksquashfs module Y.xzm -quiet -no-progress > /dev/null 2>&1 &&
	mount -o loop Y.xzm images/Y.xzm
}; then
	mkdir porteus_rw2
	mount -t aufs -o "br:$area/porteus_rw2=rw:$area/ro=rr" aufs u
	check 'Porteus: activate a file' mount -no "remount,add:1:$area/images/Y.xzm=rr" aufs u
	check 'Porteus: it shows' same Y "$(content usr/bin/Y)"
	device=$(losetup -n -O NAME -j Y.xzm)
	check 'Porteus: it is on a loop device' test -n "$device"
	check 'Porteus: deactivate it' mount -no "remount,del:$area/images/Y.xzm" aufs u
	check 'Porteus: umount -nd' umount -nd images/Y.xzm
	check 'Porteus: the device is detached' same '' "$(losetup -n -O NAME -j Y.xzm)"
	umount u
else
	skip 'Porteus: a squashfs in a file' 'no squashfs, or no loop device'
fi

# Docker's aufs driver: the kernel's own interface, and the rest by MS_REMOUNT.
check 'Docker: /proc/filesystems' grep -qw aufs /proc/filesystems
mkdir -p diff/top diff/init diff/l1 diff/l2
echo l2 > diff/l2/f
echo l1 > diff/l1/f
mkdir diff/l1/d diff/l2/d
: > diff/l1/.wh..wh..opq
echo l2 > diff/l2/hidden
check 'Docker: mount' mount -i -t aufs -o \
	"br:$area/diff/top=rw:$area/diff/init=ro+wh,dio,xino=/dev/shm/aufs.xino,dirperm1" none u
check 'Docker: append' mount -i -o \
	"remount,append:$area/diff/l1=ro+wh,append:$area/diff/l2=ro+wh" u
check 'Docker: the layers' same l1 "$(content f)"
check 'Docker: opaque' same none "$(content hidden)"
check 'Docker: statfs says aufs' same 61756673 "$(stat -f -c %t u)"
umount u

# fstab.
mkdir sdb sdc
cat > fstab <<END
none $area/u aufs br:$area/sdb=rw:$area/sdc,create=mfs,sum,nofail 0 0
END
check 'fstab: mfs' mount -T fstab "$area/u"
check 'fstab: writes' sh -c 'echo x > u/x'
check 'fstab: remount repeats the branches' mount -T fstab -o remount,ro "$area/u"
umount u
cat > fstab <<END
none $area/u aufs br:$area/sdb=rw:$area/sdc=ro 0 0
END
check 'fstab: ro' mount -T fstab "$area/u"
umount u

# Slax: what its initrd writes into the union, and what is done with that at the end.
mkdir -p root_rw
mount -t aufs -o "br:$area/root_rw=rw:$area/ro=rr" aufs u
mkdir -p u/etc u/sbin
echo "aufs / aufs defaults" > u/etc/fstab
ln -s /bin/true u/sbin/fsck.aufs
check 'Slax: fsck.aufs' u/sbin/fsck.aufs -a /
sed "s|/ aufs|$area/u aufs|" u/etc/fstab > fstab
check 'Slax: fstab has the word' grep -qx "aufs $area/u aufs defaults" fstab
check 'Slax: ro by fstab' mount -T fstab -n -o remount,ro "$area/u"
refused 'Slax: read-only' sh -c 'echo x > u/x'
check 'Slax: rw by fstab' mount -T fstab -n -o remount,rw "$area/u"
check 'Slax: the branches are as they were' sh -c 'echo x > u/x && test -e root_rw/x'
umount u

# dracut of KaOS.
mkdir cow image
check 'dracut: mount' mount -t aufs -o "noatime,noxino,dirs=$area/cow=rw:$area/image=rr" aufs u
check 'dracut: umount' umount u
umount X.xzm 2> /dev/null
finish
