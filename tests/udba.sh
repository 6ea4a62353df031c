#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What is changed on a branch directly shows when the name is used next.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "overlayfs does not look"

content() {
	cat "u/$1" 2> /dev/null || echo none
}

# What somebody without privileges reads.
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups cat "u/$1" 2> /dev/null || echo denied
}

# look MODE: everything that can change under a union of this mode.
look() {
	rm -rf rw ro
	mkdir -p rw/d ro/d ro/sub/deep
	echo low > ro/d/f
	echo low > ro/d/both
	echo deep > ro/sub/deep/f
	check "$1: mount" mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro,udba=$1" none u || return
	: | cat u/d/f u/d/both u/d/new u/sub/deep/f u/sub/deep/new > /dev/null 2>&1
	ls u/d u/sub u/sub/deep > /dev/null

	echo new > ro/d/new
	check "$1: a new name below" same new "$(content d/new)"
	echo top > rw/d/f
	check "$1: a new name on top hides" same top "$(content d/f)"
	rm rw/d/f
	check "$1: without it the one below shows" same low "$(content d/f)"
	: > rw/d/.wh.both
	check "$1: a whiteout hides" same none "$(content d/both)"
	check "$1: and in the list" same 'f new' "$(names u/d)"
	rm rw/d/.wh.both
	check "$1: without it the name shows" same low "$(content d/both)"
	mv ro/d/new ro/d/moved
	check "$1: the old name is gone" same none "$(content d/new)"
	check "$1: the new one is there" same new "$(content d/moved)"
	echo other > ro/d/other
	mv ro/d/other ro/d/moved
	check "$1: one moved over it" same other "$(content d/moved)"
	mkdir -p rw/sub/deep
	echo merged > rw/sub/deep/new
	check "$1: a directory on top is merged" same merged "$(content sub/deep/new)"
	check "$1: with what is below" same deep "$(content sub/deep/f)"
	check "$1: both listed" same 'f new' "$(names u/sub/deep)"
	: > rw/sub/deep/.wh..wh..opq
	check "$1: it becomes opaque" same none "$(content sub/deep/f)"
	rm -r ro/sub
	check "$1: what is below goes" same merged "$(content sub/deep/new)"
	rm -r rw/sub
	check "$1: all of it goes" same none "$(content sub/deep/new)"
	check "$1: not listed" same d "$(names u)"
	echo u > u/d/made
	check "$1: what is made through the union" same u "$(content d/made)"
	rm u/d/made
	echo direct > rw/d/made
	check "$1: and made again directly" same direct "$(content d/made)"
	mkdir u/fresh
	echo early > rw/fresh/early
	check "$1: in a directory just made" same early "$(content fresh/early)"
	check "$1: nothing else" same none "$(content fresh/late)"
	chmod 600 ro/d/moved
	check "$1: a mode that takes the right to read" same denied "$(as_nobody d/moved)"
	chmod 644 ro/d/moved
	check "$1: one that gives it" same other "$(as_nobody d/moved)"
	chmod 700 ro/d rw/d
	check "$1: a mode of a directory" same denied "$(as_nobody d/moved)"
	chmod 755 ro/d rw/d
	check "$1: and the old one again" same other "$(as_nobody d/moved)"
	chmod 600 ro/d/moved
	chown 65534:65534 ro/d/moved
	check "$1: another owner" same other "$(as_nobody d/moved)"
	echo late > rw/fresh/late
	check "$1: until it is made" same late "$(content fresh/late)"
	mkdir u/fresh2
	mkdir ro/fresh2
	echo below > ro/fresh2/f
	: > rw/fresh2/.wh..wh..opq
	check "$1: one made opaque before its use" same none "$(content fresh2/f)"
	rm rw/fresh2/.wh..wh..opq
	check "$1: or not any more" same below "$(content fresh2/f)"
	mkdir u/full
	: > rw/full/f
	check "$1: what is not empty stays" same refused "$(rmdir u/full 2> /dev/null || echo refused)"
	rm rw/full/f
	: > rw/full/.wh.f
	check "$1: what has whiteouts alone goes" rmdir u/full
	mkdir u/m
	mount -t tmpfs inner u/m
	echo inner > u/m/f
	mkdir rw/d/x ro/m
	check "$1: a mount survives changes beside it" same inner "$(content m/f)"
	umount u/m
	check "$1: umount" umount u
}

look reval
look notify

# What changes on a server, which the kernel is not told of.
look_remote() {
	rm -rf rw ro far
	mkdir -p rw/d far/d ro
	serve far ro
	echo one > far/d/f
	check 'remote: mount' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro,udba=$1" none u || return
	: | cat u/d/f u/d/new u/later/f > /dev/null 2>&1
	check "remote, $1: what is there" same one "$(content d/f)"
	check "remote, $1: listed" same f "$(names u/d)"
	echo two > far/d/new
	check "remote, $1: a new name" same two "$(content d/new)"
	check "remote, $1: listed, too" same 'f new' "$(names u/d)"
	echo three > far/d/other
	mv far/d/other far/d/f
	check "remote, $1: another file" same three "$(content d/f)"
	rm far/d/new
	check "remote, $1: none any more" same none "$(content d/new)"
	check "remote, $1: not listed" same f "$(names u/d)"
	mkdir far/later
	echo four > far/later/f
	check "remote, $1: a new directory" same four "$(content later/f)"
	chmod 600 far/d/f
	check "remote, $1: a mode that takes the right to read" same denied "$(as_nobody d/f)"
	echo up > u/d/f
	check "remote, $1: a copy-up" same up "$(content d/f)"
	check "remote, $1: of which the server knows nothing" same three "$(cat far/d/f)"
	check "remote, $1: umount" umount u
	umount ro
	wait "$server"
}

if modprobe -q fuse || registered fuse; then
	look_remote reval
	look_remote notify
else
	skip 'remote branches' 'no FUSE'
fi

# A union below has its branches changed, and nothing else tells of that.
rm -rf rw ro far
mkdir -p rw ro far/x far/y far/z
echo y > far/y/f
echo z > far/z/f
echo z > far/z/new
check 'nested: mount' mount -t aufs2 -o "br:$area/far/x=rw:$area/far/y=ro" none ro
check 'nested: on top' mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro" none u
check 'nested: below' same y "$(content f)"
check 'nested: not there' same none "$(content new)"
check 'nested: add' mount -i -o "remount,ins:1:$area/far/z=ro" ro
check 'nested: hides' same z "$(content f)"
check 'nested: there' same z "$(content new)"
check 'nested: del' mount -i -o "remount,del:$area/far/z" ro
check 'nested: below again' same y "$(content f)"
check 'nested: gone' same none "$(content new)"
check 'umount' umount u ro
rm -rf rw ro
mkdir -p rw/d ro/d

# Nothing is promised here, but for what was not looked at.
mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro,udba=none" none u || fail_all "cannot mount"
check 'none: nothing is listed' same '' "$(names u/d)"
echo x > ro/d/first_seen
check 'none: what was not looked at before' same x "$(content d/first_seen)"
check 'none: and in the list' same first_seen "$(names u/d)"
check 'none: not there' same none "$(content d/later)"
check 'remount,udba=notify' mount -i -o remount,udba=notify u
echo later > ro/d/later
check 'notify: there' same later "$(content d/later)"
check 'remount,udba=reval' mount -i -o remount,udba=reval u
rm ro/d/later
check 'reval: gone' same none "$(content d/later)"
check 'umount' umount u
finish
