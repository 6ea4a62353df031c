#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A branch whose server does not answer.
#
# Catches: whoever waits for it and cannot be killed; a lock that is held meanwhile, so that the rest of the
# union waits as well; a branch that can never be removed.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
command -v python3 > /dev/null || skip_all "no python3"

mkdir -p rw/d rw/own ro2/d far/d far/only ro
echo here > rw/d/here
echo own > rw/own/f
echo below > ro2/d/below
echo far > far/d/file
echo far > far/only/file
serve far ro

# state: of the one that waits, as in /proc; nothing if it has ended.
state() {
	sed -n 's/^State:\t\([^XZ]\).*/\1/p' "/proc/$(cat waiter)/status" 2> /dev/null
}

# is_there: it has not ended.
is_there() {
	[ -n "$(state)" ]
}

# waits COMMAND...: it comes to sleep, and does so ten times in a row that one looks. Its number is in a
# file, as a check is a shell of its own.
waits() {
	"$@" > /dev/null 2>&1 &
	echo $! > waiter
	seen=0
	for _ in $(seq 1200); do
		case $(state) in
		S | D) seen=$((seen + 1)) ;;
		'') return 1 ;;
		*) seen=0 ;;
		esac
		[ "$seen" -lt 10 ] || return 0
		sleep 0.1
	done
	return 1
}

# dies: whoever waits does so still, and ends when it is killed, in some seconds.
dies() {
	is_there || return 1
	kill -KILL "$(cat waiter)"
	for _ in $(seq 100); do
		is_there || return 0
		sleep 0.1
	done
	return 1
}

check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro:$area/ro2=ro" none u
check 'all of it shows' same 'below file here' "$(names u/d)"
kill -STOP "$server"
check 'a file there waits' waits cat u/only/file
check 'and can be killed' dies
check 'a list waits' waits ls u/only
check 'and can be killed' dies
check 'a name that is new waits' waits stat u/d/new
check 'and can be killed' dies
check 'a copy-up waits' waits sh -c 'echo x >> u/only/file'
check 'and can be killed' dies
check 'so does one who would make a file' waits touch u/only/made
check 'and can be killed' dies
kill -CONT "$server"
# What those who were killed had open is closed when the server has answered.
check 'the union can be unmounted' settles umount u

# Where the branch is known not to change, it is not asked about names that are known.
check 'mount, with =rr' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=rr:$area/ro2=ro" none u
check 'what shows' same 'here below far' "$(cat u/d/here u/d/below u/d/file | xargs)"
check 'and in a directory of its own' same own "$(cat u/own/f)"
kill -STOP "$server"
check 'somebody waits' waits cat u/only/file
check 'a file of another branch is read' same here "$(timeout 20 cat u/d/here)"
check 'and written to' timeout 20 sh -c 'echo more >> u/d/here'
check 'copied up' timeout 20 sh -c 'echo more >> u/d/below'
check 'names are made where the branch has nothing' timeout 20 sh -c 'mkdir u/own/new && mv u/own/f u/own/new/g'
check 'statfs' timeout 20 stat -f u
check 'sync' timeout 20 sync -f u
check 'who waits can be killed' dies
check 'the branch goes' timeout 60 mount -i -o "remount,del:$area/ro" u
check 'the rest shows' same 'below here' "$(timeout 20 sh -c 'cd u/d && echo *')"
check 'and what was written' same 'here more below more' "$(timeout 20 cat u/d/here u/d/below | xargs)"
kill -CONT "$server"
check 'umount' umount u
check 'nothing holds the server' umount ro
wait "$server" 2> /dev/null
finish
