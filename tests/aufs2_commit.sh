#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# aufs2 commit: one layer of the branch that is written to and the one below.
#
# Catches: a layer that shows otherwise than both did, then, with branches below, or when mounted anew; what is lost when
# it ends half way; a union that is changed while somebody uses it.
tool=$(readlink -f "$(dirname "$(readlink -f "$0")")/../aufs2")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
[ -x "$tool" ] || tool=$(command -v aufs2) || skip_all "no aufs2"
need setfattr getfattr

# ask COMMAND...: what it says, and its status, in one line, without the area's path.
ask() {
	said=$("$tool" "$@" 2>&1)
	printf '%s %s\n' "$?" "$(printf '%s\n' "$said" | sed "s,$area/,,g" | tr '\n' ';')"
}

long=$(printf 'n%.0s' $(seq 253))
odd=$(printf 'z\nb\377')
# shown: all that the union shows, with contents, numbers of links and attributes.
shown() {
	(
		cd u || exit
		find . -printf '%P %y %m %U %G %l\n' -a ! -type d -printf '%n %s %T@\n' | sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | cksum
		find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - 2> /dev/null
	)
}
# branches: the permissions and paths of the union's, in one line.
branches() {
	# shellcheck disable=SC2005,SC2046 # one word each
	echo $("$tool" layers list u | sed -n "s,^  [0-9]* ,,; s,$area/,,; s,  [0-9].*,,p")
}
# here: what is in the area.
here() {
	names . | sed 's,\.work ,,; s,lost+found ,,'
}
# fill: three layers, and changes above them.
fill() {
	mkdir -p rw ro/d/sub ro/gone ro/all ro/pl ro/file ro/opq/in ro2/d ro2/gone2 ro2/all ro2/deep/er ro2/pl ro2/opq/in
	for file in ro/f ro/kept ro/d/low ro/d/sub/x ro/gone/a ro/all/a "ro/$long" ro2/f ro2/kept2 ro2/gone2/a ro2/all/lowest \
		ro2/d/lowest "ro2/$long" ro/pl/one ro2/pl/x ro/file/in ro2/deep/er/f ro/opq/in/a ro2/opq/in/b; do
		echo "low $file" > "$file"
	done
	ln ro/pl/one ro/pl/two
	ln ro/pl/one ro/pl/three
	ln ro2/pl/x ro2/pl/y
	mkdir ro/nl
	echo low > ro/nl/a
	ln ro/nl/a ro/nl/b
	ln ro/nl/a ro/nl/c
	check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=$1:$area/ro2=ro" none u
	rm -r u/f u/gone u/gone2 "u/$long" u/all u/d/low u/file u/deep/er
	mkdir u/all
	echo c > u/all/c
	echo file > u/file
	echo new > u/new
	ln u/new u/linked
	ln -s ../nowhere u/link
	mkfifo u/fifo
	mknod u/null c 1 3
	echo odd > "u/$odd"
	chown 5:6 u/new
	chmod 4751 u/new
	setfattr -n user.x -v y u/new
	setfattr -n trusted.y -v z u/d
	touch -d '2001-02-03 04:05:06.070809' u/new
	echo more >> u/pl/one
	echo more >> u/pl/x
	rm u/pl/three
	echo more >> u/nl/a
	rm u/nl/a
	echo u > u/opq/in/u
	truncate -s 1M u/hole
	chmod 711 u
}

fill ro
before=$(shown)
check 'it is as it is said' contains "$(ask diff u)" ';D /f;'

# Into a new layer.
check 'to a new one' same '0 new is the new layer, to be mounted ro+wh;' "$(ask commit u --to new)"
check 'the union is what it was' same "$before" "$(shown)"
check 'and its branches' same 'rw rw ro ro ro ro2' "$(branches)"
check 'it is written to' sh -c 'echo x > u/x && rm u/x'
check 'nothing is left beside it' same 'new ro ro2 rw u' "$(here)"
check 'no mark is in it' same '' "$(find new -name '.wh..wh.commit')"
check 'what is there already' same '2 aufs2: new: it is there already;' "$(ask commit u --to new)"
check 'in the union' contains "$(ask commit u --to u/new2)" ': in a union;'
check 'on a branch' contains "$(ask commit u --to rw/new2)" ': on branch 0 '
check 'umount' umount u
mkdir -m 711 empty
check 'mounted in the place of both' mount -t aufs2 -o "br:$area/empty=rw:$area/new=ro+wh:$area/ro2=ro" none u
check 'it shows the same' same "$before" "$(shown)"
check 'holes are holes' test "$(stat -c %b new/hole)" -lt 64
check 'nothing is changed' same '0 ;' "$(ask diff u)"
check 'umount' umount u
check 'check finds nothing wrong' contains "$(ask check new)" '0 '

check 'which is to be said' contains "$(ask commit u)" '2 error: the following required arguments were not provided:'
rm -r rw ro ro2 empty new

# In the live union.
fill ro+wh
before=$(shown)
exec 7> u/writes
check 'who writes keeps it' contains "$(ask commit u --to new)" "2 aufs2: cannot remount u: "
check 'by name' contains "$(ask commit u --to new)" "is open for writing"
check 'and from a swap' contains "$(ask commit u --swap)" '2 aufs2: branch 0 rw=rw is busy: '
exec 7>&-
rm u/writes
exec 7< u/kept
check 'who reads does not, but for a swap' contains "$(ask commit u --swap)" '2 aufs2: branch 1 ro=ro+wh is busy: '
exec 7<&-
check 'it is what it was' same "$before" "$(shown)"
check 'and is written to' sh -c 'echo x > u/x && rm u/x'
check 'nothing is left' same 'ro ro2 rw u' "$(here)"
mkdir rw2 u2
check 'another union' mount -t aufs2 -o "br:$area/rw2=rw:$area/ro=ro+wh" none u2
check 'that has a branch of it' contains "$(ask commit u --swap)" '2 aufs2: branch 1 ro=ro+wh: another union has it, too '
umount u2
rmdir u2
rm -r rw2
if command -v flock > /dev/null; then
	check 'one at a time' contains "$(
		flock -x /sys/fs/aufs*/si_* "$tool" commit u --swap 2>&1
	)" 'its branches are being changed by another aufs2'
else
	skip 'one at a time' 'no flock'
fi
chmod 777 .
check 'where others can write' contains "$(ask commit u --swap)" ': others can write there, and no layer is made in it;'
chmod 755 .
mkdir ro/in u2
check 'a union of what is in one' mount -t aufs2 -o "br:$area/ro/in=ro" none u2
check 'is another one, too' contains "$(ask commit u --swap)" '2 aufs2: branch 1 ro=ro+wh: another union has it, too '
umount u2
rmdir ro/in u2
check 'it is what it was' same "$before" "$(shown)"
check 'swap' same '0 ro is the new layer, to be mounted ro+wh;' "$(ask commit u --swap)"
check 'the union is what it was' same "$before" "$(shown)"
check 'and its branches' same 'rw rw ro+wh ro ro ro2' "$(branches)"
check 'nothing is changed' same '0 ;' "$(ask diff u)"
check 'the branch is empty' same '' "$(find rw -mindepth 1 ! -name '.wh..wh.*')"
check 'nothing is left' same 'ro ro2 rw u' "$(here)"
check 'it is written to' sh -c 'echo x > u/x && test -e rw/x && rm u/x'
check 'nothing to commit' contains "$(ask commit u --swap)" ': nothing to commit;'
# Also if it is a name that has no room for a whiteout.
many=$(printf 'n%.0s' $(seq 253))
echo long > "u/$many"
check 'a long name' same '0 ro is the new layer, to be mounted ro+wh;' "$(ask commit u --swap)"
rm "u/$many"
check 'which is deleted' same '0 ro is the new layer, to be mounted ro+wh;' "$(ask commit u --swap)"
check 'and gone' test ! -e "ro/$many"
rm u/kept u/kept2
before=$(shown)
check 'another swap' same '0 [{"path":"ro","permission":"ro+wh","swapped":true}];' "$(ask commit u --swap --json)"
check 'the union is what it was' same "$before" "$(shown)"
check 'umount' umount u
check 'mounted as before' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh:$area/ro2=ro" none u
check 'it shows the same' same "$before" "$(shown)"
check 'umount' umount u

# As aufs, which knows where branches are now, and with the union's cache.
for type in aufs aufs2; do
	check "mount as $type" mount -t $type -o "br:$area/rw=rw:$area/ro=ro+wh:$area/ro2=ro,udba=none" none u
	echo "$type" > u/as
	rm u/d/sub/x 2> /dev/null
	mkdir -p u/d/sub/x
	find u > /dev/null
	before=$(shown)
	check 'swap' same '0 ro is the new layer, to be mounted ro+wh;' "$(ask commit u --swap)"
	check 'the union is what it was' same "$before" "$(shown)"
	check 'and its branches' same 'rw rw ro+wh ro ro ro2' "$(branches)"
	check 'umount' umount u
done

# Somebody writes all the time: what was acknowledged is there.
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh:$area/ro2=ro" none u
(
	n=0
	while [ ! -e stop ]; do
		n=$((n + 1))
		echo $n 2> /dev/null >> u/log && echo $n >> log
		# Whoever has it open all the time keeps a commit from beginning.
		sleep 0.05
	done
) 2> /dev/null &
writer=$!
settles test -s log
done=0
for _ in $(seq 60); do
	"$tool" commit u --swap > said 2>&1 && done=$((done + 1))
	[ $done -lt 3 ] || break
done
: > stop
wait $writer
check 'some were done' sh -c 'cat said; test "$1" -gt 0' - $done
check 'what was written is there' cmp log u/log
check 'it is written to again' same 'rw rw ro+wh ro ro ro2' "$(branches)"
check 'umount' umount u
rm -f stop log

# Not by who may not.
if command -v setpriv > /dev/null; then
	check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh:$area/ro2=ro" none u
	echo x > u/x
	said=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$tool" commit u --swap 2>&1; echo $?)
	check 'who may not is refused' contains "$(printf '%s' "$said" | tr '\n' ';')" ';2'
	said=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$tool" discard --yes u 2>&1)
	check 'nor throw away' contains "$said" 'aufs2: '
	check 'what is there' test -e u/x
	check 'nothing is left' same '' "$(ls -d .aufs2-commit* 2> /dev/null)"
	check 'umount' umount u
fi

# few COMMAND...: with few descriptors.
few() {
	# shellcheck disable=SC3045 # all shells there are have that
	(ulimit -n 40 && "$@")
}

# Deep, and wide, with few descriptors; and protected.
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh:$area/ro2=ro" none u
(
	cd u || exit
	for _ in $(seq 30); do
		mkdir "$(printf 'e%.0s' $(seq 200))" && cd -P "$(printf 'e%.0s' $(seq 200))" || exit
	done
	echo leaf > leaf
)
for i in $(seq 100); do
	mkdir "u/wide$i"
done
protected=
if command -v chattr > /dev/null && touch probe && chattr +i probe 2> /dev/null; then
	chattr -i probe
	protected=y
	mkdir u/held
	echo held > u/held/f
	chattr +i u/held/f u/held
fi
acl=
if command -v setfacl > /dev/null && setfacl -m u:5:rx u/wide1 2> /dev/null; then
	acl=y
	setfacl -d -m u:6:rwx u/wide1
	mkdir u/wide1/in
	before=$(getfacl -pR u/wide1)
fi
check 'swap' same '0 ro is the new layer, to be mounted ro+wh;' \
	"$(few ask commit u --swap)"
check 'the branch is empty' same '' "$(find rw -mindepth 1 ! -name '.wh..wh.*')"
check 'all is there' same leaf "$(cd u && for _ in $(seq 30); do cd -P e* || exit; done; cat leaf)"
if [ -n "$protected" ]; then
	refused 'what is protected is' sh -c 'echo x > u/held/f'
	refused 'and its directory' touch u/held/new
	chattr -i ro/held ro/held/f
else
	skip 'what is protected' 'no chattr'
fi
rm -f probe
if [ -n "$acl" ]; then
	check 'ACLs' same "$before" "$(getfacl -pR u/wide1)"
else
	skip 'ACLs' 'no setfacl'
fi
check 'umount' umount u

# Of a branch in memory, on the lowest one: deleted is deleted.
rm -r ro ro2
mkdir -p ro/d
echo low > ro/d/f
echo low > ro/g
check 'in memory' mount -t aufs2 -o "br:mem=rw:$area/ro=ro" none u
rm -r u/d
mkdir u/d
echo new > u/d/new
rm u/g
before=$(shown)
check 'swap' same '0 ro is the new layer, to be mounted ro;' "$(ask commit u --swap)"
check 'the union is what it was' same "$before" "$(shown)"
check 'and its branches' same 'rw mem ro ro' "$(branches)"
check 'no mark is needed' same '' "$(find ro -name '.wh.*')"
check 'what is deleted is not there' same d "$(names ro)"
check 'to elsewhere' contains "$(echo x > u/x; ask commit u --swap --to "$area/else")" '0 else is '
check 'and its branches' same 'rw mem ro else' "$(branches)"
check 'the old one stays' same d "$(names ro)"
check 'umount' umount u

# Half way.
mkdir place small
mount -t tmpfs -o size=256k,mode=755 place place
mkdir place/b
echo low > place/b/f
echo low > place/b/g
check 'a small layer' mount -t aufs2 -o "br:$area/rw=rw:$area/place/b=ro" none u
dd if=/dev/urandom of=u/big bs=64k count=8 status=none
rm u/g
before=$(shown)
check 'no room' same '2 aufs2: rw/big: No space left on device (os error 28);' "$(ask commit u --swap)"
check 'nothing is left of it' same b "$(names place)"
check 'it is what it was' same "$before" "$(shown)"
check 'and its branches' same 'rw rw ro place/b' "$(branches)"
check 'and is written to' sh -c 'echo x > u/x && rm u/x'
check 'a mount is no layer to replace' contains "$(umount u
	mount -t aufs2 -o "br:$area/rw=rw:$area/place=ro" none u
	ask commit u --swap)" ': it is mounted there, and nothing can take its place: say --to;'
check 'umount' umount u
umount place

# Killed at any time, it is there or not, and nothing is lost.
for i in $(seq 300); do
	mkdir -p "ro/many/$((i % 7))"
	echo "$i" > "ro/many/$((i % 7))/$i"
done
for delay in 0.02 0.05 0.1 0.2 0.3 0.5 0.8; do
	check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh" none u
	for i in $(seq 40); do
		echo "$delay $i" > "u/many/$((i % 7))/new$i"
		rm -f "u/many/$((i % 7))/$((i + 50))"
	done
	echo "$delay" > u/last
	# What goes before the marks of its directory, by its name.
	rm -rf u/home
	mkdir u/home
	for name in .bashrc -x '#y'; do
		echo "$delay" > "u/home/$name"
	done
	before=$(shown)
	"$tool" commit u --swap > said 2>&1 &
	pid=$!
	sleep "$delay"
	kill -KILL $pid 2> /dev/null
	wait $pid
	check "killed after $delay s: the union is what it was" same "$before" "$(shown)"
	check 'umount' umount u
	check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh" none u
	check 'and mounted anew' same "$before" "$(shown)"
	check 'what is deleted then' sh -c 'rm u/last u/home/.bashrc && rm -r u/many/0 && mkdir u/many/0'
	before=$(shown)
	check 'umount' umount u
	check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh" none u
	check 'stays so' same "$before" "$(shown)"
	check 'umount' umount u
	if [ -e .aufs2-commit.ro ]; then
		check 'check tells what is left' contains "$(ask check ro)" 'note: .aufs2-commit.ro: left of a commit'
		# It is whole if it has all that one of the layers has.
		if [ ! -e .aufs2-commit.ro/many/6/300 ]; then
			check 'and that it is not whole' contains "$(ask check ro)" 'interrupted, and not whole'
		fi
		rm -r .aufs2-commit.ro
	fi
done

# begins PID: returns when it makes a layer, or has ended; without anything that takes time.
begins() {
	until [ -e .aufs2-commit.ro ]; do
		read -r _ _ state _ < "/proc/$1/stat" || return 0
		[ "$state" != Z ] || return 0
	done 2> /dev/null
}

# Interrupted, it is as it was. One that was done before is of more the next time.
mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro+wh" none u
mkdir u/more
many=100
while [ $many -le 10000 ]; do
	(cd u/more && seq $many | xargs touch)
	echo $many > u/x
	before=$(shown)
	"$tool" commit u --swap > said 2>&1 &
	pid=$!
	begins $pid
	kill -INT $pid
	wait $pid || break
	check 'it was done before' same "$before" "$(shown)"
	many=$((many * 4))
done
check 'interrupted' contains "$(cat said)" 'it was interrupted'
check 'nothing is left' test ! -e .aufs2-commit.ro
check 'it is written to' same 'rw rw ro+wh ro' "$(branches)"
check 'it is what it was' same "$before" "$(shown)"
check 'umount' umount u

mkdir part
: > part/.wh..wh.commit
check 'what is not whole is told' same \
	'1 error: part/.wh..wh.commit: a commit was interrupted: not all of the layer is here;' "$(ask check part)"

# What is not asked for is refused.
check 'two that are written to' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=rw" none u
check 'is refused' contains "$(ask commit u --swap)" ': is written to as well: aufs2 layers mod u 1 ro+wh;'
check 'umount' umount u
check 'one alone' mount -t aufs2 -o "br:$area/rw=rw" none u
check 'is refused' contains "$(ask commit u --swap)" ': no branch is below it;'
check 'umount' umount u
finish
