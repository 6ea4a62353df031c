#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Those of the kernel's own mm selftests that map a file, on a plain filesystem and on
# a union, with each of the engines.
#
# Runs in the guest, with the programs in a folder beside the tests' (see
# tools/mm_selftests/build).  A program is started from, runs in, and has as its /tmp
# the place that is tested, where all that is there is on the read-only branch.  It
# passes if each of its cases has the result that it has without a union.

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/lib/lib.sh
. "$here/lib/lib.sh"

programs=${MM_SELFTESTS:-$here/../mm_selftests}
[ -d "$programs" ] || skip_all "no $programs"
[ -z "$reference" ] || skip_all "the plain filesystem is the reference"

# What map files most, in a minute.  FILE is a large file, PLACE where to work.
list='guard-regions
hugetlb_dio
map_populate
merge
pagemap_ioctl
transhuge-stress -d 2 -f FILE 64'
# With AUFS2_TEST_LONG, these as well.
if [ "${AUFS2_TEST_LONG:-1}" -gt 1 ]; then
	list="$list
cow
gup_longterm
ksm_functional_tests
soft-dirty"
	# They ask what filesystem they are on, and do something else on tmpfs.
	[ "$fs" = tmpfs ] || list="$list
khugepaged all:file PLACE
memory-failure
split_huge_page_test PLACE"
fi
# How often a union may have other results than the plain filesystem: some cases fail
# there, too, if the machine is so slow that pages are written back at a bad moment.
TRIES=4

# missing PROGRAM: what this kernel does not have without which it passes nothing.
missing() {
	case $1 in
	gup_longterm) file=/sys/kernel/debug/gup_test ;;
	memory-failure)
		modprobe -q hwpoison-inject
		file=/sys/kernel/debug/hwpoison/unpoison-pfn
		;;
	*) return 1 ;;
	esac
	[ ! -e "$file" ] && echo "no $file"
}

# fill FOLDER: with what programs find where they run.
fill() {
	mkdir -p "$1"
	cp "$programs"/* "$1/"
	truncate -s 80M "$1/FILE"
}

# union OPTION: an empty branch over that of the programs.
union() {
	rm -rf rw && mkdir rw && mount -t aufs2 -o "br:rw=rw:ro=ro,$1" none u
}

# disk_of FOLDER: lets who asks for the disk below FOLDER find that of the branches,
# since a union has none.
disk_of() {
	area_disk=$(stat -c %Hd:%Ld "$area")
	[ -e "/sys/dev/block/$area_disk" ] || return 0
	link=$(readlink "/sys/dev/block/$area_disk")
	mount -t tmpfs tmpfs /sys/dev/block
	ln -s "$link" "/sys/dev/block/$area_disk"
	ln -sfn "$link" "/sys/dev/block/$(stat -c %Hd:%Ld "$1")"
}

# run FOLDER PROGRAM [ARG...]: a line with the result of each case; what the program
# says is in /mnt/log.
run() {
	place=$area/$1
	shift
	(
		cd "$place" && mount --bind "$place" /tmp || exit 99
		disk_of "$place"
		program=$1
		shift
		arguments=
		for argument; do
			[ "$argument" != PLACE ] || argument=$place
			arguments="$arguments $argument"
		done
		# shellcheck disable=SC2086 # words
		timeout -k 5 300 "./$program" $arguments > "/mnt/log" 2>&1 < /dev/null
		echo "# status $?" >> /mnt/log
		umount /sys/dev/block 2> /dev/null
		cd / && umount /tmp
	)
	sed -nE 's/^(ok|not ok) ([0-9]+).*# SKIP.*/skip \2/p; t; s/^(ok|not ok) ([0-9]+).*/\1 \2/p
		s/^# status/status/p' /mnt/log
}

# count WORD FILE
count() {
	grep -c "^$1 " "$2"
}

# natively PROGRAM [ARG...]: without a union; to /mnt/native.
natively() {
	run native "$@" > /mnt/native
}

# What a check that passes says is not printed; this is.
exec 9>&1

# compare OPTION PROGRAM [ARG...]: on a union with that option.
compare() {
	option=$1 try=1
	shift
	while :; do
		union "$option" || return
		run u "$@" > /mnt/seen
		cd "$area" && umount u || return
		diff /mnt/native /mnt/seen > /mnt/diff && return
		# Of a try that was lost, too: who reads the log sees what it was that differed.
		sed "s/^/#   try $try, $option: /" /mnt/diff >&9
		[ "$try" -lt "$TRIES" ] || break
		try=$((try + 1))
		natively "$@"
	done
	cat /mnt/diff /mnt/log
	return 1
}

# refuted: as a check that has failed already.
refuted() {
	cat /mnt/log
	return 1
}

fill native
fill ro
echo "$list" > /mnt/list
while read -r command; do
	started=$(cut -d. -f1 /proc/uptime)
	if reason=$(missing "${command%% *}"); then
		skip "$command" "$reason"
		continue
	fi
	# shellcheck disable=SC2086 # words
	natively $command
	ok=$(count ok /mnt/native)
	counts="$ok passed, $(count 'not ok' /mnt/native) failed, $(count skip /mnt/native) skipped"
	if [ "$ok" -eq 0 ]; then
		check "$command passes something without a union" refuted
		continue
	fi
	for option in mmap=direct mmap=fault; do
		# shellcheck disable=SC2086 # words
		check "$command with $option: $counts" compare "$option" $command
	done
	echo "# $(($(cut -d. -f1 /proc/uptime) - started)) s"
done < /mnt/list
finish
