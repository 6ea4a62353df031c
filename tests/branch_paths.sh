#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A union of type aufs holds the mounts of its branches, as aufs does, and shows where they are now.
#
# Catches: a path of before a move; a layer that can be unmounted while it is one, or cannot be when it
# is none any more.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it tells of no branches"
registered aufs || skip_all "not called aufs here"
need python3

# entry: its folder, as tools written for aufs find it.
entry() {
	echo "/sys/fs/aufs/$(awk -v at="$area/u" '$2 == at { print $4 }' /proc/mounts |
		tr , '\n' | grep '^si=' | tr '=' _)"
}

# shown BRANCH
shown() {
	cat "$(entry)/br$1"
}

change() {
	mount -i -o "remount,$1" u
}

mkdir -p x y folder/z
mount -t tmpfs x x
echo x > x/f
check 'mount -t aufs' mount -t aufs -o "br:$area/x=rw:$area/ro=ro" none u
check 'br0' same "$area/x=rw" "$(shown 0)"
refused 'a layer cannot be unmounted' umount x
check 'but moved' mount --move x y
check 'br0 is where it was moved to' same "$area/y=rw" "$(shown 0)"
check 'br1 is where it was' same "$area/ro=ro" "$(shown 1)"
check 'it is found there' change "mod:$area/y=ro"
check 'and by the name that it was given' change "mod:$area/x=rw"
check 'move it on' mount --move y folder/z
check 'br0' same "$area/folder/z=rw" "$(shown 0)"
check 'a folder above is renamed' mv folder 'folder 2'
check 'br0' same "$area/folder\\0402/z=rw" "$(shown 0)"
check 'another namespace sees the same' same "$area/folder\\0402/z=rw" \
	"$(unshare --mount --propagation private cat "$(entry)/br0")"
# Where its path is longer than one can be, which a shell does not go to.
deep() {
	python3 - "$area" "$(entry)/br0" <<-'END'
		import os, subprocess, sys
		area, shown = sys.argv[1:]
		os.chdir(area)
		for _ in range(25):
		    os.mkdir("n" * 200)
		    os.chdir("n" * 200)
		move = ["mount", "--no-canonicalize", "--move"]
		subprocess.run(move + [area + "/folder 2/z", "."], check=True)
		print(open(shown).read(), end="")
		os.chdir("..")
		subprocess.run(move + ["n" * 200, area + "/folder 2/z"], check=True)
	END
}
check 'too deep to be told, br0 is its first path' same "$area/x=rw" "$(deep)"
check 'br0 again' same "$area/folder\\0402/z=rw" "$(shown 0)"
check 'umount -l of it' umount -l "folder 2/z"
check 'br0 cannot be come to' same "(unreachable)$area/x=rw" "$(shown 0)"
check 'del of what has no path any more' change "append:$area/ro2=rw,del:$area/x"
check 'umount' umount u

for i in 1 2 3 4 5; do
	mount -t tmpfs "layer $i" x
	mount -t aufs -o "br:$area/rw=rw:$area/ro=ro" none u
	change "append:$area/x=ro" || break
	! umount x 2> /dev/null || break
	change "del:$area/x" || break
	umount x || break
	umount u || break
	mount -t tmpfs "layer $i" x
	mount -t aufs -o "br:$area/rw=rw:$area/x=ro" none u || break
	umount u || break
	umount x || break
	i=$((i + 1))
done
check 'whoever has removed a layer, or unmounted the union, unmounts the layer' same 6 "$i"

mount -t tmpfs layer x
refused 'a mount that fails' mount -t aufs -o "br:$area/x=rw:$area/nosuch=ro" none u
check 'holds nothing' umount x
mount -t tmpfs layer x
check 'mount' mount -t aufs -o "br:$area/rw=rw:$area/ro=ro" none u
refused 'a remount that fails' change "append:$area/x=ro,del:$area/nosuch"
refused 'another, refused late' change "append:$area/x=ro,append:$area/u=ro"
check 'holds nothing' umount x
check 'umount' umount u

# By its own name, it is as an overlay is.
mount -t tmpfs layer x
check 'mount -t aufs2' mount -t aufs2 -o "br:$area/x=rw:$area/ro=ro" none u
check 'a layer can be unmounted' umount x
check 'br0 is what it was' same "$area/x=rw" "$(shown 0)"
check 'umount' umount u
finish
