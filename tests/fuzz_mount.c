// SPDX-License-Identifier: GPL-2.0
/*
 * Options of mounts and remounts that follow the grammar for the most part, with noise in some: by the
 * string of mount(2), and by fsconfig(2).  What is mounted works, and goes; what is refused is so by an
 * error that says why, as does a line in the log of the context; both ways agree; a union that is mounted
 * is as before when a remount was refused; what is shown can be mounted; and nothing is lost on a branch,
 * or held.
 *
 * Everything follows from AUFS2_TEST_SEED=N; AUFS2_TEST_LONG=N tries N times as much.
 */
#include "aufs2_hostile.h"

AUFS2_FIXTURE

#define PIECES 10

/* An option, in one piece, with its length: there may be NULs in it. */
struct piece {
	char text[600];
	int len;
	enum { BY_STRING, BY_FD, BY_PATH, BY_BLOB } how;
};

static struct piece pieces[PIECES];
static int piece_count;

/* --- the grammar ----------------------------------------------------------- */

static const char *const settings[] = {
	"fsync=auto", "fsync=strict", "fsync=volatile", "udba=reval", "udba=notify", "udba=fsnotify",
	"udba=none", "nosum", "sum", "wsum", "acl", "noacl", "mmap=direct", "mmap=fault",
	"mmap_path=branch", "mmap_path=union", "refrof", "norefrof", "cpup=tdp", "copyup=bup",
	"copyup_policy=bottom-up", "cpup=bu", "retry", "noretry", "noshwh", "shwh", "warn_perm",
	"nowarn_perm",
};

static const char *const others[] = {
	"ro", "rw", "sync", "async", "dirsync", "lazytime", "nolazytime",
	"source=x", "source", "xino=/x", "noxino", "si=1", "trunc_xino", "itrunc_xino=3", "dirwh=10",
	"rdcache=10", "rdblk=def", "rdhash=99", "fhsm_sec=5", "diropq=a", "diropq=w", "coo=none",
	"plink", "noplink", "dirperm1", "dirren", "dio", "verbose", "quiet", "silent", "dlgt",
	"relatime", "debug=1", "delete=all", "imap=1", "size=1m", "size=50%", "size=0", "size=-1",
	"nr_inodes=0", "nr_inodes=1000", "nr_inodes=2", "mode=755", "mode=0", "mode=99999", "size=",
	"mode", "size=18446744073709551615", "size=1k", "create=tdp", "create=rr", "create=random",
	"create=mfs", "create=mfs:30", "create=mfsrr:1000:20", "create=pmfs", "create=pmfsrr:0:0",
	"create=mfsrr:18446744073709551616", "create=mfs:3601", "create=", "create", "create=tdp:1",
	"create=mfsrr", "fsync", "udba=", "mmap=x", "nosuchoption", "nosuch=1", "br", "br:", "dirs=",
	"add", "add:", "del", "del:", "mv:0", "mod", "mod:", ":", "=", "==", ":=", "br:=rw", "br:=",
};

static const char *const permissions[] = { "rw", "ro", "rr", "ro", "rw", "rx", "", "RW", "r", "rwo" };

static const char *const attributes[] = {
	"wh", "nolwh", "coo_reg", "coo_all", "moo", "fhsm", "unpin", "icex", "icexsec", "icexsys",
	"icextr", "icexusr", "icexoth", "", "x",
};

/* Names in the area, and elsewhere; what begins with ! is as it stands. */
static const char *const places[] = {
	"rw", "rw", "rw", "rw", "ro", "ro", "ro", "ro2", "ro2", "rw2", "rw2", "many", "!mem", "!mem",
	"u", "rw/keep", "ro/keep", "ro/../ro2", "ro/.", "ro//", "ro/keep/file", "no", "no/no",
	"ro/fifo", "ro/loop", "ro/link", "ro/null", "a\\:b", "a\\,b", "a\\=b", "a=rw", "a b", "a\nb",
	"a\\\\b", "a\\", "\\", "a\xff" "b", "!", "!.", "!..", "!/proc", "!/sys", "!/proc/self/fd/0",
	"!/proc/1/root", "!/dev/null", "!/dev/pts", "!0", "!1", "!2", "!99", "!-1", "!rw", "!memory",
	"!mem/", "!/proc/self/ns/mnt",
};

static const char *branch_text(void)
{
	const char *place = ONE_OF(places);
	char *b = buffer();
	int i, len;

	len = sprintf(b, "%s%s%s", *place == '!' ? "" : area, *place == '!' ? "" : "/",
		      *place == '!' ? place + 1 : place);
	if (once_in(40)) {
		for (i = 0; i < 12 + (int)rnd(260); i++)
			b[len++] = i ? 'a' + rnd(26) : '/';
		b[len] = 0;
	}
	if (once_in(4))
		return b;
	len += sprintf(b + len, "=%s", once_in(3) ? ONE_OF(permissions) : permissions[rnd(4)]);
	while (once_in(3) && len < 500)
		len += sprintf(b + len, "+%s", ONE_OF(attributes));
	return b;
}

static const char *branches_text(void)
{
	char *b = buffer();
	int n = once_in(10) ? rnd(8) : 1 + rnd(3), len = 0;

	*b = 0;
	while (n-- && len < 400)
		len += sprintf(b + len, "%s%s", len ? ":" : "", branch_text());
	return b;
}

static void add_piece(const char *text)
{
	struct piece *piece = &pieces[piece_count];

	if (piece_count == PIECES)
		return;
	piece_count++;
	memset(piece, 0, sizeof(*piece));
	piece->len = snprintf(piece->text, sizeof(piece->text), "%s", text);
	if (piece->len > (int)sizeof(piece->text) - 1)
		piece->len = sizeof(piece->text) - 1;
}

static void add_branches(bool is_remount)
{
	static const char *const words[] = { "br", "dirs", "append", "prepend" };
	static const char *const at_index[] = { "add", "ins", "mv" };
	static const char *const indices[] = { "0", "1", "2", "3", "99", "99999", "100000", "-1", "x", "" };
	char sep = once_in(2) ? ':' : '=';
	const char *word = ONE_OF(words);

	if (!is_remount && !once_in(4))
		add_piece(path_of("%s%c%s", once_in(3) ? "dirs" : "br", sep, branches_text()));
	else if (once_in(3))
		add_piece(path_of("%s%c%s", word, sep, branches_text()));
	else if (once_in(2))
		add_piece(path_of("%s%c%s:%s", ONE_OF(at_index), sep,
				  once_in(3) ? ONE_OF(indices) : indices[rnd(3)], branches_text()));
	else
		add_piece(path_of("%s%c%s", once_in(2) ? "del" : "mod", sep, branch_text()));
}

static void choose_options(bool is_remount)
{
	int n = rnd(5);

	piece_count = 0;
	if (!is_remount && !once_in(16))
		add_piece(path_of("br:%s/%s%s", area, once_in(5) ? "rw2" : "rw", once_in(3) ? ":" : "=rw"));
	if (piece_count && once_in(2))
		sprintf(pieces[0].text + strlen(pieces[0].text), ":%s/ro=ro%s", area, once_in(2) ? "+wh" : "");
	if (piece_count)
		pieces[0].len = strlen(pieces[0].text);
	while (n--) {
		if (once_in(3))
			add_branches(is_remount);
		else if (once_in(2))
			add_piece(ONE_OF(settings));
		else
			add_piece(ONE_OF(others));
	}
}

/* Bytes that are changed, doubled, taken out or put in.  What is long stays text. */
static void add_noise(struct piece *piece)
{
	static const char bytes[] = ":=,\\+/\n\t\"'%\1\x7f\x80\xff\xc3 brwo01";
	int n = 1 + rnd(4), at;

	while (n-- && piece->len > 0 && piece->len < 100) {
		at = rnd(piece->len);
		if (once_in(3)) {
			memmove(piece->text + at, piece->text + at + 1, piece->len - at);
			piece->len--;
			continue;
		}
		if (once_in(2)) {
			memmove(piece->text + at + 1, piece->text + at, piece->len - at + 1);
			piece->len++;
		}
		piece->text[at] = once_in(3) ? (char)rnd(256) : bytes[rnd(sizeof(bytes) - 1)];
		if (!piece->text[at] && piece->how != BY_BLOB)
			piece->text[at] = ',';
	}
}

/* --- asking for it ---------------------------------------------------------- */

static char joined[PIECES * 610];

static const char *join_pieces(void)
{
	int i, len = 0;

	*joined = 0;
	for (i = 0; i < piece_count; i++)
		len += snprintf(joined + len, sizeof(joined) - len, "%s%s", i ? "," : "", pieces[i].text);
	return joined;
}

/* Whether the pieces are the ones that the string would be cut into, each short enough for fsconfig. */
static bool is_cut_so(void)
{
	int i, k, value;

	for (i = 0; i < piece_count; i++) {
		if (!pieces[i].len || pieces[i].text[0] == '=' || pieces[i].how != BY_STRING)
			return false;
		value = strcspn(pieces[i].text, "=");
		if (value > 255 || pieces[i].len - value > 255)
			return false;
		for (k = 0; k < pieces[i].len; k++)
			if (!pieces[i].text[k] || (pieces[i].text[k] == ',' && (!k || pieces[i].text[k - 1] != '\\')))
				return false;
		if (pieces[i].text[pieces[i].len - 1] == '\\')
			return false;
	}
	return true;
}

/* One option by fsconfig(2).  *OURS is whether it comes as far as the filesystem. */
static int tell_context(int fd, const struct piece *piece, bool *ours)
{
	static const int wheres[] = { AT_FDCWD, 0, 1, 2, 3, 4, 5 };
	char key[600], *value;
	int err, place;

	memcpy(key, piece->text, sizeof(key));
	value = memchr(key, '=', piece->len);
	*ours = strlen(key) < 256;
	if (piece->how == BY_BLOB) {
		if (value)
			*value = 0;
		*ours = strlen(key) < 256;
		return E(fsconfig(fd, FSCONFIG_SET_BINARY, key, piece->text, piece->len ?: 1));
	}
	if (piece->how == BY_FD) {
		key[strcspn(key, ":=")] = 0;
		if (once_in(2) && strlen(key) < 100)
			sprintf(key + strlen(key), "+%s", ONE_OF(permissions));
		*ours = strlen(key) < 256;
		place = once_in(4) ? (int)rnd(8) : open(path_of("%s/%s", area, places[rnd(17)]),
							 once_in(2) ? O_PATH : O_RDONLY | O_NONBLOCK);
		err = E(fsconfig(fd, FSCONFIG_SET_FD, key, NULL, place));
		if (place > 7)
			close(place);
		if (place < 0 || err == -EBADF)
			*ours = false;
		return err;
	}
	if (value)
		*value++ = 0;
	*ours = strlen(key) < 256 && (!value || strlen(value) < 256);
	if (piece->how == BY_PATH) {
		bool may_be_empty = once_in(3);

		*ours &= may_be_empty || (value && *value);
		return E(fsconfig(fd, may_be_empty ? FSCONFIG_SET_PATH_EMPTY : FSCONFIG_SET_PATH, key,
				  value ?: "", wheres[rnd(ARRAY_SIZE(wheres))]));
	}
	return E(fsconfig(fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0));
}

/* Whether a line in the log says why. */
static bool says_why(void)
{
	return !strncmp(fs_log, "e ", 2) || strstr(fs_log, "\ne ");
}

/* What the last one of them was, for who reads of a failure. */
static char last[8192];

/* All options by a context, and then COMMAND.  "" or what is wrong. */
static const char *by_context(int fd, unsigned int command, int *result)
{
	int i, err = 0;
	bool ours = true;

	for (i = 0; i < piece_count && !err; i++)
		err = tell_context(fd, &pieces[i], &ours);
	if (!err) {
		ours = true;
		err = E(fsconfig(fd, command, NULL, NULL, 0));
	}
	read_log(fd);
	*result = err;
	if (err && ours && !is_answer(err) && !(err == -EBADF && says_why()))
		return said("%s is no answer (log: '%s')", errno_name(-err), fs_log);
	if (err && ours && !says_why())
		return said("%s without a line in the log: '%s'", errno_name(-err), fs_log);
	return "";
}

/* --- what must be ------------------------------------------------------------- */

static uint64_t kept[4];
static const char *const branch_names[] = { "rw", "rw2", "ro", "ro2" };

static void make_branches(void)
{
	static const char *const odd[] = { "a:b", "a,b", "a=b", "a=rw", "a b", "a\nb", "a\\b", "a\\", "a\xff" "b" };
	unsigned int i;

	mkdir("rw2", 0755);
	mkdir("many", 0755);
	for (i = 0; i < ARRAY_SIZE(odd); i++)
		mkdir(odd[i], 0755);
	for (i = 0; i < 4; i++) {
		const char *at = branch_names[i];

		mkdir(path_of("%s/keep", at), 0755);
		write_file(path_of("%s/keep/file", at), "contents");
		write_file(path_of("%s/keep/of%d", at, i), "contents");
		mkdir(path_of("%s/keep/dir", at), 0700);
		write_file(path_of("%s/keep/dir/below", at), "contents");
		whiteout(path_of("%s/keep/gone%d", at, i));
		kept[i] = tree_checksum(path_of("%s/keep", at));
	}
	mkfifo("ro/fifo", 0600);
	(void)!symlink("loop", "ro/loop");
	(void)!symlink("../ro2", "ro/link");
	mknod("ro/null", S_IFCHR | 0600, makedev(1, 3));
}

static const char *is_kept(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (kept[i] != tree_checksum(path_of("%s/keep", branch_names[i])))
			return said("what is in %s was changed", branch_names[i]);
	return "";
}

/* What is shown of the union at u: its options and its branches.  As options that mean the same. */
struct shown {
	char text[8192];
	char options[8192];
};

/* What is in TEXT without the escapes of the kernel's lists, and with those of a path in an option. */
static int as_path(char *out, const char *text)
{
	int c, len = 0;

	for (; *text && *text != '\n'; text++) {
		c = (unsigned char)*text;
		if (c == '\\' && sscanf(text + 1, "%3o", &c) == 1)
			text += 3;
		if (strchr(":,=\\", c))
			out[len++] = '\\';
		out[len++] = c;
	}
	out[len] = 0;
	return len;
}

static void look_at_options(struct shown *shown)
{
	static char line[20000];
	const char *here = path_of("%s/u ", area);
	FILE *f = fopen("/proc/self/mountinfo", "r");

	memset(shown, 0, sizeof(*shown));
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strstr(line, " - aufs2 ") && strstr(line, here))
			snprintf(shown->text, sizeof(shown->text), "%s", strrchr(line, ' ') + 1);
	}
	if (f)
		fclose(f);
}

static void look_at(struct shown *shown)
{
	const char *si, *branch, *permission;
	int i, len, at, end;

	look_at_options(shown);
	si = strstr(shown->text, "si=");
	if (!si)
		return;
	len = strlen(shown->text);
	at = snprintf(shown->options, sizeof(shown->options), "br:");
	for (i = 0; i < 60; i++) {
		branch = read_file(path_of("/sys/fs/aufs/si_%.*s/br%d", (int)strcspn(si + 3, ","), si + 3, i));
		permission = strrchr(branch, '=');
		if (*branch != '/' && strncmp(branch, "mem=", 4))
			break;
		end = strcspn(branch, "\n");
		len += snprintf(shown->text + len, sizeof(shown->text) - len, " %.*s", end, branch);
		at += sprintf(shown->options + at, "%s", i ? ":" : "");
		at += as_path(shown->options + at, path_of("%.*s", (int)(permission - branch), branch));
		at += sprintf(shown->options + at, "%.*s", (int)(branch + end - permission), permission);
	}
	/* and what is beside the number of the union */
	at += sprintf(shown->options + at, ",%.*s", (int)(si - shown->text), shown->text);
	si += strcspn(si, ", ");
	sprintf(shown->options + at, "%.*s", (int)strcspn(si, " "), si);
}

static bool shows_whiteouts(void)
{
	struct shown shown;

	look_at_options(&shown);
	return strstr(shown.text, ",shwh");
}

/* What is mounted is a union in which one can work. */
static const char *works(void)
{
	static const int made[] = { 0, -EROFS, -ENOSPC, -EPERM, -EACCES, -EOPNOTSUPP };
	struct statfs fs;
	struct dirent *de;
	DIR *d = opendir("u");
	long err;
	unsigned int i;
	int n = 0;

	if (!d)
		return said("opendir: %m");
	for (errno = 0; (de = readdir(d)) && n < 100000; n++)
		if (!strncmp(de->d_name, ".wh.", 4) && !shows_whiteouts())
			return said("%s shows", de->d_name);
	if (errno)
		return said("readdir: %m");
	closedir(d);
	if (statfs("u", &fs))
		return said("statfs: %m");
	if (!access("u/keep/file", F_OK) && strcmp(read_file("u/keep/file"), "contents"))
		return said("keep/file: %s", read_file("u/keep/file"));
	err = E(mknod("u/new", S_IFREG | 0644, 0));
	for (i = 0; i < ARRAY_SIZE(made) && made[i] != err; i++)
		;
	if (i == ARRAY_SIZE(made))
		return said("mknod: %s", errno_name(-err));
	if (!err && unlink("u/new"))
		return said("unlink: %m");
	return "";
}

/* What is shown of the union, mounted once more, shows so again. */
static const char *same_again(void)
{
	static struct shown before, after;
	int err;

	look_at(&before);
	if (down())
		return said("umount: %m");
	err = E(mount("none", "u", fs_name(), 0, before.options));
	if (err)
		return said("what is shown is refused: '%s': %s", printed_text(before.options), errno_name(-err));
	union_up = true;
	look_at(&after);
	return strcmp(before.options, after.options) ?
	       path_of("shows '%s' and then '%s'", before.options, after.options) : "";
}

static const char *goes(void)
{
	int err = down();

	return err ? path_of("umount: %s", errno_name(-err)) : is_kept();
}

/* One mount by each way. */
static const char *one_mount(bool twice)
{
	int fd = fsopen(fs_name(), FSOPEN_CLOEXEC), mnt, err, err2;
	const char *wrong;

	if (fd < 0)
		return said("fsopen: %m");
	wrong = by_context(fd, FSCONFIG_CMD_CREATE, &err);
	if (!*wrong && !err) {
		mnt = fsmount(fd, FSMOUNT_CLOEXEC, 0);
		if (mnt < 0)
			wrong = said("fsmount: %m");
		else if (move_mount(mnt, "", AT_FDCWD, "u", MOVE_MOUNT_F_EMPTY_PATH))
			wrong = said("move_mount: %m");
		close(mnt);
		union_up = !*wrong;
	}
	close(fd);
	if (union_up) {
		wrong = works();
		if (!*wrong && twice)
			wrong = same_again();
		if (!*wrong)
			wrong = goes();
	}
	if (*wrong || !twice || !is_cut_so())
		return wrong;
	err2 = E(mount("none", "u", fs_name(), 0, join_pieces()));
	union_up = !err2;
	if (!err2)
		wrong = goes();
	/* sources are for the string another thing; so are flags */
	if (err != err2 && !strstr(joined, "source"))
		return said("%s by a context, %s by mount(2)", errno_name(-err), errno_name(-err2));
	return wrong;
}

/* One remount of what is at u. */
static const char *one_remount(bool by_string)
{
	static struct shown before, after;
	const char *wrong = "";
	int err, fd;

	look_at(&before);
	if (by_string) {
		err = E(mount("none", "u", NULL, MS_REMOUNT, join_pieces()));
		if (err && !is_answer(err))
			wrong = said("%s is no answer", errno_name(-err));
	} else {
		fd = fspick(AT_FDCWD, "u", FSPICK_CLOEXEC);
		if (fd < 0)
			return said("fspick: %m");
		wrong = by_context(fd, FSCONFIG_CMD_RECONFIGURE, &err);
		close(fd);
	}
	look_at(&after);
	if (err && strcmp(before.text, after.text))
		return said("was refused, and changed %s to %s", before.text, after.text);
	return *wrong ? wrong : works();
}

static void describe(uint64_t run)
{
	int i, len;

	len = snprintf(last, sizeof(last), "seed %s, run %llu:", getenv("AUFS2_TEST_SEED") ?: "0",
		       (unsigned long long)run);
	for (i = 0; i < piece_count && len < 8000; i++)
		len += snprintf(last + len, sizeof(last) - len, " %.4s'%s'", &"str fd  pathblob"[pieces[i].how * 4],
				printed(pieces[i].text, pieces[i].len));
}

static void choose(uint64_t run, bool is_remount, bool noise)
{
	int i;

	hostile_seed(run);
	choose_options(is_remount);
	for (i = 0; i < piece_count; i++) {
		if (once_in(12))
			pieces[i].how = 1 + rnd(3);
		if (noise && once_in(2))
			add_noise(&pieces[i]);
	}
	describe(run);
}

/* A few descriptors for those who ask for one by its number: of what is no place, among others. */
static void open_some(void)
{
	int fds[2];

	close_range(3, ~0U, 0);
	(void)!pipe(fds);
	open("ro", O_PATH);
	open("/proc/self/ns/mnt", O_RDONLY);
	memfd_create("memory", 0);
}

/* After something went wrong, of which there may be a few. */
static bool goes_on(int *wrongs)
{
	if (union_up)
		umount2("u", MNT_DETACH);
	union_up = false;
	return ++*wrongs < 10;
}

/* How many are tried: NOISE is of all, from FROM on. */
static void mounts(struct __test_metadata *_metadata, uint64_t from, int count, bool noise)
{
	int i, wrongs = 0;

	make_branches();
	open_some();
	for (i = 0; i < count; i++) {
		const char *wrong;

		choose(from + i, false, noise);
		/* what is refused by mount(2) is told to the kernel's log, in which there is not much room */
		wrong = one_mount(i % 5 == 0);
		EXPECT_STREQ("", wrong) TH_LOG("%s", last);
		if (*wrong && !goes_on(&wrongs))
			break;
	}
	EXPECT_STREQ("", is_kept());
}

TEST_F(u, options_of_mounts)
{
	AUFS2_ONLY("its options");
	mounts(_metadata, 0, long_ms(150), false);
}

TEST_F(u, noise_in_options_of_mounts)
{
	AUFS2_ONLY("its options");
	mounts(_metadata, 1000000, long_ms(150), true);
}

static void remounts(struct __test_metadata *_metadata, uint64_t from, int count, bool noise)
{
	int i, wrongs = 0;

	make_branches();
	open_some();
	for (i = 0; i < count; i++) {
		const char *wrong;

		if (!union_up) {
			ASSERT_EQ(0, E(mount("none", "u", "aufs2", 0,
					     path_of("br:%s/rw=rw:%s/ro=ro", area, area))));
			union_up = true;
		}
		choose(from + i, true, noise);
		wrong = one_remount(i % 5 == 0);
		if (!*wrong && i % 16 == 15)
			wrong = goes();
		EXPECT_STREQ("", wrong) TH_LOG("%s", last);
		if (*wrong && !goes_on(&wrongs))
			break;
	}
	if (union_up)
		EXPECT_STREQ("", goes());
}

TEST_F(u, options_of_remounts)
{
	AUFS2_ONLY("its options");
	remounts(_metadata, 2000000, long_ms(150), false);
}

TEST_F(u, noise_in_options_of_remounts)
{
	AUFS2_ONLY("its options");
	remounts(_metadata, 3000000, long_ms(150), true);
}

TEST_HARNESS_MAIN
