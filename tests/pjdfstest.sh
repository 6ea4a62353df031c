#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# pjdfstest on a union, and on a plain tmpfs as the reference:
#
#	pjdfstest.sh [TARGET...]	of tmpfs union-tmpfs union-ext4 union-mem
#
# Runs in the guest, with the program in a folder beside the tests' (see
# tools/pjdfstest/build).  A target passes when no test fails on it and no test
# is skipped that the reference does not skip.
set -u

here=$(dirname "$(readlink -f "$0")")
program=${PJDFSTEST:-$here/../pjdfstest/pjdfstest}
config=$here/pjdfstest.toml
work=/mnt/pjdfstest
ksft_skip=4

# Tests that remount read-only with no file open; the configuration leaves all
# such tests out.
remounts='unlink::erofs_named rename::erofs_named mkfifo::erofs_new_file
	chown::lchown::erofs_named truncate::erofs_named open::erofs_named'

if [ ! -x "$program" ]; then
	echo "1..0 # SKIP no $program"
	exit $ksft_skip
fi
[ $# -gt 0 ] || set -- tmpfs union-tmpfs union-ext4 union-mem

# add_user NAME ID: a user that the tests change to.
add_user() {
	grep -q "^$1:" /etc/passwd && return
	echo "$1:x:$2:$2::/:/bin/false" >> /etc/passwd
	echo "$1:x:$2:" >> /etc/group
}

# union BRANCHES: mounts them.
union() {
	mkdir -p "$work/target"
	mount -t aufs2 -o "br:$1" none "$work/target"
}

# over FILESYSTEM: a union of two folders of the filesystem at $work/branches.
over() {
	mkdir "$work/branches/rw" "$work/branches/ro"
	chmod 755 "$work/branches/rw"
	union "$work/branches/rw=rw:$work/branches/ro=ro"
}

# prepare TARGET: mounts it on $work/target.
prepare() {
	mkdir -p "$work/target" "$work/branches" "$work/empty"
	case $1 in
	tmpfs)
		mount -t tmpfs tmpfs "$work/target"
		;;
	union-tmpfs)
		mount -t tmpfs tmpfs "$work/branches" && over
		;;
	union-ext4)
		modprobe -q loop
		truncate -s 512M "$work/image" && mkfs.ext4 -q "$work/image" &&
			mount -o loop "$work/image" "$work/branches" && over
		;;
	union-mem)
		union "mem=rw:$work/empty=ro"
		;;
	*)
		echo "# no such target: $1"
		return 1
		;;
	esac
}

take_down() {
	for folder in target branches; do
		mountpoint -q "$work/$folder" || continue
		umount "$work/$folder" || return
	done
	rm -f "$work/image"
}

# field WORD: the number ahead of WORD in the summary of $work/log.
field() {
	sed -n "s/^Summary:.* \([0-9]*\) $1.*/\1/p" "$work/log"
}

# run TARGET CONFIG [ARGUMENT...]: prints what failed and a summary; the names
# of the tests that passed go to $work/passed.TARGET.
run() {
	target=$1 settings=$2
	shift 2
	NO_COLOR=1 "$program" -c "$settings" -p "$work/target" -s "$work/second" "$@" \
		> "$work/log" 2>&1
	if ! grep -q '^Summary:' "$work/log"; then
		tail -20 "$work/log" | sed 's/^/#   /'
		echo "# $target: pjdfstest did not come to its end"
		return 1
	fi
	grep -A 2 ' FAILED$' "$work/log" | sed 's/^/#   /'
	sed -n 's/  *ok$//p' "$work/log" | sort >> "$work/passed.$target"
	passed=$((passed + $(field passed)))
	failed=$((failed + $(field failed)))
	skipped=$((skipped + $(field skipped)))
}

# check TARGET: the whole of one target.
check() {
	passed=0 failed=0 skipped=0
	rm -f "$work/passed.$1"
	take_down && prepare "$1" || return
	run "$1" "$config" || return
	# shellcheck disable=SC2086 # a list of names
	run "$1" "$work/remounts.toml" $remounts || return
	# They were among the skipped of the first run.
	skipped=$((skipped - $(field passed)))
	take_down || return
	[ "$failed" -eq 0 ] || return
	[ "$1" = tmpfs ] || [ ! -e "$work/passed.tmpfs" ] ||
		! comm -13 "$work/passed.$1" "$work/passed.tmpfs" | grep .
}

umask 022
mkdir -p "$work/second"
mount -t tmpfs tmpfs "$work/second"
sed 's/^allow_remount.*/allow_remount = true/' "$config" > "$work/remounts.toml"
add_user pjd1 54321
add_user pjd2 54322

echo "KTAP version 1"
echo "1..$#"
number=0 status=0
for target in "$@"; do
	number=$((number + 1))
	if check "$target"; then
		result=ok
	else
		result='not ok' status=1
	fi
	echo "$result $number pjdfstest on $target: $passed passed, $failed failed, $skipped skipped"
done
take_down
umount "$work/second"
exit $status
