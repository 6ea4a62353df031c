#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# aufs2 discard and down: what the branch holds that is written to goes, or goes down.
#
# Catches: what is thrown away without being asked for, or while it is used; a cache that still shows it; what is
# outside of the branch, and goes with it.
tool=$(readlink -f "$(dirname "$(readlink -f "$0")")/../aufs2")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
[ -x "$tool" ] || tool=$(command -v aufs2) || skip_all "no aufs2"

ask() {
	said=$("$tool" "$@" 2>&1 < /dev/null)
	printf '%s %s\n' "$?" "$(printf '%s\n' "$said" | sed "s,$area/,,g" | tr '\n' ';')"
}
branches() {
	# shellcheck disable=SC2005,SC2046 # one word each
	echo $("$tool" layers list u | sed -n "s,^  [0-9]* ,,; s,$area/,,; s,  [0-9].*,,p")
}
change() {
	echo new > u/new
	echo more >> u/f
	rm u/g
	rm -r u/d
	mkdir u/d
	echo x > u/d/x
	echo more >> u/one
	ln -s "$area/outside" u/link
	mkdir -p u/deep/er
	echo x > "u/$(printf 'z\nb\377')"
}

mkdir ro/d outside
echo low > ro/f
echo low > ro/g
echo low > ro/d/low
echo low > ro/one
ln ro/one ro/two
echo kept > outside/f
for options in udba=reval udba=none; do
	check "mount $options" mount -t aufs2 -o "br:$area/rw=rw+nolwh:$area/ro=ro,$options" none u
	change
	find u > /dev/null
	cat u/f u/two > /dev/null
	check 'nobody is asked' same '2 aufs2: nobody can be asked whether that is meant: say --yes;' "$(ask discard u)"
	check 'it is there' test -e u/new
	exec 7< u/new
	check 'while it is used' contains "$(ask discard --yes u)" "2 aufs2: cannot remount u: "
	exec 7<&-
	check 'it is there' test -e u/new
	changes=$("$tool" diff u | wc -l)
	check 'discard' same "0 branch 0, rw, is empty: $changes changes are gone;" "$(ask discard --yes u)"
	check 'nothing is changed' same '0 ;' "$(ask diff u)"
	check 'the branches are those' same 'rw+nolwh rw ro ro' "$(branches)"
	check 'what was deleted shows' same 'd f g one two' "$(names u)"
	check 'in directories' same low "$(names u/d)"
	check 'and edited' same 'low low' "$(cat u/f) $(cat u/two)"
	check 'nothing is on it' same '' "$(find rw -mindepth 1 ! -path 'rw/.wh..wh.*')"
	check 'what a link leads to stays' same kept "$(cat outside/f)"
	check 'it is written to' sh -c 'echo x > u/x && test -e rw/x'
	check 'JSON' same '0 [{"branch":0,"path":"rw","changes":1}];' "$(ask discard --yes --json u)"
	check 'umount' umount u
done

check 'in memory' mount -t aufs2 -o "br:mem=rw:$area/ro=ro" none u
change
check 'discard' contains "$(ask discard -y u)" '0 branch 0, mem, is empty: '
check 'what was deleted shows' same 'd f g one two' "$(names u)"
check 'the branches are those' same 'rw mem ro ro' "$(branches)"
check 'it is written to' sh -c 'echo x > u/x'
check 'umount' umount u

# Killed at any time, it is a branch or can be one again, and what is below is as it was.
below() {
	(cd ro && find . -printf '%P %y %s %T@\n' | sort)
}
before=$(below)
for delay in 0.02 0.05 0.1 0.2 0.3; do
	check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
	for i in $(seq 100); do
		echo "$i" > "u/new$i"
	done
	rm -f u/g
	"$tool" discard --yes u > said 2>&1 &
	pid=$!
	sleep "$delay"
	kill -KILL $pid 2> /dev/null
	wait $pid
	case $(branches) in
	'rw rw '*) ;;
	*) ask layers add u rw --index 0 --permission rw > said ;;
	esac
	check 'the branches are those' same 'rw rw ro ro' "$(branches)"
	check 'what is below is as it was' same "$before" "$(below)"
	check 'the rest goes' contains "$(ask discard --yes u)" '0 branch 0, rw, is empty: '
	check 'all shows' same 'd f g one two' "$(names u)"
	check 'umount' umount u
done

check 'one alone' mount -t aufs2 -o "br:$area/rw=rw" none u
echo x > u/x
check 'is refused' same '2 aufs2: 0 rw=rw: it is the only branch;' "$(ask discard --yes u)"
check 'and is there' test -e u/x
rm u/x
check 'umount' umount u
check 'none is written to' mount -t aufs2 -o "br:$area/rw=ro:$area/ro=ro" none u
check 'is refused' same '2 aufs2: u: no branch is writable;' "$(ask discard --yes u)"
check 'umount' umount u

# What is mounted on a branch is not on it.
mkdir rw/m
mount -t tmpfs mounted rw/m
echo kept > rw/m/f
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
echo x > u/x
# It is busy there, or hidden: what is in it stays.
"$tool" discard --yes u > said 2>&1
check 'what is mounted stays' same kept "$(cat rw/m/f 2>&1 || cat said)"
check 'the branches are those' same 'rw rw ro ro' "$(branches)"
umount rw/m
check 'umount' umount u
rm -rf rw/*

if command -v chattr > /dev/null && chattr +i ro/f 2> /dev/null; then
	chattr -i ro/f
	check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
	mkdir u/a
	echo x > u/a/f
	chattr +i u/a/f u/a
	check 'what is protected' contains "$(ask discard --yes u)" '0 branch 0'
	check 'goes, too' same '' "$(find rw -mindepth 1 ! -path 'rw/.wh..wh.*')"
	check 'umount' umount u
else
	skip 'what is protected' 'no chattr'
fi

# Which one is to be said, where a branch that is not the first could be meant.
mkdir low bottom
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/low=rw:$area/bottom=rw:$area/ro=ro" none u
echo kept > low/kept
check 'of several' contains "$(ask discard --yes u)" ': is not the first, or not the only one that is written to: say --branch 0'
check 'one that is read' contains "$(ask discard --yes --branch 3 u)" ': is not written to'
mkdir u2
check 'another union' mount -t aufs2 -o "br:$area/low=ro" none u2
check 'that has it' contains "$(ask discard --yes --branch 1 u)" ': another union has it, too '
umount u2
rmdir u2
check 'nothing is gone' same kept "$(cat low/kept)"
check 'which is said' contains "$(ask discard --yes --branch "$area/low" u)" '0 branch 1, low, is empty: '
check 'is gone' test ! -e low/kept
check 'umount' umount u

# Down.
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/low=rw:$area/bottom=rw:$area/ro=ro" none u
echo one > u/a
echo two > "u/$(printf 'z\nb\377')"
echo three > u/c
check 'down' same '0 u/a: branch 0, rw, to 1, low;u/z\012b\377: branch 0, rw, to 1, low;' \
	"$(ask down u/a "u/$(printf 'z\nb\377')")"
check 'it is there' same one "$(cat low/a)"
check 'and not above' test ! -e rw/a
check 'to the lowest' same '0 u/c: branch 0, rw, to 2, bottom;' "$(ask down --to "$area/bottom" u/c)"
check 'it is there' same three "$(cat bottom/c)"
check 'nothing is below' contains "$(ask down u/c)" '2 aufs2: u/c: no branch below is written to'
check 'from another one' contains "$(ask down --from 0 u/a)" '2 aufs2: u/a: it is not on that branch'
check 'kept' same '0 u/a: branch 1, low, to 2, bottom;' "$(ask down --keep u/a)"
check 'it is on both' same 'one one' "$(cat low/a) $(cat bottom/a)"
echo four > low/a
check 'one is there' contains "$(ask down u/a)" '2 aufs2: u/a: File exists'
check 'which is replaced' contains "$(ask down --overwrite u/a)" '0 u/a: '
check 'with that' same four "$(cat bottom/a)"
echo five > u/e
exec 7< u/e
check 'in use' contains "$(ask down u/e)" '2 aufs2: u/e: Device or resource busy'
exec 7<&-
check 'JSON' contains "$(ask down --json u/e)" '0 [{"path":"u/e","from":0,"to":1,"bottom":false}];'
check 'of several, those that can be' contains "$(echo 1 > u/g1; echo 2 > u/g2; ask down u/g1 u/d u/g2)" \
	'2 '
check 'are' same '1 2' "$(cat low/g1) $(cat low/g2)"
check 'a symbolic link is not followed' contains "$(ln -s g1 u/l; ask down u/l)" '2 aufs2: u/l: not a regular file'
check 'no union' contains "$(echo > outside/x; ask down outside/x)" '2 aufs2: outside/x: not in a union'
mkfifo u/p
check 'nothing is waited for' contains "$(ask down u/p)" '2 aufs2: u/p: not a regular file'
check 'umount' umount u
finish
