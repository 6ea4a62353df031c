#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Several writable branches: which one new objects go to, and copies; and that names come and go as
# they do with one.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "overlayfs has one writable branch"

mkdir b0 b1 b2 low
mount -t tmpfs -o size=8m b0 b0 || skip_all "no tmpfs"
mount -t tmpfs -o size=32m b1 b1
mount -t tmpfs -o size=16m b2 b2

# union OPTIONS [BRANCHES]: mounts it anew, with empty branches unless they were filled since.
union() {
	umount u 2> /dev/null
	mount -i -t aufs2 -o "br:${2:-$area/b0=rw:$area/b1=rw:$area/b2=rw:$area/low=ro}${1:+,$1}" none u
}

# fresh: empties the branches.
fresh() {
	umount u 2> /dev/null
	for branch in b0 b1 b2 low; do
		find $branch -mindepth 1 -delete
	done
}

# where NAME: the branches that have it, in one word.
where() {
	found=
	for branch in b0 b1 b2 low; do
		if [ -e "$branch/$1" ] || [ -L "$branch/$1" ]; then
			found=$found$branch
		fi
	done
	echo "${found:-none}"
}

# again NAME EXPECTED COMMAND...: mounts the union once more, so that nothing is cached; a test case
# that passes if the command then prints what is expected.
again() {
	name=$1 expected=$2
	shift 2
	umount u
	union ''
	check "$name" same "$expected" "$("$@")"
}

# line FILE: its lines in one.
line() {
	tr '\n' ' ' < "$1" | sed 's/ $//'
}

# left FOLDER: what the union did not put there for itself, but for the test's fill.
left() {
	for entry in "$1"/* "$1"/.[!.]*; do
		case ${entry##*/} in
		fill | .wh..wh.* | '*' | '.[!.]*') ;;
		*) echo "${entry##*/}" ;;
		esac
	done
}

shown() {
	grep " $area/u " /proc/mounts
}

# --- where new files go --------------------------------------------------------------------------

fresh
mkdir b1/d b2/d b2/e low/f
union
echo x > u/top
check 'tdp: the topmost' same b0 "$(where top)"
echo x > u/d/x
check 'tdp: the topmost with the parent' same b1 "$(where d/x)"
echo x > u/e/x
check 'tdp: wherever that is' same b2 "$(where e/x)"
echo x > u/f/x
check 'tdp: without one the nearest above' same b2 "$(where f/x)"
check 'the directory came with it' same b2low "$(where f)"
check 'it is not shown' fails contains "$(shown)" create=

fresh
mkdir b0/d
union create=rr
seen=
for i in 1 2 3 4 5 6; do
	echo x > u/$i
	seen=$seen$(where $i)
done
check 'rr: from the bottom up' same b2b1b0b2b1b0 "$seen"
echo x > u/d/1
check 'rr: whether it has the parent or not' same b2 "$(where d/1)"
check 'and it shows' same 1 "$(names u/d)"
check 'rr: mkdir' mkdir u/m u/n
check 'directories take no turn' same "$(where m)" "$(where n)"
check 'it is shown' contains "$(shown)" ,create=rr
again 'all of it shows' '1 2 3 4 5 6 d m n' names u

fresh
mkdir b0/d
union create=mfs:0
echo x > u/1
check 'mfs: most free' same b1 "$(where 1)"
dd if=/dev/zero of=b1/big bs=1M count=20 2> /dev/null
echo x > u/2
check 'mfs: and now' same b2 "$(where 2)"
echo x > u/d/3
check 'mfs: without the parent' same b2 "$(where d/3)"
check 'remount' mount -i -o remount,create=mfs:3600 u
echo x > u/4
rm b1/big
echo x > u/5
check 'mfs: as it was a while ago' same b2b2 "$(where 4)$(where 5)"
check 'it is shown' contains "$(shown)" ,create=mfs:3600

fresh
union create=tdmfs:12000000:0
echo x > u/1
check 'tdmfs: the topmost with more' same b1 "$(where 1)"
mount -i -o remount,create=tdmfs:1000000:0 u
echo x > u/2
check 'tdmfs: the topmost of all' same b0 "$(where 2)"
mount -i -o remount,create=tdmfs:900000000:0 u
echo x > u/3
check 'tdmfs: none has, so most' same b1 "$(where 3)"

fresh
union create=mfsrr:1000000:0
echo x > u/1
check 'mfsrr: most' same b1 "$(where 1)"
mount -i -o remount,create=mfsrr:900000000:0 u
seen=
for i in 2 3 4; do
	echo x > u/$i
	seen="$seen $(where $i)"
done
check 'mfsrr: in turn' same '1 b0 1 b1 1 b2' \
	"$(echo "$seen" | tr ' ' '\n' | sed /^$/d | sort | uniq -c | awk '{ printf "%s%s %s", s, $1, $2; s = " " }')"

fresh
mkdir b0/d b2/d b0/e
union create=pmfs:0
echo x > u/d/1
check 'pmfs: most, with the parent' same b2 "$(where d/1)"
echo x > u/e/1
check 'pmfs: only one has it' same b0 "$(where e/1)"
mount -i -o remount,create=pmfsrr:12000000:0 u
echo x > u/d/2
check 'pmfsrr: enough' same b2 "$(where d/2)"
echo x > u/e/2
check 'pmfsrr: not enough' same b1 "$(where e/2)"
again 'it shows' '1 2' names u/e

refused 'an unknown policy' mount -i -o remount,create=nosuch u
refused 'a number too much' mount -i -o remount,create=rr:1 u
refused 'mfsrr without one' mount -i -o remount,create=mfsrr u
refused 'cpup of create' mount -i -o remount,cpup=rr u

# --- where copies go -----------------------------------------------------------------------------

filled() {
	fresh
	mkdir -p b0/d b1/d b2/e low/d low/e low/f
	for dir in d e f; do
		echo low > low/$dir/x
	done
	union "$1" > /dev/null
	for dir in d e f; do
		echo more >> u/$dir/x
	done
	echo "$(where d/x) $(where e/x) $(where f/x)"
}

check 'cpup=tdp' same 'b0low b2low b2low' "$(filled '')"
check 'cpup=bup' same 'b1low b2low b2low' "$(filled cpup=bup)"
check 'cpup=bu' same 'b2low b2low b2low' "$(filled copyup=bu)"
check 'it is shown' contains "$(shown)" ,cpup=bu
again 'the content' 'low more' line u/d/x

# --- names on a lower writable branch ------------------------------------------------------------

fresh
echo b1 > b1/f
echo low > low/f
union
rm u/f
check 'unlink: whited out where it was' same 'b1' "$(where .wh.f)"
again 'it is gone' '' names u
echo new > u/f
check 'made again, above' same b0low "$(where f)"
again 'it shows' new cat u/f
rm u/f
again 'and is gone again' '' names u

fresh
mkdir b0/d b1/d
: > b0/d/.wh.f
echo hidden > b1/d/f
union create=rr
echo x > u/d/f
check 'a whiteout calls for its branch' same b0b1 "$(where d/f)"
check 'and goes' same none "$(where d/.wh.f)"
again 'the new one shows' x cat u/d/f

fresh
mkdir b0/d b0/d/s b1/d
: > b0/d/.wh..wh..opq
union create=rr
for i in 1 2 3; do
	echo x > u/d/$i
	echo x > u/d/s/$i
done
again 'nothing goes below an opaque directory' '1 2 3 s' names u/d
check 'nor below what is in it' same '1 2 3' "$(names u/d/s)"

fresh
mkdir low/d b1/d
: > b1/.wh.d
echo hidden > low/d/f
union create=rr
check 'nothing' fails test -e u/d/f
for i in 1 2 3 4; do
	echo x > u/d/$i
done
again 'all of them' '1 2 3 4' names u/d

# A read-only branch between them, whose whiteouts count.
fresh
mkdir low/d
: > low/d/.wh.f
echo hidden > b1/f
mkdir b1/d
echo hidden > b1/d/f
between="$area/b0=rw:$area/low=ro+wh:$area/b1=rw"
for policy in tdp rr mfs:0 pmfs:0 tdmfs:1:0; do
	rm -rf b0/*
	union create=$policy "$between"
	check "$policy: above a whiteout that stays" sh -c "echo new > u/d/f"
	check "$policy: it shows" same new "$(cat u/d/f)"
	check "$policy: there" same b0b1 "$(where d/f)"
done

# --- links and renames ---------------------------------------------------------------------------

fresh
mkdir b0/d b1/d b1/e
echo one > b1/e/f
: > b0/d/.wh.l
union
check 'link to where it is' ln u/e/f u/d/g
check 'on the same branch' same b1 "$(where d/g)"
check 'link over a whiteout above' ln u/e/f u/d/l
check 'the whiteout is gone' same none "$(where d/.wh.l)"
again 'three names' 3 stat -c %h u/e/f
check 'rename' mv u/e/f u/d/h
check 'on its branch' same b1 "$(where d/h)"
again 'all there' 'g h l' names u/d

fresh
mkdir b0/d b1/d low/d
echo above > b0/d/target
echo hidden > b1/d/target
echo low > low/d/target
echo new > b1/d/source
echo low > low/d/source
union
check 'rename over a file above' mv -f u/d/source u/d/target
check 'is what was renamed' same new "$(cat u/d/target)"
check 'on its branch only' same b1low "$(where d/target)"
check 'the old name is whited out' same b1 "$(where d/.wh.source)"
again 'the content after a mount' new cat u/d/target
check 'the names' same target "$(names u/d)"

fresh
mkdir b0/d b1/d
echo w > b1/d/w
union
exec 7>> u/d/w
echo x > u/d/t
check 'rename what is being written' mv -f u/d/w u/d/t
echo more >&7
exec 7>&-
again 'what was written is there' 'w more' line u/d/t

fresh
mkdir -p b0/d b1/d low/d b1/d/s
echo b1 > b1/d/f
echo low > low/d/g
union
refused 'a directory that is on two writable branches' \
	mv --no-copy -T u/d u/e
check 'the reason' contains "$(mv --no-copy -T u/d u/e 2>&1)" cross-device
again 'nothing is lost' 'f g s' names u/d
check 'mv does it all the same' mv u/d u/e
again 'the whole of it' 'f g s' names u/e
check 'and the old one is gone' same e "$(names u)"

fresh
mkdir -p b0/d b1/d low/d
: > b0/d/.wh.x
echo hidden > b1/d/x
union
check 'rmdir of an empty one on three' rmdir u/d
again 'it is gone' '' names u
check 'mkdir again' mkdir u/d
again 'it is empty' '' names u/d
check 'rename onto it' sh -c 'mkdir u/n && echo x > u/n/y && mv -T u/n u/d'
again 'not merged with anything' y names u/d

# A directory is removed on the branch of the first, where the file is.
fresh
mkdir b1/d
echo x > b1/d/f
union
rm -r u/d
check 'rm -r below the top' same none "$(where d)"
check 'leaves no whiteout' same '' "$(left b0; left b1)"

# --- no room -------------------------------------------------------------------------------------

# full BRANCH: leaves no block and no inode free.
full() {
	umount u 2> /dev/null
	dd if=/dev/zero "of=$1/fill" bs=64k 2> /dev/null
	true
}

fresh
dd if=/dev/urandom of=low/big bs=1M count=4 2> /dev/null
echo low > low/small
full b0
union
check 'a file of 4M is copied to where there is room' sh -c 'echo more >> u/big'
check 'to the one with most' same b1low "$(where big)"
check 'its content' cmp -n 4194304 u/big low/big
check 'nothing is left on the full one' same '' "$(left b0)"
umount u
union noretry
check 'it is shown' contains "$(shown)" ,noretry
dd if=/dev/urandom of=low/big2 bs=1M count=4 2> /dev/null
refused 'without the retry it fails' sh -c 'echo more >> u/big2'
check 'and is what it was' cmp u/big2 low/big2
mount -i -o remount,retry u
check 'with it again' sh -c 'echo more >> u/big2'

fresh
umount b0
mount -t tmpfs -o size=1m,nr_inodes=4 b0 b0
touch b0/1 b0/2 b0/3
union
check 'no inode is left: create' sh -c 'echo x > u/new'
check 'elsewhere' same b1 "$(where new)"
check 'symlink' ln -s x u/link
check 'elsewhere, too' same b1 "$(where link)"
refused 'a directory is not made elsewhere' mkdir u/dir
check 'a write to an open file' sh -c 'exec 9> u/w && dd if=/dev/zero bs=1M count=33 >&9 2> /dev/null; [ $? -ne 0 ]'
umount u
umount b0
mount -t tmpfs -o size=8m b0 b0

# A branch whose filesystem becomes read-only.
fresh
echo low > low/f
union
mount -i -o remount,ro b0
check 'read-only: create' sh -c 'echo x > u/new'
check 'elsewhere' same b1 "$(where new)"
check 'read-only: copy-up' sh -c 'echo x >> u/f'
check 'elsewhere' same b1low "$(where f)"
mount -i -o remount,rw b0

umount u
umount b0 b1 b2
finish
