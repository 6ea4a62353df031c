#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What is changed on a branch directly shows when the name is used next.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "overlayfs does not look"

content() {
	cat "u/$1" 2> /dev/null || echo none
}

# look MODE: everything that can change under a union of this mode.
look() {
	rm -rf rw ro
	mkdir -p rw/d ro/d ro/sub/deep
	echo low > ro/d/f
	echo low > ro/d/both
	echo deep > ro/sub/deep/f
	mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro,udba=$1" none u || return
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

# Nothing is promised here, but for what was not looked at.
mount -t aufs2 -o "br:$area/rw=rw:$area/ro=ro,udba=none" none u || skip_all "cannot mount"
echo x > ro/d/first_seen
check 'none: what was not looked at before' same x "$(content d/first_seen)"
check 'none: not there' same none "$(content d/later)"
check 'remount,udba=notify' mount -i -o remount,udba=notify u
echo later > ro/d/later
check 'notify: there' same later "$(content d/later)"
check 'remount,udba=reval' mount -i -o remount,udba=reval u
rm ro/d/later
check 'reval: gone' same none "$(content d/later)"
check 'umount' umount u
finish
