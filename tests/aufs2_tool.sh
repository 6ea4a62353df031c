#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The tool aufs2: what it says of branches is what the union shows.
#
# Catches: a whiteout, a mark or a merge that the tool reads otherwise than the union; a branch that is
# checked while it is used.
tool=$(readlink -f "$(dirname "$(readlink -f "$0")")/../aufs2")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
[ -x "$tool" ] || tool=$(command -v aufs2) || skip_all "no aufs2"

# ask COMMAND...: what it says, and its status, in one line, without the area's path.
ask() {
	said=$("$tool" "$@" 2>&1)
	echo "$?" "$(echo "$said" | sed "s,$area/,,g" | tr '\n' ';')"
}

long=$(printf 'n%.0s' $(seq 252))
mkdir -p ro/d/sub ro/gone ro/all ro/kept ro2/d
for file in ro/f ro/d/low ro/d/sub/x ro/gone/a ro/all/a ro/all/b ro/edited "ro/$long" ro2/f ro2/d/lowest; do
	echo low > "$file"
done
check 'mount' mount -t aufs -o "br:$area/rw=rw:$area/ro=ro:$area/ro2=ro" none u
check 'nothing is changed' same '0 ;' "$(ask diff u)"
echo new > u/new
echo more >> u/edited
rm -r u/gone "u/$long" u/f
rm u/d/low
mkdir u/made
echo x > u/made/x
rm -r u/all
mkdir u/all
echo c > u/all/c
echo touched > u/d/sub/y

check 'which: a new file' same '0 0 rw rw/new shown;' "$(ask which u/new)"
check 'a copy' same '0 0 rw rw/edited shown;1 ro ro/edited hidden;' "$(ask which u/edited)"
check 'a deleted file' same '1 1 ro ro/f hidden by rw/.wh.f;2 ro ro2/f hidden by rw/.wh.f;' \
	"$(ask which u/f)"
check 'one with a long name' contains "$(ask which "u/$long")" "ro/$long hidden by rw/.wh..wh.l."
check 'directories' same '0 0 rw rw/d shown;1 ro ro/d merged;2 ro ro2/d merged;' "$(ask which u/d)"
check 'an opaque one' \
	same '0 0 rw rw/all shown;1 ro ro/all hidden by rw/all/.wh..wh..opq;' "$(ask which u/all)"
check 'below it' same '1 1 ro ro/all/a hidden by rw/all/.wh..wh..opq;' "$(ask which u/all/a)"
check 'lowest' same '0 2 ro ro2/d/lowest shown;' "$(ask which u/d/lowest)"
check 'nothing' same '1 ;' "$(ask which u/nosuch)"
check 'no union' same '2 aufs2: ro/f: not in a union;' "$(ask which ro/f)"
check 'JSON' same \
	'0 [{"branch":0,"permission":"rw","path":"rw/new","state":"shown"}];' "$(ask which --json u/new)"

# What is shown is what the union shows, for all there is on the branches.
differ=$(for name in $(cd "$area" && find rw ro ro2 -mindepth 1 ! -name '.wh.*' ! -path '*/.wh.*' |
	sed 's,^[^/]*/,,' | sort -u); do
	if [ -e "u/$name" ]; then
		shown=$("$tool" which "u/$name" | sed -n '1s/^[0-9]* [^ ]* //;1s/ shown$//p')
		[ -d "u/$name" ] || cmp -s "$shown" "u/$name" || echo "$name"
	elif "$tool" which "u/$name" > /dev/null; then
		echo "$name"
	fi
done)
check 'it finds what the union finds' same '' "$differ"

check 'diff' same "1 C /all;D /all/a;D /all/b;A /all/c;D /d/low;A /d/sub/y;C /edited;D /f;D /gone;A /made;\
A /made/x;A /new;D /$long;" "$(ask diff u)"
check 'of another branch' same 'C /f' "$("$tool" diff u "$area/ro" | grep -v '^A')"
check 'diff in JSON' contains "$(ask diff --json u)" '{"change":"deleted","path":"/d/low"}'

check 'status' contains "$(ask status u)" '1 ro ro '
check 'status of all, in JSON' contains "$(ask status --json)" '"mountpoint":"u"'
check 'busy: nobody' same '0 ;' "$(ask busy u 2)"
exec 7< u/d/lowest
check 'busy' contains "$(ask busy u "$area/ro2")" " fd 7 u/d/lowest;"
check 'a branch that is busy' contains "$(ask layers del u 2)" ' is busy'
exec 7<&-
check 'layers del' same '0 ;' "$(ask layers del u "$area/ro2")"
refused 'it is gone' test -e u/d/lowest
check 'layers add' same '0 ;' "$(ask layers add u ro2 --index 1 --permission rr)"
check 'it is there' same 'low' "$(cat u/d/lowest)"
check 'layers move' same '0 ;' "$(ask layers move u 1 2)"
check 'layers mod' same '0 ;' "$(ask layers mod u ro2 ro+wh)"
check 'layers list' contains "$(ask layers list u)" '2 ro+wh ro2 '
check 'layers add what is not there' contains "$(ask layers add u nosuch)" "nosuch"
mkdir 'a:b,c=d'
check 'a path with separators' same '0 ;' "$(ask layers add u 'a:b,c=d')"
check 'is shown' contains "$(ask status u)" '3 ro a:b,c=d '

check 'a branch that is used is not checked' same '2 aufs2: rw: a branch of u, in use;' "$(ask check rw)"
check 'umount' umount u
check 'check: nothing is wrong' same '0 ;' "$(ask check rw)"
mkdir rw/made/.wh.dir
echo short > rw/made/.wh..wh.l.0123456789abcdef
: > rw/made/.wh..wh.what
: > rw/.wh..wh.volatile
mkfifo rw/made/.wh..wh.l.0000000000000000
before=$(find rw | sort)
check 'check: what means nothing' same '1 5' "$("$tool" check rw > said; echo $?) $(grep -c ^error said)"
check 'it only looks' same "$before" "$(find rw | sort)"
rm -r rw/made/.wh*
check 'the mark of a crash' same "1 error: rw/.wh..wh.volatile: used with fsync=volatile until a crash: \
what is here may not be what was written;" "$(ask check rw)"
rm rw/.wh..wh.volatile
check 'check again' same '0 ;' "$(ask check rw)"
finish
