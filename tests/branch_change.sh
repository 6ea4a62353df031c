#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Branches are added, removed, moved and changed while the union is in use.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "overlayfs cannot do that"

# union OPTION...: mounts it anew.
union() {
	umount u 2> /dev/null
	mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
}

change() {
	mount -i -o "remount,$1" u
}

# patiently CHANGE: tries again while somebody has a file open for longer than
# the union waits, as on a busy machine.
patiently() {
	change "$1" 2> /dev/null || change "$1" 2> /dev/null || change "$1"
}

# content FILE: of the union, in one word.
content() {
	cat "u/$1" 2> /dev/null || echo none
}

# dev OF: the device and inode number that stat shows.
inode() {
	stat -c %d:%i "$1"
}

mkdir -p ro/dir ro2/dir ro2/only l3/dir
echo low > ro/f
echo low > ro/both
echo second > ro2/both
echo second > ro2/new
echo low > ro/dir/a
echo second > ro2/dir/b
echo second > ro2/only/x
union || fail_all "cannot mount"

check 'not there before' same none "$(content new)"
before=$(inode u/dir)
# A remount drops what is cached and not in use; what is in use keeps its number.
exec 6< u/dir
check 'add below' change "append:$area/ro2=ro"
check 'a new name shows' same second "$(content new)"
check 'what is above hides' same low "$(content both)"
check 'a directory is merged' same 'a b' "$(names u/dir)"
check 'and is the same inode' same "$before" "$(inode u/dir)"
check 'del below' change "del:$area/ro2"
check 'the name is gone' same none "$(content new)"
check 'the directory has its own only' same a "$(names u/dir)"
check 'the same inode still' same "$before" "$(inode u/dir)"
check 'and another one is gone' same none "$(content only/x)"

check 'add:1' change "add:1:$area/ro2=ro"
check 'it hides what is below' same second "$(content both)"
check 'merged' same 'a b' "$(names u/dir)"
check 'inode' same "$before" "$(inode u/dir)"
check 'mv:2' change "mv:2:$area/ro2"
check 'the order has changed' same low "$(content both)"
check 'mv:1' change "mv:1:$area/ro2"
check 'and again' same second "$(content both)"
check 'del' change "del:$area/ro2"
check 'what was hidden shows' same low "$(content both)"

exec 6<&-

# Whiteouts count when the branch says so.
: > ro2/.wh.f
check 'ro without +wh' change "add:1:$area/ro2=ro"
check 'a whiteout does not count' same low "$(content f)"
check 'mod +wh' change "mod:$area/ro2=ro+wh"
check 'it counts now' same none "$(content f)"
check 'mod back' change "mod:$area/ro2=ro"
check 'it does not again' same low "$(content f)"
change "del:$area/ro2"
rm ro2/.wh.f

# Open files.
exec 7< u/both
read -r first <&7
check 'first read' same low "$first"
check 'add over an open file' change "add:1:$area/ro2=ro"
exec 8< u/both
check 'a new open reads the new one' same second "$(cat <&8)"
exec 8<&-
check 'the old descriptor, too' same second "$(cat /proc/self/fd/7)"
refused 'the branch is busy' change "del:$area/ro2"
check 'and still there' same second "$(content both)"
exec 7<&-
check 'del after close' change "del:$area/ro2"
check 'the first again' same low "$(content both)"

# What was opened after its copy-up needs nothing below.
echo second > ro2/copied
echo second > ro2/moved
mkdir ro2/along
echo second > ro2/along/x
check 'add' change "add:1:$area/ro2=ro"
exec 7< u/copied
echo more >> u/copied
check 'what was opened before a copy-up is read after it' same 'second more' "$(tr '\n' ' ' <&7 | sed 's/ $//')"
refused 'and keeps the branch' change "del:$area/ro2"
exec 7<&-
exec 7< u/copied
mv u/moved u/moved.new
mv u/along u/along.new
exec 8< u/moved.new 9< u/along.new/x
check 'what was opened after it does not' change "del:$area/ro2"
check 'they are read' same 'second more second second' \
	"$( (cat <&7; cat <&8; cat <&9) | tr '\n' ' ' | sed 's/ $//')"
exec 7<&- 8<&- 9<&-
rm -rf rw/copied rw/moved.new rw/along.new ro2/along rw/.wh.moved rw/.wh.along

check 'norefrof' change norefrof
echo 0123456789 > ro/both
echo abcdefghij > ro2/both
exec 7< u/both
check 'add' change "add:1:$area/ro2=ro"
check 'the descriptor keeps its file' same 0123456789 "$(cat <&7)"
check 'the name means the new one' same abcdefghij "$(content both)"
exec 7<&-
check 'del' change "del:$area/ro2"
check 'refrof' change refrof

# Working directories and mounts in the union.
mkdir u/mnt ro2/mnt
mount -t tmpfs inner u/mnt
echo inner > u/mnt/f
mkdir u/dir/sub
mount --bind ro u/dir/sub
i=0
while [ $i -lt 50 ]; do
	change "add:1:$area/ro2=ro" || break
	[ "$(cat u/mnt/f)" = inner ] || break
	change "del:$area/ro2" || break
	[ "$(cat u/dir/sub/f)" = low ] || break
	i=$((i + 1))
done
check '50 adds and dels' same 50 "$i"
check 'a mount survives' same inner "$(cat u/mnt/f)"
check 'a bind mount survives' same low "$(cat u/dir/sub/f)"
umount u/mnt u/dir/sub
check 'add' change "add:1:$area/ro2=ro"
(cd u/only && exec sleep 100) &
sleeper=$!
settles grep -qx sleep "/proc/$sleeper/comm"
refused 'a directory that somebody is in' change "del:$area/ro2"
message=$(mount -i -o "remount,del:$area/ro2" u 2>&1)
check 'the message names it' contains "$message$(dmesg | tail -5)" only
kill $sleeper
wait $sleeper 2> /dev/null
check 'del without it' change "del:$area/ro2"
(cd u/dir && exec sleep 100) &
sleeper=$!
settles grep -qx sleep "/proc/$sleeper/comm"
check 'add' change "add:1:$area/ro2=ro"
check 'seen from the working directory' same 'a b sub' "$(names /proc/$sleeper/cwd)"
check 'del, with somebody in a merged directory' change "del:$area/ro2"
check 'seen from the working directory' same 'a sub' "$(names /proc/$sleeper/cwd)"
kill $sleeper
wait $sleeper 2> /dev/null

# All or nothing.
options=$(grep " $area/u " /proc/mounts)
refused 'an unknown path' change "append:$area/ro2=ro,del:$area/nosuch"
refused 'no such branch' change "append:$area/ro2=ro,del:$area/l3"
refused 'an index out of range' change "add:3:$area/ro2=ro"
refused 'a path twice' change "append:$area/ro2=ro,prepend:$area/ro2=ro"
refused 'one that is there' change "append:$area/ro=ro"
refused 'one inside another' change "append:$area/ro/dir=ro"
refused 'one around another' change "append:$area=ro"
refused 'one in the union' change "append:$area/u/dir=ro"
refused 'all of them' change "del:$area/rw,del:$area/ro"
refused 'a file' change "append:$area/ro/f=ro"
check 'the union is as it was' same "$options" "$(grep " $area/u " /proc/mounts)"
check 'its content, too' same none "$(content new)"

# A swap: never a moment without the files.
mkdir l4
cp -a ro2/. l4/
echo swapped > l4/new
check 'add' change "add:1:$area/ro2=ro"
(while [ ! -e stop ]; do cat u/new > /dev/null 2>&1 || echo miss >> misses; done) &
reader=$!
i=0
while [ $i -lt 10 ]; do
	patiently "del:$area/ro2,add:1:$area/l4=ro" || break
	patiently "add:1:$area/ro2=ro,del:$area/l4" || break
	i=$((i + 1))
done
touch stop
wait $reader
check '10 swaps' same 10 "$i"
check 'never without the file' same '' "$(cat misses 2> /dev/null)"
check 'del' change "del:$area/ro2"

# What is written goes where it is to go.
mkdir s
check 'prepend, mod and del in one' change "prepend:$area/s=rw,mod:$area/rw=ro,append:$area/l3=ro"
echo new > u/written
check 'the new top is written to' same new "$(cat s/written)"
echo x >> u/f
check 'copied up to it' test -e s/f
refused 'a writer keeps a branch writable' sh -c "exec 9>> u/f; mount -i -o remount,mod:$area/s=ro u"
check 'without one it becomes read-only' change "mod:$area/s=ro"
refused 'nothing is writable' sh -c 'echo x > u/none'
check 'rw again' change "mod:$area/s=rw"
check 'writable' sh -c 'echo x > u/some'
check 'del of what was written' change "del:$area/s"
check 'it is gone' same none "$(content written)"
check 'what is below shows' same low "$(content f)"

# When del returns, nothing of the filesystem is held.
mkdir t
i=0
while [ $i -lt 5 ]; do
	mount -t tmpfs layer t
	mkdir -p t/dir t/deep/er
	echo t > t/deep/er/f
	echo t > t/both
	change "add:1:$area/t=ro" || break
	cat u/deep/er/f u/both > /dev/null
	ls -R u > /dev/null
	change "del:$area/t" || break
	umount t || break
	i=$((i + 1))
done
check 'del, then umount' same 5 "$i"

check 'add a branch in memory' change 'prepend:mem=rw,size=1m'
echo m > u/in_memory
check 'written' same m "$(content in_memory)"
check 'del it' change del:mem
check 'gone' same none "$(content in_memory)"
check 'umount' umount u
finish
