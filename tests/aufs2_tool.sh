#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The tool aufs2: what it says of branches is what the union shows.
#
# Catches: a whiteout, a mark or a merge that the tool reads otherwise than the union; a branch that is
# checked while it is used; a union that is taken for another one; an answer without having looked; a branch that is
# taken for what is at its path now.
tool=$(readlink -f "$(dirname "$(readlink -f "$0")")/../aufs2")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
[ -x "$tool" ] || tool=$(command -v aufs2) || skip_all "no aufs2"

# ask COMMAND...: what it says, and its status, in one line, without the area's path.
ask() {
	said=$("$tool" "$@" 2>&1)
	printf '%s %s\n' "$?" "$(printf '%s\n' "$said" | sed "s,$area/,,g" | tr '\n' ';')"
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

# Any path in the union will do, also one that the branch itself has.
check 'layers list, by a path in it' contains "$(ask layers list u/d/sub)" '2 ro+wh ro2 '
check 'by a file' contains "$(ask layers list u/edited)" '2 ro+wh ro2 '
check 'busy, by a file' same '0 ;' "$(ask busy u/edited 2)"
ln -s "$area/u/d" link
check 'by a symbolic link' contains "$(ask status link)" '2 ro+wh ro2 '
mkdir ro2/only
check 'layers del, by a path on that branch' same '0 ;' "$(ask layers del u/only ro2)"
check 'layers add' same '0 ;' "$(ask layers add u/d ro2 --index 2 --permission ro+wh)"
check 'no other option' same '2 aufs2: ro,del:1: no permission;' "$(ask layers mod u 1 ro,del:1)"
check 'nor for a new one' same '2 aufs2: ro:/: no permission;' "$(ask layers add u new --permission ro:/)"
mkdir 2
check 'an index is no path' same '0 ;' "$(ask layers mod u 3 rr)"
rmdir 2

# What is linked to is another path; what the link is called is this one.
ln -s f u/d/link
check 'which: a symbolic link' same '0 0 rw rw/d/link shown;' "$(ask which u/d/link)"
check 'by way of one' same '0 2 ro+wh ro2/d/lowest shown;' "$(ask which link/lowest)"
check 'a path that is deleted as a whole' \
	same '1 1 ro ro/gone/a hidden by rw/.wh.gone;' "$(ask which u/gone/a)"
check 'a reserved name' same '1 ;' "$(ask which u/.wh.f)"
check 'below one' same '1 [];' "$(ask which --json u/.wh..wh.plnk/x)"
check 'from inside' same '0 0 rw rw/new shown;' "$(cd u/d && ask which ../new)"

# What is no file is a whiteout all the same, but for a directory, and the record of a long name.
hash=$(find rw -name '.wh..wh.l.*' -exec basename {} \;)
mv "rw/$hash" record
for name in fifo symlink dir; do echo low > "ro/$name"; done
mkdir ro/opaque rw/opaque
echo low > ro/opaque/f
mkfifo rw/.wh.fifo
ln -s nowhere rw/.wh.symlink
mkdir rw/.wh.dir
ln -s nowhere rw/opaque/.wh..wh..opq
check 'a FIFO as a whiteout' same '1 1 ro ro/fifo hidden by rw/.wh.fifo;' "$(ask which u/fifo)"
check 'a symbolic link' same '1 1 ro ro/symlink hidden by rw/.wh.symlink;' "$(ask which u/symlink)"
check 'a directory is none' same '0 1 ro ro/dir shown;' "$(ask which u/dir)"
check 'a symbolic link as a mark' \
	same '1 1 ro ro/opaque/f hidden by rw/opaque/.wh..wh..opq;' "$(ask which u/opaque/f)"
check 'so the union has it' same 'no no yes no' \
	"$(for name in fifo symlink dir opaque/f; do
		if [ -e "u/$name" ]; then echo yes; else echo no; fi
	done | tr '\n' ' ' | sed 's/ $//')"
mkfifo "rw/$hash"
check 'a FIFO for the record of a long name' same "0 1 ro ro/$long shown;" "$(ask which "u/$long")"
rm "rw/$hash"
ln -s "$area/record" "rw/$hash"
check 'a symbolic link to one' same "0 1 ro ro/$long shown;" "$(ask which "u/$long")"
check 'so the union has that' test -e "u/$long"
rm -r "rw/$hash" rw/.wh.fifo rw/.wh.symlink rw/.wh.dir rw/opaque ro/fifo ro/symlink ro/dir ro/opaque
mv record "rw/$hash"

# A line for each, whatever is in a name.
newline=$(printf 'new\nline\134')
echo x > "u/$newline"
check 'a newline in a name' contains "$(ask diff u)" ';A /new\012line\134;'
check 'which, too' same '0 0 rw rw/new\012line\134 shown;' "$(ask which "u/$newline")"
check 'and what is wrong' same '2 aufs2: no\012such: No such file or directory (os error 2);' \
	"$(ask status "$(printf 'no\nsuch')")"
check 'JSON has its own way' contains "$("$tool" diff u --json)" '"/new\nline\\"'
rm "u/$newline"

# Who reads may have had enough; a disk that is full is a mistake.
mkfifo pipe
: < pipe &
exec 8> pipe
wait $!
for command in 'status' 'status --json' 'which u/edited' 'layers list u'; do
	# shellcheck disable=SC2086 # words of a command
	check "nobody reads $command" same '0 ' "$("$tool" $command 2>&1 >&8; echo "$? ")"
	# shellcheck disable=SC2086
	check "no room for $command" same \
		'aufs2: standard output: No space left on device (os error 28) 2' \
		"$("$tool" $command 2>&1 > /dev/full | tr '\n' ' ')$("$tool" $command 2> said > /dev/full; echo $?)"
done
check 'nobody reads diff' same '1 ' "$("$tool" diff u 2>&1 >&8; echo "$? ")"
check 'nor what is wrong' same 2 "$("$tool" which ro/f 2>&8; echo $?)"
exec 8>&-
rm pipe

# What is mounted on a branch is no part of it.
mkdir -p ro/mounted ro2/mounted
echo low > ro/mounted/low
mount -t tmpfs mounted ro/mounted
echo high > ro/mounted/high
check 'what is mounted on a branch' same '1 ;' "$(ask which u/mounted/high)"
check 'what is below that' same '0 1 ro ro/mounted/low shown;' "$(ask which u/mounted/low)"
check 'diff' contains "$("$tool" diff u 1)" 'A /mounted/low'
umount ro/mounted
mount --bind ro/d ro/mounted
check 'what is bound there' same '1 ;' "$(ask which u/mounted/sub)"
umount ro/mounted

# One that is mounted over another is the one that the path leads to, and the other one is where it is.
mkdir other bound
echo other > other/f
check 'a part of the union, elsewhere' mount --bind u/d bound
check 'which, there' same '0 2 ro+wh ro2/d/lowest shown;' "$(ask which bound/lowest)"
check 'one that is not there' same '1 1 ro ro/d/low hidden by rw/d/.wh.low;' "$(ask which bound/low)"
check 'layers, there' same '0 ;' "$(ask layers mod bound 3 ro)"
umount bound
cd u/d || exit 1
check 'another one over it' mount -t aufs -o "br:$area/other=ro" none "$area/u"
check 'which' same '0 0 ro other/f shown;' "$(ask which "$area/u/f")"
check 'what only the other one has' same '1 ;' "$(ask which "$area/u/edited")"
check 'status' contains "$(ask status "$area/u")" ';  0 ro other '
check 'layers add' contains "$(ask layers add "$area/u" "$area/ro2"; ask layers list "$area/u")" ';  1 ro ro2 '
check 'the other one' contains "$(ask status .)" ';  1 ro ro '
check 'which, in that' same '0 2 ro+wh ro2/d/lowest shown;' "$(ask which lowest)"
check 'diff' contains "$(ask diff .)" ';C /edited;'
check 'it is not remounted for the other one' \
	same '2 aufs2: u: something else is mounted over the union;' "$(ask layers mod . 1 rr)"
cd "$area" || exit 1
umount u

# Who may not look does not know.
blind() {
	said=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$tool" "$@" 2>&1)
	printf '%s %s\n' "$?" "$(printf '%s\n' "$said" | sed "s,$area/,,g" | tr '\n' ';')"
}
if command -v setpriv > /dev/null; then
	check 'who may look does' same '0 2 ro+wh ro2/d/lowest shown;' "$(blind which u/d/lowest)"
	chmod 700 ro
	check 'who may not does not know' \
		same '2 aufs2: ro: Permission denied (os error 13);' "$(blind which u/d/lowest)"
	chmod 755 ro
	mkdir rw/closed ro/closed
	chmod 700 rw/closed
	check 'nor what a branch changes' \
		same '2 aufs2: rw/closed: Permission denied (os error 13);' "$(blind diff u)"
	rm -r rw/closed ro/closed
	mount -t tmpfs mounted ro/mounted
	check 'nor what is below a mount' same \
		'2 aufs2: ro/mounted: something is mounted there;' "$(blind which u/mounted/low)"
	umount ro/mounted
	check 'nor who keeps one busy' contains "$(blind busy u 2)" '2 aufs2: '
	exec 7< u/d/lowest
	check 'that is told to root' contains "$(blind busy u 2)" ': run it as root;'
	exec 7<&-
else
	skip 'who may not look' 'no setpriv'
fi

check 'a branch that is used is not checked' same '2 aufs2: rw: rw is a branch of u, in use;' "$(ask check rw)"
check 'nor what is in it' same '2 aufs2: rw/d: rw is a branch of u, in use;' "$(ask check rw/d)"
check 'nor what it is in' contains "$(ask check .)" ' is a branch of u, in use;'
mount --bind rw bound
check 'nor by another path' same '2 aufs2: bound: rw is a branch of u, in use;' "$(ask check bound)"
check 'nor what is in it' same '2 aufs2: bound/d: rw is a branch of u, in use;' "$(ask check bound/d)"
umount bound
check 'umount' umount u

# A branch in memory has no path.
check 'in memory' mount -t aufs -o "br:mem=rw:$area/ro=ro:$area/ro2=ro" none u
echo new > u/new
echo more >> u/edited
rm u/f
check 'which: a new file' same '0 0 rw mem/new shown;' "$(ask which u/new)"
check 'a copy' same '0 0 rw mem/edited shown;1 ro ro/edited hidden;' "$(ask which u/edited)"
check 'a deleted file' same '1 1 ro ro/f hidden by mem/.wh.f;2 ro ro2/f hidden by mem/.wh.f;' \
	"$(ask which u/f)"
check 'diff' same '1 C /edited;D /f;A /new;' "$(ask diff u)"
check 'of a branch below' contains "$(ask diff u "$area/ro")" 'C /f;'
check 'it is busy no longer' same '0 ;' "$(ask busy u 0)"
check 'layers' same '0 ;' "$(ask layers mod u mem rw+nolwh)"
if command -v setpriv > /dev/null; then
	not='branch 0 mem=rw+nolwh cannot be looked at: Operation not permitted (os error 1)'
	check 'who may not look does not know' same "2 aufs2: $not;" "$(blind which u/d/lowest)"
	check 'nor what it changes' same "2 aufs2: $not;" "$(blind diff u)"
fi
check 'the room on it' contains "$(ask status u)" ';  0 rw+nolwh mem  '
check 'in JSON' contains "$(ask status --json u)" '"path":"mem","size":'
check 'read-only' same '0 ;' "$(ask layers mod u mem ro)"
check 'its whiteouts do not count then' \
	same '0 1 ro ro/f shown;2 ro ro2/f hidden;' "$(ask which u/f)"
check 'what it changes then' same '1 C /edited;A /new;' "$(ask diff u mem)"
check 'a directory of that name' same '0 ;' "$(mkdir mem; ask layers add u ./mem)"
check 'is another branch' contains "$(ask layers list u)" ';  3 ro mem '
check 'and goes' same '0 ;' "$(ask layers del u ./mem; rmdir mem)"
check 'the one in memory goes' same '0 ;' "$(ask layers del u mem)"
check 'and a new one comes' same '0 ;' "$(ask layers add u mem --index 0)"
check 'which is in memory' contains "$(ask layers list u)" ';  0 rw mem '
rm u/f
check 'of those below it can be said' contains "$(ask diff u 1)" 'C /f;'
check 'umount' umount u

# What is where a branch was is not the branch, and the branch is where it is.
mkdir place
mount -t tmpfs place place
mkdir place/b
echo low > place/b/f
echo low > ro2/n
check 'a branch that is unmounted later' \
	mount -t aufs2 -o "br:$area/rw=rw:$area/place/b=ro:$area/ro2=ro" none u
rm -f rw/.wh.f
umount place
check 'it is found' same '0 1 ro place/b/f shown;2 ro ro2/f hidden;' "$(ask which u/f)"
mkdir place/b
echo else > place/b/n
check 'and what is there now is not' same '0 2 ro ro2/n shown;' "$(ask which u/n)"
check 'nor what it changes' same '1 C /f;' "$(ask diff u 1)"
if command -v setpriv > /dev/null; then
	check 'who goes by paths does not know' same \
		'2 aufs2: branch 1 place/b=ro cannot be looked at: its path leads elsewhere: run it as root;' \
		"$(blind which u/n)"
fi
check 'that is a branch, too' same '0 ;' "$(ask layers add u place/b)"
exec 7< place/b
check 'it is the one of the path' same '0 ;' "$(ask busy u place/b)"
exec 7<&-
check 'and goes by that' same '0 ;' "$(ask layers del u place/b)"
check 'the other one stays' contains "$(ask layers list u)" ';  1 ro place/b'
check 'a moved one' mv ro2 ro3
mkdir ro2
check 'it is found' same '0 2 ro ro2/n shown;' "$(ask which u/n)"
check 'it is in use' same '2 aufs2: ro3: ro2 is a branch of u, in use;' "$(ask check ro3)"
check 'what has its name is not' same '0 ;' "$(ask check ro2)"
check 'it changes by where it is' same '0 ;' "$(ask layers mod u ro3 ro+wh)"
mkdir alias
mount --bind ro3 alias
check 'by any path' same '0 ;' "$(ask layers mod u alias ro+wh)"
check 'is told by that' same '0 ;' "$(ask busy u alias)"
umount alias
check 'it has the permission' contains "$(ask layers list u)" ';  2 ro+wh ro2 '
rmdir ro2
mv ro3 ro2
mount -t tmpfs over ro2
check 'one that is mounted over' same '0 2 ro+wh ro2/n shown;' "$(ask which u/n)"
check 'is told' contains "$(ask diff u)" 'A /new;'
umount ro2
check 'the one of before goes by its name' same '0 ;' "$(ask layers del u place/b)"
check 'it is gone' same '0 1 ro+wh ro2/f shown;' "$(ask which u/f)"
check 'by default, on top' contains "$(mkdir top; ask layers add u top --index 0 --json)" '"permission":"rw","path":"top"'
check 'and below' contains "$(ask layers del u top --json)" '[{"mountpoint":"u"'
check 'a file with a slash' same '1 ;' "$(ask which u/n/)"
check 'and a dot' same '1 ;' "$(ask which u/n/.)"
check 'a directory with one' contains "$(ask which u/d/)" 'rw/d shown;'
check 'umount' umount u
rm -r place ro2/n

# A union over one of its own branches is not that branch.
mkdir data top2
echo low > data/m
check 'over its own branch' mount -t aufs2 -o "br:$area/top2=rw:$area/data=ro" none data
rm data/m
echo new > data/n
check 'diff' same '1 D /m;A /n;' "$(ask diff data)"
check 'which' same '1 1 ro data/m hidden by top2/.wh.m;' "$(ask which data/m)"
check 'a new file' same '0 0 rw top2/n shown;' "$(ask which data/n)"
check 'it is no branch' same '2 aufs2: data: in a union, where nothing is a branch;' "$(ask check data)"
check 'umount' umount data
check 'the branch is' same '0 ;' "$(ask check data)"

# Of another mount namespace.
mkfifo ready go
unshare -m sh -c "mount -t aufs2 -o br:$area/top2=rw:$area/data=ro none $area/u && echo > $area/ready; cat $area/go" &
other=$!
check 'elsewhere' test "$(cat ready)" = ''
check 'a branch of elsewhere is in use' contains "$(ask check top2)" \
	'2 aufs2: top2: top2 is a branch of a union of another mount namespace (si='
check 'a path of there' contains "$(ask which "/proc/$other/root$area/u/n")" \
	': in a union that is not mounted in this mount namespace;'
echo > go
wait $other
settles eval 'ask check top2 | grep -q "^0"'
rm ready go

# What the union has not seen yet.
echo low > data/c
check 'udba=none' mount -t aufs2 -o "br:$area/top2=rw:$area/data=ro,udba=none" none u
cat u/c > /dev/null
check 'which' same '0 1 ro data/c shown;' "$(ask which u/c)"
echo directly > top2/c
check 'what was made on a branch' contains "$(ask which u/c)" '2 aufs2: u/c: the union shows otherwise'
check 'umount' umount u
rm top2/c

# Reserved names that show.
mkdir -p top2
: > top2/.wh.m
check 'shwh' mount -t aufs2 -o "ro,br:$area/top2=ro+wh:$area/data=ro,shwh" none u
check 'it shows' test -e u/.wh.m
check 'which does not look for it' contains "$(ask which u/.wh.m)" '2 aufs2: u/.wh.m: a reserved name'
check 'umount' umount u

# What was in a directory is deleted with it, whatever replaces it.
mkdir data/dir
echo low > data/dir/in
check 'mount' mount -t aufs2 -o "br:$area/top2=rw:$area/data=ro" none u
rm -r u/dir
echo file > u/dir
check 'a file for a directory' contains "$(ask diff u)" 'C /dir;D /dir/in;'
# Deeper than a path may be long.
deep=$(printf 'd%.0s' $(seq 200))
(
	cd u || exit
	for _ in $(seq 30); do
		mkdir "$deep" && cd -P "$deep" || exit
	done
	echo leaf > leaf
)
check 'deep down' same 32 "$("$tool" diff u | grep -c "^A /[dl]\|^A /n$")"
deepest() {
	cd u || return
	for _ in $(seq 30); do
		cd -P "$deep" || return
	done
	ask which leaf
}
check 'which, there' same '2 aufs2: leaf: its path in the union is longer than the kernel tells;' "$(deepest)"
rm -r "u/$deep"
check 'umount' umount u

# Who cannot see all processes does not know that nobody keeps a branch.
check 'mount' mount -t aufs2 -o "br:$area/top2=rw:$area/data=ro" none u
exec 7< u/c
check 'busy' contains "$(ask busy u 1)" ' fd 7 u/c;'
check 'in a namespace of processes' same \
	'2 aufs2: not all processes can be seen from here: run it as root, where no process is hidden' \
	"$(said=$(unshare -pf --mount-proc "$tool" busy u 1 2>&1); echo "$? $said")"
exec 7<&-
check 'nobody' same '0 ;' "$(ask busy u 1)"
check 'umount' umount u

check 'check: nothing is wrong' same '0 ;' "$(ask check rw)"
# What aufs has on its branches is none of ours, and nothing wrong.
mkdir -p rw/.wh..wh.orph rw/.wh..wh.plnk
: > rw/.wh..wh.aufs
check 'what any branch has' same '0 ;' "$(ask check rw)"
: > rw/.wh..wh..dr.0123
: > rw/made/.wh..wh.t.1
: > rw/made/.wh..wh.what
check "aufs's own, and what is left" same '0 note: rw/.wh..wh..dr.0123: a name that aufs reserves;note:'\
' rw/made/.wh..wh.t.1: something was in the making: it takes room only;note: rw/made/.wh..wh.what:'\
' a reserved name that means nothing here;' "$(ask check rw)"
rm rw/.wh..wh..dr.0123 rw/made/.wh..wh.*
: > rw/.wh..
: > rw/made/.wh...
check 'names that nothing has' same '0 note: rw/.wh..: a reserved name that means nothing here;note:'\
' rw/made/.wh...: a reserved name that means nothing here;' "$(ask check rw)"
rm rw/.wh.. rw/made/.wh...
mkdir rw/made/.wh.dir
echo short > rw/made/.wh..wh.l.0123456789abcdef
: > rw/.wh..wh.volatile
mkfifo rw/made/.wh..wh.l.0000000000000000 rw/made/.wh.fifo
ln -s "$area/rw/$hash" rw/made/.wh..wh.l.0000000000000001
ln -s nowhere rw/made/.wh.link
mkdir -p "rw/$newline/.wh.x"
before=$(find rw | sort)
check 'check: what means nothing' same '1 6' "$("$tool" check rw > said; echo $?) $(grep -c ^error said)"
check 'a line each' same 6 "$(wc -l < said)"
check 'it only looks' same "$before" "$(find rw | sort)"
check 'and has no other way' same 2 "$("$tool" check --repair rw > said 2>&1; echo $?)"
rm -r rw/made/.wh* "rw/$newline"
check 'the mark of a crash' same "1 error: rw/.wh..wh.volatile: used with fsync=volatile until a crash: \
what is here may not be what was written;" "$(ask check rw)"
rm rw/.wh..wh.volatile
check 'check again' same '0 ;' "$(ask check rw)"
mkdir rw/d/mounted
mount -t tmpfs mounted rw/d/mounted
mkdir rw/d/mounted/.wh.x
check 'what is mounted there is no part of it' same '0 ;' "$(ask check rw)"
umount rw/d/mounted
if command -v setpriv > /dev/null; then
	no='cannot be looked at: Permission denied (os error 13)'
	mark='rw/made/.wh.dir: a directory in the place of a mark means nothing'
	mkdir rw/closed rw/made/.wh.dir
	chmod 700 rw/closed rw/.wh..wh.orph rw/.wh..wh.plnk
	check 'what cannot be looked at does not end it' same \
		"1 error: rw/.wh..wh.orph: $no;error: rw/.wh..wh.plnk: $no;error: rw/closed: $no;error: $mark;" \
		"$(blind check rw)"
fi
finish
