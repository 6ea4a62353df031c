#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The union as /: pivot_root into it, work there, remount,ro, and out again.
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
need busybox pivot_root

mkdir -p ro/bin ro/proc ro/sys ro/old ro/tmp ro/etc
cp "$(command -v busybox)" ro/bin/busybox
if ! ro/bin/busybox true; then skip_all "busybox does not run"; fi
for applet in sh mount umount cat echo ls rm mkdir grep pivot_root; do
	ln -s busybox "ro/bin/$applet"
done
echo low > ro/etc/conf
type=aufs options=br:$area/rw=rw:$area/ro=ro
[ -z "$reference" ] ||
	type=overlay options=lowerdir=$area/ro,upperdir=$area/rw,workdir=$area/.work
mount -t "$type" -o "$options" none u || fail_all "cannot mount"

# Static, or it takes its libraries along.
if ! chroot u /bin/busybox true 2> /dev/null; then
	for library in $(ldd "$(command -v busybox)" | grep -o '/[^ ]*'); do
		mkdir -p "u/$(dirname "$library")"
		cp -L "$library" "u/$library"
	done
fi

{
	echo "area=$area reference=$reference"
	cat <<'END'
cd /
mount -t proc proc /proc || exit 10
[ "$(cat /etc/conf)" = low ] || exit 11
echo new > /etc/conf || exit 12
[ "$(cat /etc/conf)" = new ] || exit 13
mkdir /made && echo x > /made/f && rm -r /made || exit 14
grep -q ' / / ' /proc/self/mountinfo || exit 15
mount -t sysfs sysfs /sys || exit 24
if [ -z "$reference" ]; then
	[ "$(cat /sys/fs/aufs/si_*/br0)" = "/old$area/rw=rw" ] || exit 25
	[ "$(cat /sys/fs/aufs/si_*/br1)" = "/old$area/ro=ro" ] || exit 26
fi
umount -l /old || exit 16
[ -n "$reference" ] || [ "$(cat /sys/fs/aufs/si_*/br0)" = "(unreachable)$area/rw=rw" ] || exit 27
umount /sys || exit 28
# What runs is mapped from the union by its own name.
grep -q ' /bin/busybox$' /proc/self/maps || exit 17
mount -o remount,ro / || exit 18
echo y 2> /dev/null > /etc/conf && exit 19
[ "$(cat /etc/conf)" = new ] || exit 20
mount -o remount,rw / || exit 21
echo again > /etc/conf || exit 22
umount /proc || exit 23
exit 0
END
} > inside
cp inside u/inside

pivot() {
	# The mounts of the branches are those of the namespace that the union is mounted in.
	umount u
	unshare --mount --propagation private sh -c "
		mount -t $type -o '$options' none u && cd u && pivot_root . old && exec /bin/sh /inside
	" < /dev/null
}

check 'pivot_root, work, remount,ro (status 10 to 28: see inside)' pivot
mount -t "$type" -o "$options" none u
check 'it is there' same again "$(cat u/etc/conf)"
check 'what was written is in the branch' same again "$(cat rw/etc/conf)"
check 'the read-only branch is not changed' same low "$(cat ro/etc/conf)"
check 'umount' umount u
finish
