# SPDX-License-Identifier: GPL-2.0
#
# Reduces bindgen's output to what the kernel's own bindings lack:
#
#	awk -f complement.awk THEIRS OURS OURS
#
# A type which the kernel's bindings have stays theirs, so that every signature
# and table means the same type.  Where theirs is opaque and ours is not, ours
# is called X_full: cast the pointer to look inside.  (`full` names those the
# module uses; one that a later kernel has in full becomes an alias.)
#
# The assertions on the layout of what is ours, and of the types in `checked`
# whosever they are, stay: a type of another size does not compile.
#
# Functions are always ours, unless a helper of ours is about to take the name,
# as consts may.  Anonymous enums are numbered anew in each run: always kept.

# The name an item defines or, for an `impl`, the type it is for.
function name_of(line) {
	if (line ~ /^(unsafe )?impl/) {
		sub(/^(unsafe )?impl(<[^>]*>)? /, "", line)
		sub(/^.* for /, "", line)
	} else {
		sub(/^ *pub (fn|struct|union|type|const|static mut|static) /, "", line)
	}
	return match(line, /^[A-Za-z0-9_]+/) ? substr(line, 1, RLENGTH) : ""
}

function is_definition(line) {
	return line ~ /^ *pub (fn|struct|union|type|const|static) / ||
		line ~ /^(unsafe )?impl/ || line ~ /^    \["Size of /
}

# Items are dropped, kept as they are, or renamed.
function flush_item(    keep) {
	if (name == "")
		keep = 1
	else if (name in taken)
		keep = 0
	else if (kind == "fn" || name ~ /^_bindgen_ty_/)
		keep = 1
	else if (name in opaque)
		keep = name in inside
	else if (kind == "layout" && index(" " checked " ", " " name " "))
		keep = 1
	else
		keep = !(name in theirs)
	if (keep)
		printf "%s", item
	item = name = kind = ""
}

# Gives a type which is opaque in the kernel's bindings its name among ours,
# where it is defined and where it is a field by value.
function rename(line,    word) {
	if (line ~ /^ *(pub|unsafe impl|impl|\[)/ || line ~ /size_of|offset_of|align_of/) {
		if (line ~ /^pub (struct|union) |^(unsafe )?impl/) {
			word = name_of(line)
			if (word in opaque && word in inside)
				sub("(struct|union|for|impl) " word " ", "&\001", line)
			gsub(/ \001/, "_full ", line)
		} else if (match(line, /^    pub [a-z_0-9A-Z]+: (\[|::core::mem::ManuallyDrop<)?[a-zA-Z0-9_]+[,;>]/)) {
			word = substr(line, RSTART, RLENGTH - 1)
			sub(/^.*[ \[<]/, "", word)
			if (word in opaque && word in inside)
				sub(word "[,;>]", word "_full&", line)
			if (word in opaque && word in inside)
				sub(word "_full" word, word "_full", line)
		} else if (match(line, /_of(::|!)[<(][a-zA-Z0-9_]+/)) {
			word = substr(line, RSTART, RLENGTH)
			sub(/^.*[<(]/, "", word)
			if (word in opaque && word in inside) {
				sub("<" word ">", "<" word "_full>", line)
				sub("[(]" word ",", "(" word "_full,", line)
			}
		}
	}
	return line
}

FNR == 1 { file++ }

# What the kernel's bindings have (see theirs).
file == 1 {
	theirs[$1]
	if ($2 == "opaque")
		opaque[$1]
	next
}

# Ours, the first time: what has an inside, and what gets another's name.
file == 2 {
	if (/^pub (struct|union) /) {
		name = name_of($0)
		inside[name]
	} else if (/^    _unused: \[u8; 0(usize)?\],/) {
		delete inside[name]
	} else if (match($0, /pub (fn aufs2_helper_|const RUST_CONST_HELPER_)[A-Za-z0-9_]+/)) {
		name = substr($0, RSTART, RLENGTH)
		sub(/.*(aufs2_helper_|RUST_CONST_HELPER_)/, "", name)
		taken[name]
	}
	next
}

FNR == 1 { name = "" }

{
	if (name == "" && is_definition($0)) {
		if (/Size of/) {
			name = $0
			sub(/.*Size of /, "", name)
			sub(/".*/, "", name)
			kind = "layout"
		} else {
			name = name_of($0)
			kind = /^ *pub fn/ ? "fn" : "other"
		}
	}
	item = item rename($0) "\n"
	# An item ends where a line in the first column closes it.
	if (/^}/ || /^[^ ].*;$/ || /^\);$/ || /^[^ ].*[{][}]$/)
		flush_item()
}

END {
	flush_item()
	count = split(full, words)
	for (i = 1; i <= count; i++)
		if (!(words[i] in opaque))
			print "pub type " words[i] "_full = " words[i] ";"
}
