#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# /sys/kernel/debug/aufs2/si_*: what goes on in a union. Its files keep nothing.
#
# Catches: a table that is not published with that of the union.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it has nothing there"
mount -t debugfs none /sys/kernel/debug 2> /dev/null || true
[ -d /sys/kernel/debug/aufs2 ] || fail_all "no /sys/kernel/debug/aufs2"

# count NAME: a counter.
count() {
	awk -v name="$1" '$1 == name { print $2 }' "$at/counters"
}

# column N: of all branches.
column() {
	awk -v n="$1" 'NR > 1 { print $n }' "$at/branches" | tr '\n' ' ' | sed 's/ $//'
}

# more NAME COMMAND...: the command succeeds, and the counter is higher then.
more() {
	before=$(count "$1")
	shift
	"$@" || return
	after=$(count "$counter")
	echo "$counter: $before, then $after"
	[ "$after" -gt "$before" ]
}

change() {
	mount -i -o "remount,$1" u
}

mkdir ro/d ro/l
for i in $(seq 40); do
	echo low > "ro/l/a$i"
	ln "ro/l/a$i" "ro/l/b$i"
done
echo low > ro/f
echo low > ro/g
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
at=/sys/kernel/debug/aufs2/$(awk -v at="$area/u" '$2 == at { print $4 }' /proc/mounts |
	tr , '\n' | grep '^si=' | tr '=' _)
check 'the files' same 'branches counters' "$(names "$at")"
check 'for root only' same 400 "$(stat -c %a "$at/branches")"
check 'the branches' same "$area/rw $area/ro" "$(column 7)"
check 'are those of sysfs' same "$(cat /sys/fs/aufs*/"${at##*/}"/brid? | tr '\n' ' ' | sed 's/ $//')" \
	"$(column 2)"
check 'writable' same 'yes no' "$(column 5)"
check 'nothing is held' same 'no no' "$(column 4)"
check 'all gates are open' same 'open open' "$(column 3)"
exec 7< u/f
check 'a file is open' same 'no yes' "$(column 4)"
exec 7<&-

counter=copies-up
check 'a copy-up is counted' more copies-up sh -c 'echo x >> u/f'
check 'one' same 1 "$(count copies-up)"
counter=inodes
check 'an inode is counted' more inodes stat u/g
inodes=$(count inodes)
check 'a file that is removed' rm u/g
check 'is not' test "$(count inodes)" -lt "$inodes"
# others: how many inodes are there when nobody uses a name.
others() {
	echo 2 > /proc/sys/vm/drop_caches
	echo 2 > /proc/sys/vm/drop_caches
	count inodes
}

before=$(others)
check 'files with other names below' sh -c 'chmod 600 u/l/a*'
check 'are kept' test "$(others)" -ge $((before + 40))
check 'those that have got their names' sh -c 'chmod 644 u/l/b*'
check 'are not' test "$(others)" -lt $((before + 40))
check 'nor are those' sh -c 'rm u/l/*'
check 'that have none' test "$(others)" -lt $((before + 40))
counter=generation
check 'generations are counted' more generation change "add:1:$area/ro2=ro"
counter=refreshes
check 'and refreshes' more refreshes stat u/f
counter=marks
check 'and marks, which see what others do' more marks stat u/d
check 'the new branch shows' same "$area/rw $area/ro2 $area/ro" "$(column 7)"

# A reader that stays keeps no branch, and not the union.
exec 6< "$at/branches"
exec 5< "$at/counters"
read -r line <&6
check 'a reader' contains "$line" 'index id'
if [ "$fs" = tmpfs ]; then
	mkdir own
	mount -t tmpfs own own
	check 'add' change "append:$area/own=ro"
	exec 4< "$at/branches"
	read -r line <&4
	start=$(cut -d. -f1 /proc/uptime)
	check 'del, with a reader' change "del:$area/own"
	check 'goes at once' test $(($(cut -d. -f1 /proc/uptime) - start)) -lt 8
	check 'nothing holds its filesystem' umount own
	exec 4<&-
fi
check 'umount, with files open' umount u
check 'the folder is gone' test ! -e "$at"
refused 'what was open shows nothing more' cat <&5
refused 'and the module stays for as long' rmmod aufs2
exec 5<&- 6<&-

# Readers, while unions and branches come and go.
(
	while [ ! -e stop ]; do
		cat /sys/kernel/debug/aufs2/si_*/* > /dev/null 2>&1
	done
) &
reader=$!
i=0
while [ $i -lt 50 ]; do
	mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u || break
	change "add:1:$area/ro2=ro" || break
	change "del:$area/ro2" || break
	umount u || break
	i=$((i + 1))
done
touch stop
wait $reader
check '50 unions under a reader' same 50 "$i"
check 'none is left' same '' "$(names /sys/kernel/debug/aufs2)"
finish
