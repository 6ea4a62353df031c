#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# /sys/fs/aufs/si_*: the branches as tools written for aufs look for them.
#
# Catches: rows that are not published with the table; files that stay after del.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it has nothing there"
[ -d /sys/fs/aufs ] || fail_all "no /sys/fs/aufs"

# entry MOUNTPOINT: its folder, found as the scripts of live systems do it.
entry() {
	echo "/sys/fs/aufs/$(awk -v at="$1" '$2 == at { print $4 }' /proc/mounts |
		tr , '\n' | grep '^si=' | tr '=' _)"
}

# shown: all branches in their order, without the area's path.
shown() {
	i=0
	while [ -e "$si/br$i" ]; do
		sed "s,^$area/,," "$si/br$i"
		i=$((i + 1))
	done | tr '\n' ' ' | sed 's/ $//'
}

change() {
	mount -i -o "remount,$1" u
}

check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
si=$(entry "$area/u")
check 'the folder' test -d "$si"
check 'the files' same 'br0 br1 brid0 brid1 root0 root1 xi_path' "$(names "$si")"
check 'br0' same "$area/rw=rw" "$(cat "$si/br0")"
check 'br1' same "$area/ro=ro" "$(cat "$si/br1")"
check 'identities differ' test "$(cat "$si/brid0")" != "$(cat "$si/brid1")"
# root PATH: its device and number, as rootN has them.
root() {
	stat -c '%Hd:%Ld %i' "$1"
}
check 'root0' same "$(root rw)" "$(cat "$si/root0")"
check 'root1' same "$(root ro)" "$(cat "$si/root1")"
check 'xi_path is empty' same '' "$(cat "$si/xi_path")"
check 'mode' same 444 "$(stat -c %a "$si/br0")"
refused 'nothing is written there' sh -c "echo x > $si/br0"

id=$(cat "$si/brid1")
check 'add' change "add:1:$area/ro2=rr"
check 'is shown' same 'rw=rw ro2=rr ro=ro' "$(shown)"
check 'the identity moves along' same "$id" "$(cat "$si/brid2")"
check 'and its root' same "$(root ro2) $(root ro)" "$(cat "$si/root1") $(cat "$si/root2")"
check 'mod' change "mod:$area/ro2=ro+wh"
check 'is shown' same 'rw=rw ro2=ro+wh ro=ro' "$(shown)"
check 'with attributes' change "mod:$area/ro2=ro+wh+icexsec"
check 'is shown' same 'rw=rw ro2=ro+wh+icexsec ro=ro' "$(shown)"
check 'mod' change "mod:$area/ro2=ro+wh"
check 'mv' change "mv:1:$area/ro"
check 'is shown' same 'rw=rw ro=ro ro2=ro+wh' "$(shown)"
gone=$(cat "$si/brid2")
check 'a swap' change "del:$area/ro2,add:1:$area/.work=ro"
check 'is shown' same 'rw=rw .work=ro ro=ro' "$(shown)"
refused 'a change that cannot be made' change "append:$area/ro2=ro,del:$area/nosuch"
refused 'another, refused late' change "append:$area/ro2=ro,append:$area/u=ro"
check 'shows nothing' same 'rw=rw .work=ro ro=ro' "$(shown)"
check 'and leaves no file' same 'br0 br1 br2 brid0 brid1 brid2 root0 root1 root2 xi_path' "$(names "$si")"
check 'what was refused comes' change "append:$area/ro2=ro"
check 'with the identity that it had' same "$gone" "$(cat "$si/brid3")"
check 'and goes' change "del:$area/ro2"
mkdir fresh
for _ in 1 2 3; do
	refused 'a new one' change "append:$area/fresh=ro,del:$area/nosuch"
done
check 'which comes' change "append:$area/fresh=ro"
check 'has the next identity' same $(($(cat "$si/brid1") + 1)) "$(cat "$si/brid3")"
check 'and goes' change "del:$area/fresh"
# A filesystem without a UUID may not be the one that it looks like.
mount -t ramfs none fresh
check 'one without a UUID comes' change "append:$area/fresh=ro"
id=$(cat "$si/brid3")
check 'and goes' change "del:$area/fresh"
check 'and comes' change "append:$area/fresh=ro"
check 'with another identity' test "$id" != "$(cat "$si/brid3")"
check 'and goes' change "del:$area/fresh"
umount fresh
exec 6< "$si/br2"
check 'del' change "del:$area/.work"
check 'is shown' same 'rw=rw ro=ro' "$(shown)"
check 'the files are gone' same 'br0 br1 brid0 brid1 root0 root1 xi_path' "$(names "$si")"
refused 'what was open shows nothing' cat <&6
exec 6<&-
check 'a branch in memory' change 'prepend:mem=rw'
check 'is shown' same 'mem=rw rw=rw ro=ro' "$(shown)"
check 'del' change del:mem
(cd ro2 && mount -i -o remount,append:.=ro ../u)
check 'a relative path is shown as an absolute one' same 'rw=rw ro=ro ro2=ro' "$(shown)"
check 'del' change "del:$area/ro2"
mkdir 'a b	c'
check 'add a path with blanks' change "append:$area/a b	c=ro"
check 'is escaped' same "$area/a\\040b\\011c=ro" "$(cat "$si/br2")"
check 'del' change "del:$area/a b	c"

# As live systems take a branch out again: whatever brN says, less its permission.
check 'append' change "append:$area/ro2=rr"
check 'del by what is shown' change "del:$(sed 's/=rr$//' "$si/br2")"

# Readers, while the branches come and go: each sees one line that was there.
(
	while [ ! -e stop ]; do
		line=$(cat "$si/br1" 2> /dev/null) || continue
		case $line in
		"$area/ro=ro" | "$area/ro2=ro") ;;
		*) echo "$line" >> torn ;;
		esac
	done
) &
reader=$!
i=0
while [ $i -lt 100 ]; do
	change "add:1:$area/ro2=ro" || break
	change "del:$area/ro2" || break
	i=$((i + 1))
done
touch stop
wait $reader
check '100 adds and dels under a reader' same 100 "$i"
check 'no torn line' same '' "$(cat torn 2> /dev/null)"

check 'another union' mount -t aufs2 -o "br:$area/ro2=ro" none .work
check 'has its own' same "$area/ro2=ro" "$(cat "$(entry "$area/.work")/br0")"
check 'umount' umount .work

exec 6< "$si/br0"
cd "$si" || exit 1
check 'umount, with a file open and somebody in the folder' umount "$area/u"
refused 'what was open shows nothing' cat <&6
cd "$area" || exit 1
exec 6<&-
check 'the folder is gone' test ! -e "$si"
finish
