#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The work directory of a writable branch: swept by a mount, and what fsync=
# chooses.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: the format is aufs's"

union() {
	mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro${1:+,$1}" none u
}
work=rw/.wh..wh.orph

# As a crash in the middle of a copy-up, and of the removal of a tree, leaves it.
mkdir -p $work/.wh..wh.t.0000000000000001/a/b/c
echo half > $work/.wh..wh.t.0000000000000002
echo deep > $work/.wh..wh.t.0000000000000001/a/b/c/f
mkfifo $work/.wh..wh.t.0000000000000001/a/p
ln -s x $work/.wh..wh.t.0000000000000003
echo mine > rw/mine
echo low > ro/low

check 'a read-only mount' union ro
check 'leaves everything' test -e $work/.wh..wh.t.0000000000000002
check 'umount' umount u
check 'mount' union
check 'sweeps the work directory' same '' "$(ls -A $work)"
check 'and nothing else' same mine "$(cat rw/mine)"
check 'umount' umount u

rmdir $work && echo file > $work
refused 'a file in the place of the work directory' union
check 'is not touched' same file "$(cat $work)"
rm $work

# What another union has in the making is not a leftover.
check 'mount' union
check 'copies up' sh -c 'echo more >> u/low'
mkdir -p $work u2
: > $work/.wh..wh.t.0000000000000007
dmesg -C
check 'a second union on the branch' \
	mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u2
check 'leaves what is in the making' test -e $work/.wh..wh.t.0000000000000007
check 'and is told of' contains "$(dmesg)" "'$area/rw' is written to by another union"
check 'remount' mount -o "remount,mod:$area/rw=ro" u2
check 'and back' mount -o "remount,mod:$area/rw=rw" u2
check 'still leaves it' test -e $work/.wh..wh.t.0000000000000007
check 'umount' umount u
check 'umount of the second' umount u2
check 'mount' union
check 'sweeps it' same '' "$(ls -A $work)"
check 'umount' umount u
if registered overlay || modprobe -q overlay; then
	mkdir w2
	check 'an overlay' mount -t overlay -o "lowerdir=$area/ro,upperdir=$area/rw,workdir=$area/w2" none u2
	: > $work/.wh..wh.t.0000000000000008
	check 'mount' union
	check 'does not sweep what is an overlay'"'"'s upper' test -e $work/.wh..wh.t.0000000000000008
	check 'umount' umount u u2
	rm -rf w2 $work/.wh..wh.t.0000000000000008
fi
rm -f rw/low

# A branch that the union may write to later than from its mount on.
mkdir -p $work
left=$work/.wh..wh.t.0000000000000009
: > $left
check 'a union without it' mount -t aufs2 -o "br:$area/ro=ro" none u
check 'gets it by a remount' mount -o "remount,rw,prepend:$area/rw=rw" u
check 'which sweeps it' same '' "$(ls -A $work)"
: > $left
dmesg -C
check 'another union' mount -t aufs2 -o "br:$area/ro=ro" none u2
check 'gets it, too' mount -o "remount,rw,prepend:$area/rw=rw" u2
check 'and leaves what is in the making' test -e $left
check 'and is told of' contains "$(dmesg)" "'$area/rw' is written to by another union"
check 'umount' umount u u2
check 'a union that is read-only' union ro
check 'leaves it' test -e $left
check 'until it is not any more' mount -o remount,rw u
check 'when it sweeps' same '' "$(ls -A $work)"
check 'to read-only and back' sh -c 'mount -o remount,ro u; mount -o remount,rw u'
check 'copies up' sh -c 'echo more >> u/low'
check 'umount' umount u
rm -f rw/low
rmdir $work && echo file > $work
check 'a file in the place of the work directory' mount -t aufs2 -o "br:$area/ro=ro" none u
refused 'is refused at a remount' mount -o "remount,rw,prepend:$area/rw=rw" u
check 'which adds it read-only' mount -o "remount,prepend:$area/rw=ro" u
refused 'and does not let it become writable' mount -o "remount,rw,mod:$area/rw=rw" u
refused 'so it is not' sh -c 'echo more >> u/low'
rm $work
check 'without it, it does' mount -o "remount,rw,mod:$area/rw=rw" u
check 'and is written to' sh -c 'echo more >> u/low'
check 'umount' umount u
rm -f rw/low

for mode in auto strict volatile; do
	check "fsync=$mode" union "fsync=$mode"
	shown=$(awk '$2 ~ "/u$" && $3 ~ "aufs" { print $4 }' /proc/mounts)
	case $mode in
	auto) refused 'is not shown' contains "$shown" fsync= ;;
	*) check 'is shown' contains "$shown" "fsync=$mode" ;;
	esac
	check 'copies up' sh -c 'echo more >> u/low'
	check 'syncs' sync u/low
	check 'and has the data' same "$(printf 'low\nmore')" "$(cat u/low)"
	check 'nothing is left in the work directory' same '' "$(ls -A $work 2> /dev/null)"
	check 'umount' umount u
	rm -f rw/low
done
refused 'fsync=never' union fsync=never
check 'mount' union
check 'remount to another' mount -o remount,fsync=volatile u
check 'is shown' contains "$(grep "$area/u " /proc/mounts)" fsync=volatile
check 'umount' umount u
finish
