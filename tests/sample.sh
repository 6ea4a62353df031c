#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The sample filesystem of a test build (AUFS2_SAMPLE=1), which has nothing to do
# with unions: it shows one directory tree, read-only.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
registered aufs2_sample || skip_all "the module was not built with AUFS2_SAMPLE=1"

mkdir ro/dir
echo content > ro/file
echo deeper > ro/dir/file
ln -s dir/file ro/link
mknod ro/null c 1 3
i=0
while [ "$i" -lt 300 ]; do
	: > "ro/dir/entry$i"
	i=$((i + 1))
done
cp "$(command -v cat)" ro/cat

refused "a directory is needed" mount -t aufs2_sample none u
refused "it must be one" mount -t aufs2_sample -o dir="$PWD/none" none u
check "mount" mount -t aufs2_sample -o dir="$PWD/ro" none u
check "names" same "$(ls ro)" "$(ls u)"
check "many names" same "$(ls ro/dir)" "$(ls u/dir)"
check "data" cmp ro/cat u/cat
check "data in a directory" same deeper "$(cat u/dir/file)"
check "a symbolic link" same "$(readlink ro/link)" "$(readlink u/link)"
check "following it" same deeper "$(cat u/link)"
check "attributes" same "$(stat -c '%A %u %g %s %Y %h' ro/file)" "$(stat -c '%A %u %g %s %Y %h' u/file)"
check "a device" same "" "$(cat u/null)"
check "running a program" same content "$(u/cat u/file)"
refused "a name that is not there" cat u/none
refused "writing" sh -c 'echo more >> u/file'
refused "making" mkdir u/new
refused "removing" rm u/file
refused "attributes are not extended" setfattr -n user.a -v b u/file
refused "remounting it read-write" mount -o remount,rw u
echo later > ro/new
check "what is new below" same later "$(cat u/new)"
rm ro/new
check "statfs" stat -f u
check "unmount" umount u
finish
