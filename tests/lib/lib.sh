# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034
#
# What the tests written in shell share.  To be sourced first:
#
#	. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
#
# Starts the script again in a mount namespace of its own with a tmpfs on /mnt,
# changes to an empty folder there with rw, ro, ro2 and u, and has the checks
# below.  AUFS2_TEST_FS and AUFS2_TEST_REFERENCE are as in aufs2.h.

if [ -z "${AUFS2_TEST_NS:-}" ]; then
	AUFS2_TEST_NS=1 exec unshare --mount --propagation private "$0" "$@"
fi
unset AUFS2_TEST_NS
echo "TAP version 13"

# Before anybody changes the directory.
lib=$(dirname "$(readlink -f "$0")")/lib
fs=${AUFS2_TEST_FS:-tmpfs}
reference=${AUFS2_TEST_REFERENCE:-}
passed=0 failed=0 skipped=0 number=0

# skip_all REASON...: the program cannot run here.
skip_all() {
	echo "1..0 # SKIP $*"
	exit 4
}

# fail_all REASON...: what the program is about does not work at all.  Where it is tested itself, on
# another filesystem, that is no fault of the union's.
fail_all() {
	[ -z "$reference" ] || skip_all "$@"
	echo "1..1"
	echo "not ok 1 $*"
	exit 1
}

# need COMMAND...: skips the program without them.
need() {
	for command; do
		command -v "$command" > /dev/null || skip_all "no $command"
	done
}

# registered TYPE
registered() {
	awk -v type="$1" '$NF == type { found = 1 } END { exit !found }' /proc/filesystems
}

# check NAME COMMAND [ARG...]: a test case; it passes if the command succeeds.
check() {
	name=$1
	shift
	number=$((number + 1))
	status=0
	output=$("$@" 2>&1) || status=$?
	if [ "$status" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok $number $name"
		return 0
	fi
	failed=$((failed + 1))
	echo "# $*: status $status"
	[ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/#   /'
	echo "not ok $number $name"
	return 1
}

# refused NAME COMMAND [ARG...]: one that passes if the command is there, runs and fails.
refused() {
	name=$1
	shift
	check "$name" fails "$@"
}

fails() {
	status=0
	"$@" || status=$?
	case $status in
	0) echo "it succeeded" ;;
	12[67]) echo "it did not run" ;;
	12[89] | 1[3-9][0-9]) echo "it was killed" ;;
	*) return 0 ;;
	esac
	return 1
}

# same EXPECTED SEEN: as a command of check.
same() {
	[ "$1" = "$2" ] || { printf "expected '%s', seen '%s'\n" "$1" "$2"; return 1; }
}

# contains TEXT PART
contains() {
	case $1 in
	*"$2"*) ;;
	*) printf "'%s' is not in '%s'\n" "$2" "$1"; return 1 ;;
	esac
}

# skip NAME REASON...
skip() {
	number=$((number + 1)) skipped=$((skipped + 1)) name=$1
	shift
	echo "ok $number $name # SKIP $*"
}

# settles COMMAND [ARG...]: waits until it succeeds, for up to a minute, which no machine takes.
settles() {
	tries=0
	until "$@" 2> /dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || { echo "# never: $*"; return 1; }
		sleep 0.05
	done
}

# serve SOURCE TARGET: shows it there as a server does, whose number is in $server (see remotefs.py).
serve() {
	"$lib/remotefs.py" "$1" "$2" &
	# shellcheck disable=SC2034 # who stops it uses that
	server=$!
	settles mountpoint -q "$2"
}

# finish: the plan and the totals; the last line of a test.
finish() {
	cd /
	umount -R /mnt 2> /dev/null || umount -l /mnt
	echo "1..$number"
	echo "# Totals: pass:$passed fail:$failed xfail:0 xpass:0 skip:$skipped error:0"
	[ $failed -eq 0 ] || exit 1
	exit 0
}

# names FOLDER: what is in it, in one line.
names() {
	# shellcheck disable=SC2005,SC2046 # one word a name, in one line
	echo $(cd "$1" && LC_ALL=C ls -A)
}

[ "$(id -u)" -eq 0 ] || skip_all "needs root"
if ! registered aufs2 && ! modprobe -q aufs2 2> /dev/null; then
	[ -n "$reference" ] || skip_all "no aufs2 in this kernel"
fi
mount -t tmpfs -o mode=755 scratch /mnt || skip_all "no scratch area"
area=/mnt/area
mkdir "$area"
if [ "$fs" != tmpfs ]; then
	case $fs in
	ext4) need mkfs.ext4; truncate -s 256M /mnt/img; mkfs.ext4 -q /mnt/img ;;
	xfs) need mkfs.xfs; truncate -s 320M /mnt/img; mkfs.xfs -q /mnt/img ;;
	btrfs) need mkfs.btrfs; truncate -s 1G /mnt/img; mkfs.btrfs -q /mnt/img ;;
	*) skip_all "AUFS2_TEST_FS=$fs is not known" ;;
	esac
	modprobe -q loop 2> /dev/null
	mount -t "$fs" -o loop /mnt/img "$area" || fail_all "cannot mount $fs by loop"
fi
cd "$area" || exit 1
mkdir rw ro ro2 u .work
