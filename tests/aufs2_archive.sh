#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# aufs2 diff --tar and --oci: a branch as an archive.
#
# Catches: a whiteout, a mark or a link that is not in the archive; a name that is cut off; an archive of what is not
# the branch; half an archive in the place of a whole one.
tool=$(readlink -f "$(dirname "$(readlink -f "$0")")/../aufs2")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
[ -x "$tool" ] || tool=$(command -v aufs2) || skip_all "no aufs2"
need tar python3 setfattr getfattr

long=$(printf 'n%.0s' $(seq 252))
odd=$(printf 'z\nb\377')
mkdir -p ro/d/sub ro/gone ro/all ro/pl ro2/d
for file in ro/f ro/d/low ro/d/sub/x ro/gone/a ro/all/a "ro/$long" ro2/f ro/pl/one ro/sock; do
	echo low > "$file"
done
ln ro/pl/one ro/pl/two
ln ro/pl/one ro/pl/three
mkdir ro/nl
echo low > ro/nl/a
ln ro/nl/a ro/nl/b
ln ro/nl/a ro/nl/c
check 'mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro:$area/ro2=ro" none u
# What says nothing succeeds.
check 'nothing is changed' same '' "$("$tool" diff --oci empty.tar u 2>&1)"
check 'an empty archive' same '' "$(tar -tf empty.tar 2>&1)"

rm -r u/f u/gone "u/$long" u/all u/d/low u/sock
mkdir u/all
echo c > u/all/c
echo new > u/new
ln u/new u/linked
ln -s ../nowhere u/link
mkfifo u/fifo
mknod u/null c 1 3
echo odd > "u/$odd"
deep=$(printf 'e%.0s' $(seq 100))
mkdir -p "u/$deep/$deep/$deep"
echo deep > "u/$deep/$deep/$deep/f"
chown 3000000:6 u/new
chmod 4751 u/new
setfattr -n user.x -v y u/new
setfattr -n trusted.y -v z u/d
touch -d '2001-02-03 04:05:06.070809' u/new
echo more >> u/pl/one
echo more >> u/nl/a
rm u/nl/a
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("u/sock")'

said=$("$tool" diff --oci layer.tar u 2>&1)
check 'what there is no room for is told' same 'aufs2: rw/sock: left out: an archive has no sockets' \
	"$(printf '%s\n' "$said" | sed "s,$area/,,g")"
"$tool" diff --oci again.tar u 2> /dev/null
check 'the same again' cmp layer.tar again.tar
check 'to the standard output' same '' "$("$tool" diff --oci - u 2> /dev/null | cmp - layer.tar 2>&1)"
check 'JSON tells what was left out' contains "$("$tool" diff --oci again.tar --json u)" \
	'/sock","text":"an archive has no sockets"}]'
cat > read.py <<'P'
import sys, tarfile
# What an archive has, a line each; names as Python shows them.
with tarfile.open(sys.argv[1]) as tar:
    for m in tar:
        if not m.name.startswith(sys.argv[2]):
            continue
        kind = {tarfile.DIRTYPE: "d", tarfile.LNKTYPE: "h", tarfile.SYMTYPE: "l", tarfile.FIFOTYPE: "p",
                tarfile.CHRTYPE: "c"}.get(m.type, "f")
        print(kind, ascii(m.name), m.linkname, sep=" ")
P
list() {
	python3 read.py "$@" | tr '\n' ';'
}
check 'whiteouts' same "f '.wh.f' ;f '.wh.gone' ;f '.wh.$long' ;f '.wh.sock' ;" "$(list layer.tar .wh)"
check 'a mark before what is in the directory' same "d 'all' ;f 'all/.wh..wh..opq' ;f 'all/c' ;" "$(list layer.tar all)"
check 'in a directory' same "d 'd' ;f 'd/.wh.low' ;" "$(list layer.tar d)"
check 'hard links' same "f 'linked' ;" "$(list layer.tar linked)"
check 'to the first name' same "h 'new' linked;" "$(list layer.tar new)"
check 'a symbolic link' same "l 'link' ../nowhere;" "$(list layer.tar 'link' | sed "s/f 'linked' ;//")"
check 'others' same "p 'fifo' ;c 'null' ;" "$(list layer.tar fifo)$(list layer.tar null)"
check 'an odd name' same "f 'z\\nb\\udcff' ;" "$(list layer.tar z)"
check 'a long path' contains "$(list layer.tar "$deep")" "f '$deep/$deep/$deep/f' ;"
check 'all names of what was changed by one' same \
	"d 'pl' ;f 'pl/one' ;h 'pl/three' pl/one;h 'pl/two' pl/one;" "$(list layer.tar pl)"
check 'also where that is gone' same \
	"d 'nl' ;f 'nl/.wh.a' ;f 'nl/b' ;h 'nl/c' nl/b;" "$(list layer.tar nl)"
check 'nothing of its own' same '' "$(list layer.tar .wh..wh)"

mkdir out
check 'tar unpacks it' tar --xattrs --xattrs-include='*' -C out -xpf layer.tar --exclude='.wh.*'
check 'time, mode and owner' same "$(stat -c '%y %a %u %g %s' u/new)" "$(stat -c '%y %a %u %g %s' out/new)"
check 'an attribute' contains "$(getfattr -d out/new 2>&1)" 'user.x="y"'
check 'one of a directory' contains "$(getfattr -d -m - out/d 2>&1)" 'trusted.y="z"'
check 'a link' same "$(stat -c %i out/new)" "$(stat -c %i out/linked)"
check 'data' cmp "u/$deep/$deep/$deep/f" "out/$deep/$deep/$deep/f"
check 'an odd name' cmp "u/$odd" "out/$odd"

# As it is, unpacked, it is the branch.
"$tool" diff --tar branch.tar u 2> /dev/null
mkdir rw2
check 'the branch is unpacked' tar --xattrs --xattrs-include='*' -C rw2 -xpf branch.tar
shown() {
	(cd u && find . -type d -printf '%P %y %m\n' -o ! -type s -printf '%P %y %m %s %T@\n' | sort)
}
before=$(shown)
check 'umount' umount u
check 'mount' mount -t aufs2 -o "br:$area/rw2=rw:$area/ro=ro:$area/ro2=ro" none u
check 'it shows the same' same "$before" "$(shown)"
check 'also by other names' same "$(cat rw/pl/one)" "$(cat u/pl/two)"

# What cannot be written takes nothing away.
check 'in the union' contains "$("$tool" diff --oci u/x.tar u 2>&1; echo $?)" ': in a union'
check 'on a branch' contains "$("$tool" diff --oci rw2/x.tar u 2>&1; echo $?)" ': on branch 0'
cp layer.tar kept.tar
mkdir small
mount -t tmpfs -o size=16k small small
echo old > small/l.tar
dd if=/dev/urandom of=u/big bs=64k count=1 status=none
check 'no room' same 2 "$("$tool" diff --oci small/l.tar u > said 2>&1; echo $?)"
check 'what was there stays' same old "$(cat small/l.tar)"
check 'and nothing else' same l.tar "$(names small)"
mkfifo p
"$tool" diff --oci p u 2> /dev/null &
pid=$!
check 'into a pipe' sh -c 'tar -tf p > piped'
wait $pid
check 'which ends well' test $? = 0
check 'with what is in a file' same "$("$tool" diff --oci - u 2> /dev/null | tar -tf -)" "$(cat piped)"
check 'it is not replaced' test -p p
umount small
ln -s kept.tar linked.tar
check 'where a link leads' "$tool" diff --oci linked.tar u
check 'it stays a link' test -L linked.tar
check 'and that is the archive' same 0 "$(tar -tf kept.tar > /dev/null; echo $?)"
check 'what the shell has opened' same 0 "$("$tool" diff --oci /proc/self/fd/1 u > out.tar 2> said; cmp out.tar kept.tar; echo $?)"
ln -s "$area/rw2/evil.tar" evil.tar
check 'a link to a branch' contains "$("$tool" diff --oci evil.tar u 2>&1; echo $?)" ': on branch 0'
rm -f rw2/evil.tar
check 'not both' same 2 "$("$tool" diff --oci a --tar b u > said 2>&1; echo $?)"
check 'umount' umount u
finish
