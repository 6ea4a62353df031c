#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# mount(8) command lines, word for word as their users have them, with the
# helper mount.aufs2 where it is installed and without it.
helper=$(dirname "$(readlink -f "$0")")/../mount.aufs2
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs: the option grammar"
need mount

# mount(8) looks for helpers in one folder only.
if [ -x "$helper" ] && ! command -v mount.aufs2 > /dev/null; then
	cp "$helper" /sbin/
	trap 'rm -f /sbin/mount.aufs2' EXIT
fi

echo ro > ro/f
echo ro2 > ro2/f
echo ro2 > ro2/g

# works: whether u is rw over ro over ro2.
works() {
	same 'f g' "$(names u)" && same ro "$(cat u/f)" && same ro2 "$(cat u/g)" &&
		echo new > u/new && same new "$(cat rw/new)" && rm u/new && rm -f rw/new
}

# try NAME [mount's arguments]: with and without the helper.
try() {
	what=$1
	shift
	for helper in '' -i; do
		if [ -z "$helper" ] && ! command -v mount.aufs2 > /dev/null; then
			skip "$what, helper" "no mount.aufs2"
			continue
		fi
		if check "$what${helper:+, no helper}: mount" mount $helper -t aufs2 "$@"; then
			check "$what${helper:+, no helper}: works" works
			check "$what${helper:+, no helper}: umount" umount u
		fi
	done
}

three=$area/rw=rw:$area/ro=ro:$area/ro2=ro
try 'br:' -o "br:$three" none u
try 'br=' -o "br=$three" none u
try 'dirs=' -o "noatime,dirs=$three" aufs2 u
try 'defaults' -o "br:$area/rw:$area/ro:$area/ro2" none u
try 'rr' -o "br:$area/rw=rw:$area/ro=rr:$area/ro2=rr+wh" none u
try 'append:' -o "br:$area/rw=rw,append:$area/ro,append:$area/ro2=ro+wh" none u
try 'several -o' -o "br:$area/rw=rw" -o "append:$area/ro=ro" -o "append:$area/ro2=ro" none u
try 'xino' -o "xino=/dev/shm/.xino,br=$three" none u
try 'udba' -o "udba=reval,br=$three" none u
try 'generic options' -o "rw,nodev,noexec,relatime,br:$three" none u

# A comma is an option's end for mount(8) itself; the helper gets \, whole.
mkdir 'a b' 'c:d'
echo odd > 'a b/mark'
echo odd > 'c:d/mark2'
check 'space and colon: mount' mount -t aufs2 -o "br:$area/a b=ro:$area/c\\:d=ro" none u &&
	check 'space and colon: list' same 'mark mark2' "$(names u)"
umount u 2> /dev/null

# fstab(5)
printf 'none %s aufs2 br:%s=rw:%s=ro:%s=ro,noauto 0 0\n' \
	"$area/u" "$area/rw" "$area/ro" "$area/ro2" > fstab
check 'fstab: mount' mount -T fstab "$area/u" && check 'fstab: works' works
umount u 2> /dev/null

# mount(8) repeats what is in fstab on a remount, and the helper leaves the branches out.
printf 'none %s aufs2 br:mem=rw:%s=ro,size=5M,mode=755,noauto 0 0\n' "$area/u" "$area/ro" > fstab
check 'a branch in memory by fstab' mount -T fstab "$area/u"
check 'remount,ro' mount -T fstab -o remount,ro "$area/u"
refused 'read-only then' sh -c "echo x > u/new"
check 'remount,rw' mount -T fstab -o remount,rw "$area/u"
check 'and writable again' sh -c "echo x > u/new"
check 'a branch more' mount -T fstab -o "remount,append:$area/ro2" "$area/u"
refused 'another size' mount -T fstab -o remount,size=6M "$area/u"
check 'umount' umount u

# What /proc/mounts shows can be given back to a remount.
mount -t aufs2 -o "br:$three" none u
line=$(awk -v at="$area/u" '$2 == at { print $4 }' /proc/mounts)
check 'shown options have si=' contains ",$line" ',si='
check 'remount with what is shown' mount -o "remount,$line" u
check 'remount works' works
check 'remount,ro' mount -o remount,ro u
refused 'read-only then' sh -c "echo x > u/new"
check 'remount,rw' mount -o remount,rw u
check 'writable again' works
check 'umount' umount u

# What the helper says: each reason once, in one line, and the status of mount(8).
if command -v mount.aufs2 > /dev/null; then
	told() {
		said=$("$@" 2>&1)
		echo "$? $said" | sed "s,$area/,,g"
	}
	check 'a branch that is not there' \
		same "32 mount.aufs2: option br=nowhere=ro: No such file or directory (aufs2: branch 'nowhere': ENOENT)" \
		"$(told mount.aufs2 none u -o "br:$area/nowhere=ro")"
	echo file > file
	check 'a file is no mount point' same '32 mount.aufs2: mount point file: Not a directory' \
		"$(told mount.aufs2 none file -o "br:$three")"
	check 'mount' mount -t aufs2 -o "br:$three,dirsync" none u
	check 'what the kernel has for a mount only' same '0 ' "$(told mount.aufs2 none u -o remount,dirsync,noatime)"
	check 'a size of nothing' contains "$(told mount.aufs2 none u -o remount,size=1m)" 'and none is made)'
	if command -v setpriv > /dev/null; then
		check 'no rights' contains \
			"$(told setpriv --reuid 65534 --regid 65534 --clear-groups /sbin/mount.aufs2 none u -o remount,ro)" \
			'1 mount.aufs2: u: '
	fi
	check 'umount' umount u
	for type in aufs2 aufs; do
		check "-t $type" mount.aufs2 none u -t "$type" -o "br:$three"
		check "is $type" same "$type" "$(findmnt -n -o FSTYPE u)"
		check 'umount' umount u
	done
	refused '-t with another' mount.aufs2 none u -t overlay -o "br:$three"
else
	skip 'what the helper says' 'no mount.aufs2'
fi

# What is said is no condition for what is done.
mkfifo pipe
: < pipe &
exec 8> pipe
wait $!
check 'nobody reads what is said' sh -c "mount -v -t aufs2 -o br:$three none u 2>&8"
exec 8>&-
check 'it works' works
check 'umount' umount u

# What is said, by mount(8) or in the kernel's log, says which branch, and which option.
for helper in '' -i; do
	if [ -z "$helper" ] && ! command -v mount.aufs2 > /dev/null; then
		skip 'what is refused, helper' 'no mount.aufs2'
		continue
	fi
	for wrong in "br:$area/rw=rw:$area/nowhere=ro $area/nowhere" "br:$three,nosuch nosuch"; do
		said=$(dmesg -C; mount $helper -t aufs2 -o "${wrong% *}" none u 2>&1; echo "status $?"; dmesg)
		check "${wrong#* }${helper:+, no helper}: refused" contains "$said" 'status 32'
		check "${wrong#* }${helper:+, no helper}: named" contains "$said" "${wrong#* }"
	done
	refused "no branches${helper:+, no helper}" mount $helper -t aufs2 none u
done
check 'mount' mount -t aufs2 -o "br:$three" none u
refused 'busy' sh -c "cd u && umount $area/u"
check 'umount' umount u
finish
