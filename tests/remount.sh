#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Remounting: ro and rw, with writers about, with a shown si=.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"

echo low > ro/f
if [ -n "$reference" ]; then
	mount -t overlay -o "lowerdir=$area/ro,upperdir=$area/rw,workdir=$area/.work" none u
else
	mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
fi || fail_all "cannot mount"

# overlayfs refuses its own options from /proc/mounts, which mount(8) adds.
remount() {
	mount ${reference:+--options-mode ignore} -o "remount,$1" u
}

# writes TEXT: through the union
writes() {
	echo "$1" > u/new
}

check 'writable' writes 1
check 'remount,ro' remount ro
check 'shown as ro' contains "$(grep " $area/u " /proc/mounts)" ' ro,'
refused 'not writable' writes 2
refused 'no copy-up' sh -c 'echo x >> u/f'
refused 'no unlink' rm -f u/f
check 'readable' same low "$(cat u/f)"
check 'nothing came to the branch' same new "$(names rw | sed 's/\.wh\.[^ ]* *//g')"
check 'remount,rw' remount rw
check 'writable again' writes 3
check 'the write is there' same 3 "$(cat u/new)"

# A descriptor open for writing keeps the union from turning read-only.
exec 7> u/open
refused 'busy with a writer' remount ro
check 'and stays writable' writes 4
exec 7>&-
check 'remount,ro without it' remount ro
check 'remount,rw at the end' remount rw

# An unlinked file that is open counts, too.
exec 7> u/open
rm u/open
refused 'busy with an unlinked one' remount ro
exec 7>&-
check 'remount,ro after it' remount ro

# A mount of its own may be read-only while the union is not.
remount rw
mkdir v
check 'bind' mount --bind u v
check 'bind,ro' mount -o remount,bind,ro v
refused 'read-only there' sh -c 'echo x > v/new'
check 'writable here' writes 5
check 'umount v' umount v
if [ -z "$reference" ]; then
	refused 'a bad option' mount -i -o remount,nosuch u
	check 'still works' writes 6
fi
check 'umount u' umount u
[ -z "$reference" ] || { finish; exit; }

# What mount(8) repeats from fstab(5), for which there need be no helper.
mkdir v1 v2
echo 1 > v1/v
echo 2 > v2/v
br="br:$area/rw=rw:$area/v1=ro:$area/ro=ro"
check 'mount' mount -i -t aufs2 -o "$br" none u
check 'another layer' mount -i -o "remount,del:$area/v1,add:1:$area/v2=ro" u
check 'shows' same 2 "$(cat u/v)"
check 'remount,ro with what it was mounted with' mount -i -o "remount,ro,$br" u
check 'brings nothing back' same 2 "$(cat u/v)"
rm -r v1
check 'remount,rw when a layer of then is no more' mount -i -o "remount,rw,$br" u
check 'append: still adds' mount -i -o "remount,$br,append:$area/v" u
check 'umount u' umount u
check 'mount with a branch in memory' mount -i -t aufs2 -o "br:mem=rw:$area/ro=ro,size=1m" none u
check 'remount repeats its size' mount -i -o "remount,br:mem=rw:$area/ro=ro,size=1m" u
# A helper of mount(8) leaves br: out, and mount(8) itself repeats the rest of fstab.
check 'and without the branch' mount -i -o "remount,ro,size=1m" u
check 'so does remount,rw' mount -i -o "remount,rw,size=1m" u
refused 'which cannot be changed' mount -i -o "remount,size=2m" u
refused 'nor with the branch' mount -i -o "remount,br:mem=rw:$area/ro=ro,size=2m" u
refused 'nor what it was not given' mount -i -o "remount,size=1m,nr_inodes=50" u
check 'another branch, and the same' mount -i -o "remount,size=1m,append:$area/v2=ro" u
check 'without the one in memory, too' mount -i -o "remount,size=1m,mod:$area/v2=rw,del:mem" u
check 'and later' mount -i -o "remount,size=1m" u
check 'a new one' mount -i -o "remount,prepend:mem=rw,size=2m" u
check 'has its own' mount -i -o "remount,size=2m" u
refused 'and not the old one' mount -i -o "remount,size=1m" u
size() {
	stat -f -c '%S %b' u | awk '{ print $1 * $2 }'
}
check 'it is that large' same 2097152 "$(size)"
check 'thrown away and made anew' mount -i -o "remount,del:mem,prepend:mem=rw" u
check 'it is as large' same 2097152 "$(size)"
check 'and can be said to be' mount -i -o "remount,size=2m" u
check 'or other than that' mount -i -o "remount,del:mem,prepend:mem=rw,size=3m" u
check 'which counts' same 3145728 "$(size)"
check 'also later' mount -i -o "remount,size=3m" u
check 'umount u' umount u
refused 'a size of nothing' mount -i -t aufs2 -o "br:$area/rw=rw:$area/ro=ro,size=1m" none u

# A layer whose place is not what it was: it is still known by its name, and by its index.
mount -t tmpfs t v
echo gone > v/w
check 'mount' mount -i -t aufs2 -o "br:$area/rw=rw:$area/v=ro:$area/v2=ro" none u
check 'umount of a layer' umount v
check 'it still shows' same gone "$(cat u/w)"
refused 'an index that there is not' mount -i -o "remount,del:7" u
check 'del by its name' mount -i -o "remount,del:$area/v" u
refused 'it is gone' test -e u/w
check 'del by index' mount -i -o "remount,del:1" u
refused 'that one is gone, too' test -e u/v
check 'umount u' umount u

# A layer with deletions that do not count is told of.
mkdir saved
: > saved/.wh..wh.aufs
: > saved/.wh.f
told() {
	dmesg | grep -c "branch '$area/saved' has whiteouts"
}
before=$(told)
check 'mount of a saved layer' mount -i -t aufs2 -o "br:$area/saved=ro:$area/ro=ro" none u
check 'what it deletes shows, and that is told' same $((before + 1)) "$(told)"
check 'umount u' umount u
check 'mount with +wh' mount -i -t aufs2 -o "br:$area/saved=ro+wh:$area/ro=ro" none u
refused 'it is deleted' test -e u/f
check 'and nothing is told' same $((before + 1)) "$(told)"
check 'umount u' umount u
finish
