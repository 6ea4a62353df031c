#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Directories of a branch on which something else is to be mounted when they are used: a union
# does not see what is mounted below a branch, so they are shown, and what is in them is refused.
# On NFS, those on another filesystem of the server have no ->lookup at all.
#
# Catches: a NULL call (an oops) by a stat(2) in such a directory.

# A network of its own, for the server.
if [ -z "${AUFS2_TEST_NET:-}" ]; then
	AUFS2_TEST_NET=1 exec unshare --net "$0" "$@"
fi
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: it refuses the names themselves"

# says TEXT COMMAND...: it fails, and why.
says() {
	text=$1
	shift
	output=$("$@" 2>&1) && { echo "it succeeded"; return 1; }
	contains "$output" "$text"
}

# remote COMMAND...: it fails with EREMOTE.
remote() {
	says 'Object is remote' "$@"
}

# refuses DIR: what is in the directory, which is to be in the listing of its parent.
refuses() {
	check "$1 is listed" contains " $(names "$(dirname "$1")") " " $(basename "$1") "
	check "$1 is a directory" same directory "$(stat -c %F "$1")"
	check "$1: stat of a name" remote stat "$1/f"
	check "$1: opendir" remote ls "$1"
	check "$1: create" remote sh -c "mkdir $1/new"
	check "$1: rmdir" remote rmdir "$1"
	check "$1 is still there" test -d "$1"
}

mkdir at nfs export export/sub
mkdir rw/both
if modprobe -q autofs4 2> /dev/null; registered autofs; then
	# Whoever is in the process group that mounted it is the daemon, and waits for nobody.
	mkfifo pipe
	exec 3<> pipe
	mount -i -t autofs -o fd=3,minproto=5,maxproto=5,indirect none at
	mkdir at/here at/both
	check 'autofs' mount -t aufs2 -o "br:$area/rw=rw:$area/at=ro" none u
	check 'merged is listed' same 'both here' "$(names u)"
	refuses u/here
	refuses u/both
	check 'other names can be made' mkdir u/new
	check 'and are listed' same 'both here new' "$(names u)"
	umount u
	rmdir rw/new
	umount at
	mount -i -t autofs -o fd=3,minproto=5,maxproto=5,direct none at
	check 'a branch that is one' says 'something else is mounted there' \
		mount -t aufs2 -o "br:$area/rw=rw:$area/at=ro" none u
	check 'a branch comes' mount -t aufs2 -o "br:$area/rw=rw" none u
	refused 'one that is one does not' mount -i -o "remount,append:$area/at=ro" u
	umount u
	umount at
	exec 3>&-
else
	skip 'autofs' 'not in this kernel'
fi
rmdir rw/both

# serve: exports export, and what is mounted below, by the kernel's server without its tools: what
# they would answer is written to its caches.
serve() {
	busybox ip link set lo up &&
	mount -t nfsd nfsd /proc/fs/nfsd &&
	rpc=/proc/net/rpc never=2147483647 &&
	echo "nfsd 127.0.0.1 $never here" > "$rpc"/auth.unix.ip/channel &&
	# 0x6403: ro, insecure, no_subtree_check, fsid, crossmnt
	echo "here $area/export $never 25603 65534 65534 0" > "$rpc"/nfsd.export/channel &&
	echo "here $area/export/sub $never 25603 65534 65534 1" > "$rpc"/nfsd.export/channel &&
	printf '%s\n' "here 1 \\x00000000 $never $area/export" > "$rpc"/nfsd.fh/channel &&
	printf '%s\n' "here 1 \\x01000000 $never $area/export/sub" > "$rpc"/nfsd.fh/channel &&
	echo '-2 -3 +4 +4.1 +4.2' > /proc/fs/nfsd/versions &&
	echo 'tcp 2049' > /proc/fs/nfsd/portlist &&
	echo 2 > /proc/fs/nfsd/threads
}

if modprobe -q -a nfsd nfsv4 2> /dev/null && registered nfsd && registered nfs4; then
	mount -t tmpfs export export
	mkdir export/sub export/plain
	mount -t tmpfs sub export/sub
	touch export/f export/plain/f export/sub/f
	check 'a server' serve
	check 'a client' mount -i -t nfs4 -o addr=127.0.0.1,clientaddr=127.0.0.1,vers=4.2,sec=sys \
		127.0.0.1:/ nfs
	check 'nfs' mount -t aufs2 -o "br:$area/rw=rw:$area/nfs=ro" none u
	check 'stat of a file' test -f u/plain/f
	refuses u/sub
	check 'the rest can be used' touch u/plain/f2
	check 'natively the other filesystem is there' test -f nfs/sub/f
	umount u
	umount -R nfs
	echo 0 > /proc/fs/nfsd/threads
	umount /proc/fs/nfsd
	umount -R export
else
	skip 'nfs' 'not in this kernel'
fi
finish
