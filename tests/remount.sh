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
fi || skip_all "cannot mount"

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
finish
