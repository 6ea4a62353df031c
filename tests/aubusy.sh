#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The tool aubusy tells which processes keep a branch.
#
# Catches: an IBUSY that finds nobody.
aubusy=$(readlink -f "$(dirname "$(readlink -f "$0")")/../aubusy")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
[ -x "$aubusy" ] || aubusy=$(command -v aubusy) || skip_all "no aubusy"

# ask BRANCH: what it says, and its status, in one line.
ask() {
	said=$("$aubusy" u "$1" 2>&1)
	printf '%s %s\n' "$?" "$(printf '%s\n' "$said" | sed "s,$area/,,g" | sort | tr '\n' ';')"
}

mkdir -p ro/only ro/both ro2/both
echo low > ro/f
echo second > ro2/g
cp "$(command -v sleep)" ro2/program
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro:$area/ro2=ro" none u
check 'nobody' same '0 ;' "$(ask 1)"
check 'nobody, by path' same '0 ;' "$(ask "$area/ro")"
check 'nobody, by a relative path' same '0 ;' "$(ask ro)"
check 'an index out of range' same '2 aubusy: 3: no such branch;' "$(ask 3)"
check 'an unknown path' same "2 aubusy: nosuch: no such branch;" "$(ask nosuch)"
said=$("$aubusy" ro 0 2>&1)
check 'no union' same '2 aubusy: ro: not on a union' "$? $said"
refused 'no arguments' "$aubusy"

exec 7< u/f
check 'a descriptor' contains "$(ask 1)" "$$ "
check 'says which' contains "$(ask 1)" ' fd 7 u/f;'
check 'not of the other branch' same '0 ;' "$(ask 2)"
check 'only numbers' contains "$("$aubusy" -q u 1 | tr '\n' ' ')" "$$ "
refused 'the branch cannot be removed' mount -i -o "remount,del:$area/ro" u
exec 7<&-
check 'closed again' same '0 ;' "$(ask 1)"

# Who may not look at all processes cannot say that nobody keeps it.
if command -v setpriv > /dev/null; then
	blind() {
		said=$(setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace "$aubusy" u 1 2>&1)
		printf '%s %s\n' "$?" "$(printf '%s\n' "$said" | sed 's/process [0-9]*/process N/;s/^[0-9]* //' | tr '\n' ';')"
	}
	check 'not all can be seen' same \
		'2 aubusy: what process N and others have open cannot be seen: run it as root;' "$(blind)"
	(cd u/only && exec setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace sleep 100) &
	sleeper=$!
	settles grep -qx sleep "/proc/$sleeper/comm"
	check 'but somebody is' contains "$(blind)" '1 sleep cwd '
	kill $sleeper
	wait $sleeper 2> /dev/null
else
	skip 'not all can be seen' 'no setpriv'
fi

# Nor who sees a part of them only, or nothing.
# hidden COMMAND...: what it says of it where that is so.
hidden() {
	said=$("$@" "$aubusy" u 1 2>&1)
	echo "$? $said"
}
hidden='2 aubusy: not all processes can be seen from here: run it as root, where no process is hidden'
exec 7< u/f
check 'in a namespace of processes' same "$hidden" "$(hidden unshare -pf --mount-proc)"
# shellcheck disable=SC2016 # for the shell inside
check 'without /proc' same "$hidden" \
	"$(hidden unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh)"
if command -v setpriv > /dev/null; then
	# Also to root, that may not trace them; but not to the group that the mount is for, which is 0.
	# shellcheck disable=SC2016
	check 'where /proc hides them' same "$hidden" \
		"$(hidden unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc && exec "$@"' sh \
			setpriv --regid 65534 --clear-groups --bounding-set -sys_ptrace --inh-caps -sys_ptrace)"
fi
exec 7<&-

# A line each, whatever is in a name; and whoever has read enough is no mistake.
mkdir "ro/new
line"
exec 7< "u/new
line"
check 'a newline in a name' contains "$(ask 1)" ' fd 7 '
check 'one line' contains "$(ask 1)" 'u/new\012line;'
mkfifo pipe
: < pipe &
exec 8> pipe
wait $!
check 'nobody reads it' same '1 ' "$("$aubusy" u 1 2>&1 >&8; echo "$? ")"
check 'there is no room for it' contains "$("$aubusy" u 1 2>&1 > /dev/full; echo "$?")" 'standard output: No space'
exec 8>&-
exec 7<&-

(cd u/only && exec sleep 100) &
sleeper=$!
settles grep -qx sleep "/proc/$sleeper/comm"
check 'a working directory' same "1 $sleeper sleep cwd u/only;" "$(ask 1)"
kill $sleeper
wait $sleeper 2> /dev/null
(cd u/both && exec sleep 100) &
sleeper=$!
settles grep -qx sleep "/proc/$sleeper/comm"
check 'a directory that another branch has' same '0 ;' "$(ask 1)"
kill $sleeper
wait $sleeper 2> /dev/null

u/program 100 &
sleeper=$!
settles grep -q u/program "/proc/$sleeper/maps"
check 'a program and its mappings' \
	same "1 $sleeper program exe u/program;$sleeper program mapping u/program;" "$(ask 2)"
kill $sleeper
wait $sleeper 2> /dev/null
check 'over' same '0 ;' "$(ask 2)"
check 'now it goes' mount -i -o "remount,del:$area/ro2" u

check 'umount' umount u
finish
