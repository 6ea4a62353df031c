#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# aufs2 doctor and completions: what is told of the module, and of what the script says that dkms calls.
#
# Catches: a thing that is missing and is not told; a script that fails, taken for one that finds nothing.
tool=$(readlink -f "$(dirname "$(readlink -f "$0")")/../aufs2")
. "$(dirname "$(readlink -f "$0")")/lib/lib.sh"
[ -z "$reference" ] || skip_all "not on overlayfs"
[ -x "$tool" ] || tool=$(command -v aufs2) || skip_all "no aufs2"
need bash

ask() {
	said=$("$tool" "$@" 2>&1)
	printf '%s %s\n' "$?" "$(printf '%s\n' "$said" | tr '\n' ';')"
}

mount -t tmpfs sources /usr/src || skip_all "no /usr/src"
version=$("$tool" --version | sed 's/.* //')
check 'the module is inserted' contains "$(ask doctor)" "ok: module: inserted, version $version;"
check 'and was taken' contains "$(ask doctor)" ';ok: signatures: '
check 'nothing builds another' contains "$(ask doctor 6.1.0-none)" \
	'1 lacks: dkms: there is no module, and nothing to build it: apt install aufs2-dkms;'
check 'a path is no kernel' same '2 aufs2: ../x: no version of a kernel;' "$(ask doctor ../x)"
mkdir -p "/usr/src/aufs2-$version/scripts"
script=/usr/src/aufs2-$version/scripts/dkms
cat > "$script" <<'S'
#!/bin/sh
printf 'kernel\t\ncompiler\tthere is no rustc for %s %s\n' "$1" "$2"
S
chmod +x "$script"
check 'what is there' contains "$(ask doctor 7.3.1)" 'ok: kernel: all that is needed is here;'
check 'what is missing' contains "$(ask doctor 7.3.1)" 'lacks: compiler: there is no rustc for needs 7.3.1;'
check 'status' same 1 "$("$tool" doctor 7.3.1 > said; echo $?)"
check 'JSON' contains "$(ask doctor --json 7.3.1)" \
	'{"name":"compiler","good":false,"text":"there is no rustc for needs 7.3.1"}]'
printf '#!/bin/sh\necho broken >&2\nexit 1\n' > "$script"
check 'who cannot be asked' same "2 aufs2: $script: broken;" "$(ask doctor 7.3.1)"
umount /usr/src

"$tool" completions bash > complete.bash
check 'bash completes' same 'status;' "$(bash -c '. ./complete.bash
	COMP_WORDS=(aufs2 sta) COMP_CWORD=1 COMP_LINE="aufs2 sta" COMP_POINT=9
	$(complete -p aufs2 | sed "s/.*-F \([^ ]*\) .*/\1/") aufs2 sta aufs2
	printf "%s;" "${COMPREPLY[@]}"')"
check 'no such shell' same 2 "$("$tool" completions csh > said 2>&1; echo $?)"
finish
