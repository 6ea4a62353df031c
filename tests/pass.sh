#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The filesystem of a test build (AUFS2_SAMPLE=1) that passes on to another one, and in which
# each operation can be held or failed: by itself, and as the branches of a union.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
registered aufs2_pass || skip_all "the module was not built with AUFS2_SAMPLE=1"

debug=/sys/kernel/debug
[ -d $debug/aufs2 ] || mount -t debugfs none $debug || skip_all "no debugfs"
operations=$debug/pass/operations
mkdir base p base/rw base/ro base/u base/ro/dir
echo content > base/ro/file
echo deeper > base/ro/dir/file

# tell COMMAND: what is to be done to operations.
tell() {
	echo "$1" > $operations
}

refused "a directory is needed" mount -t aufs2_pass -o control=pass none p
refused "a name is needed" mount -t aufs2_pass -o dir="$PWD/base" none p
check "mount" mount -t aufs2_pass -o dir="$PWD/base",control=pass none p

# --- by itself ---
check "names" same "$(names base/ro)" "$(names p/ro)"
check "data" same content "$(cat p/ro/file)"
check "writing" sh -c 'echo new > p/made && echo more >> p/made'
check "what was written is below" same "new
more" "$(cat base/made)"
check "a directory" mkdir p/d
check "a link" ln p/made p/d/linked
check "a rename" mv p/made p/renamed
check "attributes" chmod 640 p/renamed
check "they are those of all links" same "640 2" "$(stat -c '%a %h' p/d/linked)"
check "a symbolic link" ln -s renamed p/symlink
check "following it" same "new
more" "$(cat p/symlink)"
check "an extended attribute" setfattr -n trusted.a -v b p/renamed
check "it is below" same b "$(getfattr -n trusted.a --only-values base/renamed)"
check "a device" mknod p/null c 1 3
check "using it" same "" "$(cat p/null)"
refused "a directory that is not empty" rmdir p/d
check "removing" rm -r p/d p/renamed p/symlink p/null
check "nothing is left" same "ro rw u" "$(names base)"

# --- trouble ---
check "failing the second operation" tell "fail 2 28"
check "it is the open" same "sh: 1: cannot create p/full: No space left on device" \
	"$(sh -c 'echo x > p/full' 2>&1)"
tell count
rm -f p/full
refused "what there is not" tell "lose 2"
refused "an errno" tell "fail 2 0"
check "holding the first operation" tell "hold 1"
mkdir p/held &
maker=$!
check "it is held" settles grep -q '^held 1 lookup' $operations
refused "holding another one meanwhile" tell "hold 2"
check "releasing it" tell release
wait $maker
check "it goes on" same 0 $?
check "there it is" rmdir p/held
tell "hold 1"
stat p/killed 2> /dev/null &
looker=$!
settles grep -q '^held' $operations
kill -9 $looker
wait $looker 2> /dev/null
check "who is held can be killed" same "" "$(grep '^held' $operations)"
check "and the next one is not released by that" tell "hold 1"
stat p/other 2> /dev/null &
looker=$!
check "it is held, too" settles grep -q '^held' $operations
tell release
wait $looker

# --- as branches ---
check "a union" mount -t aufs2 -o "br:$PWD/p/rw=rw:$PWD/p/ro=ro" none u
check "a copy-up" sh -c 'echo more >> u/file'
check "it is on the branch" same "content
more" "$(cat base/rw/file)"
check "a removal" rm -r u/dir
check "whited out" test -f base/rw/.wh.dir
check "making a directory there" mkdir u/dir
check "opaque" same "" "$(names u/dir)"
check "a rename of a copy" mv u/file u/dir/moved
check "reading it" same "content
more" "$(cat u/dir/moved)"
check "it is remembered" sh -c "umount u && mount -t aufs2 -o br:$PWD/p/rw=rw:$PWD/p/ro=ro none u"
check "as it was" same "dir" "$(names u)"
check "unmount the union" umount u
check "unmount" umount p

# --- a directory of only whiteouts that cannot be moved aside, as it is of a project of its own ---
mkdir x
truncate -s 320M x.img
if modprobe -q loop && mkfs.xfs -q x.img && mount -o loop,prjquota x.img x; then
	mkdir -p x/base/rw/part x/base/ro
	check "a project" chattr -p 5 +P x/base/rw
	check "of one directory" chattr -p 6 +P x/base/rw/part
	check "mount it" mount -t aufs2_pass -o dir="$PWD/x/base",control=pass none p
	step=0 broken=0 left=
	while [ $step -lt 16 ]; do
		step=$((step + 1))
		mkdir -p x/base/ro/part/$step
		touch x/base/ro/part/$step/a x/base/ro/part/$step/b
		mount -t aufs2 -o "br:$PWD/p/rw=rw:$PWD/p/ro=ro" none u
		rm u/part/$step/a u/part/$step/b
		tell "fail $step 5"
		if rmdir u/part/$step 2> /dev/null; then
			tell count
			umount u
			continue
		fi
		broken=$((broken + 1))
		tell count
		left="$left$(names u/part/$step)"
		umount u
		mount -t aufs2 -o "br:$PWD/p/rw=rw:$PWD/p/ro=ro" none u
		left="$left$(names u/part/$step 2> /dev/null)"
		umount u
	done
	check "many steps failed" [ $broken -gt 3 ]
	check "what was removed in it stays removed" same "" "$left"
	umount p
	umount x
else
	skip "what cannot be moved aside" "no XFS here"
fi
finish
