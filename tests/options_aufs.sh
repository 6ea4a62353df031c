#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every option and every attribute of a branch that aufs has: accepted at mount and at remount, and
# of effect or not as Documentation/usage.md and aufs.md say.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "overlayfs has other options"

union() {
	umount u 2> /dev/null
	mount -i -t aufs2 -o "$1" none u
}

shown() {
	grep " $area/u " /proc/mounts | sed 's/,si=[0-9a-f]*//'
}

mkdir rw/d ro/d
echo low > ro/f
echo low > ro/d/f
base="br:$area/rw=rw:$area/ro=ro"
union "$base" || fail_all "cannot mount"
plain=$(shown)

# --- what changes nothing ------------------------------------------------------------------------

# By the kernel's own grammar: mount(8) keeps silent and relatime to itself.
for option in xino=$area/x noxino trunc_xino notrunc_xino trunc_xino=$area/rw \
	trunc_xino_path=$area/rw itrunc_xino=0 trunc_xib notrunc_xib plink noplink list_plink \
	clean_plink dirperm1 nodirperm1 dirren nodirren dirwh=3 diropq=w diropq=whiteouted diropq=a \
	diropq=always dio nodio rdcache=10 rdblk=512 rdblk=def rdhash=32 rdhash=def verbose v \
	noverbose quiet q silent fhsm_sec=30 nodlgt dlgt coo=none coo=leaf coo=all debug=1 delete=all imap=x relatime si=1; do
	check "$option" union "$base,$option"
	check "$option is not shown" same "$plain" "$(shown)"
	check "$option at remount" mount -i -o "remount,$option" u
	check "$option: the union is what it was" same 'd f' "$(names u)"
done
check 'no table of inode numbers was made' same '' "$(find rw x .aufs.xino -name '*xino*' 2> /dev/null)"

for option in dirwh=x diropq=x diropq rdcache rdblk=x rdhash=x itrunc_xino=x fhsm_sec=x coo coo=some xino \
	create=x create cpup=x cpup udba=x nosuch plink=1; do
	refused "$option" union "$base,$option"
done

# --- what is shown, and what it does -------------------------------------------------------------

for option in sum nosum wsum acl noacl udba=none udba=reval refrof norefrof retry noretry \
	warn_perm nowarn_perm create=tdp create=rr create=mfs create=mfs:5 create=tdmfs:100 \
	create=mfsrr:100:5 create=pmfs create=pmfsrr:100 create_policy=tdp cpup=tdp cpup=bup \
	cpup=bu copyup=bup copyup_policy=bu; do
	check "$option" union "$base,$option"
	check "$option at remount" mount -i -o "remount,$option" u
done
union "$base,create=pmfsrr:100:5,cpup=bup,noretry,nowarn_perm"
check 'they are shown' contains "$(shown)" ,cpup=bup,noretry,nowarn_perm,create=pmfsrr:100:5
check 'a remount keeps them' mount -i -o remount,norefrof u
check 'all of them' contains "$(shown)" ,norefrof,cpup=bup,noretry,nowarn_perm,create=pmfsrr:100:5
umount u

# One branch by itself, and two of the same filesystem, which counts once.
mkdir small large
mount -t tmpfs -o size=1M,nr_inodes=100 small small
mount -t tmpfs -o size=2M,nr_inodes=1000 large large
mkdir large/a large/b
apart="br:$area/small=rw:$area/large/a=ro:$area/large/b=ro"

# sizes MOUNT: its blocks and inodes.
sizes() {
	stat -f -c '%b %c' "$1"
}
small=$(sizes small) large=$(sizes large)
both="$((${small% *} + ${large% *})) $((${small#* } + ${large#* }))"
check 'statfs as it is' union "$apart"
check 'is of the topmost branch' same "$small" "$(sizes u)"
for option in sum wsum; do
	check "$option" union "$apart,$option"
	check "$option: of all branches" same "$both" "$(sizes u)"
	check "$option: nosum at remount" mount -i -o remount,nosum u
	check "$option: of one again" same "$small" "$(sizes u)"
	check "$option at remount" mount -i -o "remount,$option" u
	check "$option: of all again" same "$both" "$(sizes u)"
done
check 'nosum' union "$apart,nosum"
check 'nosum: of the topmost branch' same "$small" "$(sizes u)"
umount u
umount small large

chmod 700 ro
dmesg -C
union "$base"
check 'warn_perm' contains "$(dmesg)" "'$area/ro'"
dmesg -C
union "$base,nowarn_perm"
check 'nowarn_perm' same '' "$(dmesg | grep "'$area/ro'")"
chmod 755 ro
dmesg -C
union "$base"
check 'nothing to warn of' same '' "$(dmesg | grep "'$area/ro'")"

# --- attributes of branches ----------------------------------------------------------------------

for permission in ro+wh rr+wh ro+icex ro+icexsec ro+icexsys ro+icextr ro+icexusr ro+icexoth \
	ro+coo_reg ro+coo_all ro+moo ro+fhsm ro+unpin rr+coo_reg+icexusr; do
	check "$permission" union "br:$area/rw=rw:$area/ro=$permission"
	check "$permission: it shows" same 'low' "$(cat u/f)"
done
for permission in rw+nolwh rw+coo_reg rw+coo_all rw+moo rw+fhsm rw+unpin rw+icex rw+nolwh+icexusr; do
	check "$permission" union "br:$area/rw=$permission:$area/ro"
	check "$permission at remount" mount -i -o "remount,mod:$area/rw=$permission" u
done
refused 'nolwh of what is not written' union "br:$area/rw=rw:$area/ro=ro+nolwh"
refused 'wh of what is' union "br:$area/rw=rw+wh:$area/ro"
refused 'an unknown attribute' union "$base+nosuch"

umount u 2> /dev/null
rm -rf rw/* rw/.wh*
union "br:$area/rw=rw+nolwh:$area/ro=ro"
rm u/f u/d/f
check 'nolwh: a whiteout is a file of its own' same '1 1' \
	"$(stat -c %h rw/.wh.f) $(stat -c %h rw/d/.wh.f)"
umount u
rm -rf rw/* rw/.wh*
union "$base"
rm u/f u/d/f
check 'without it, a link' same 3 "$(stat -c %h rw/.wh.f)"
umount u
rm -rf rw/* rw/.wh*

union "br:$area/rw=rw:$area/ro=ro+coo_reg"
stat u/f > /dev/null
check 'coo_reg: not by stat' fails test -e rw/f
mount -i -o remount,bind,ro u
check 'coo_reg: through a read-only mount' same low "$(cat u/f)"
check 'coo_reg: not then' fails test -e rw/f
mount -i -o remount,bind,rw u
mount -i -o remount,ro u
check 'coo_reg: of a read-only union' same low "$(cat u/f)"
check 'coo_reg: not then' fails test -e rw/f
mount -i -o remount,rw u
fsfreeze -f u
check 'coo_reg: of a frozen union' same low "$(cat u/f)"
check 'coo_reg: not then' fails test -e rw/f
fsfreeze -u u
cat u/f > /dev/null
check 'coo_reg: by open' same low "$(cat rw/f)"
(exec 9< u/d)
check 'coo_reg: not a directory' fails test -e rw/d
union "br:$area/rw=rw:$area/ro=ro+coo_all"
(exec 9< u/d)
check 'coo_all: a directory, too' test -d rw/d
check 'and no more' fails test -e rw/d/f
umount u
rm -rf rw/*
union "br:$area/ro=ro+coo_all"
check 'coo without a branch above' same low "$(cat u/f)"
umount u

# A filesystem without user.* attributes is full of them: ramfs has none at all.
mkdir ram
mount -t ramfs ram ram
if setfattr -n user.x -v 1 ro/f 2> /dev/null && ! setfattr -n user.x -v 1 ram 2> /dev/null; then
	union "br:$area/ram=rw:$area/ro=ro"
	check 'an attribute that the branch cannot have' sh -c 'echo more >> u/f'
	umount u
	find ram -mindepth 1 -delete
	check 'icexusr' union "br:$area/ram=rw+icexusr:$area/ro=ro"
	check 'the same' sh -c 'echo more >> u/f'
	umount u
else
	skip icexusr "no filesystem without attributes"
fi
umount ram

# --- show whiteouts ------------------------------------------------------------------------------

rm -rf rw/* rw/.wh*
mkdir rw/d
: > rw/.wh.f
: > rw/d/.wh..wh..opq
: > rw/.wh..wh.aufs
refused 'shwh of a union that is written to' union "$base,shwh"
check 'shwh' union "br:$area/rw=ro+wh:$area/ro=ro,shwh"
check 'it is shown' contains "$(shown)" ,shwh
check 'whiteouts show' same '.wh.f d' "$(names u)"
check 'and hide' fails test -e u/f
check 'opaque directories, too' same '.wh..wh..opq' "$(names u/d)"
check 'they can be looked at' same '0 0' "$(stat -c %s u/.wh.f) $(stat -c %s u/d/.wh..wh..opq)"
check 'what is for internal use does not' fails test -e u/.wh..wh.aufs
check 'they can be copied' cp -a u copied
check 'all of it' same '.wh.f d' "$(names copied)"
check 'noshwh' mount -i -o remount,noshwh u
check 'they are gone' same d "$(names u)"
check 'by name, too' fails test -e u/.wh.f
check 'shwh again' mount -i -o remount,shwh u
check 'they are back' test -e u/.wh.f
umount u
check 'shwh with ro' union "$base,ro,shwh"
refused 'not rw then' mount -i -o remount,rw u
umount u
finish
