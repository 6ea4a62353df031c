// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks that files share, and copies that the kernel makes, by FICLONE, FICLONERANGE, FIDEDUPERANGE and
 * copy_file_range(2): in a union as on the filesystem of its branches, with what it says of each; and between a union
 * and the filesystem below, between two unions of one filesystem, and of different ones, as between any two
 * filesystems.
 */
#include "aufs2.h"

#define SIZE 65536

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	int i;

	AUFS2_ONLY("there are several unions");
	ASSERT_EQ(0, area_enter());
	/* same and other contents; what is in n is the same, and in no union */
	ASSERT_EQ(0, shell("mkdir n rw2 v w other; mount -t tmpfs other other; mkdir other/rw;"
			   "head -c %d /dev/urandom >ro/low; cp ro/low ro/same; cp ro/low rw/up; cp ro/low rw/equal;"
			   "head -c %d /dev/urandom >rw/differs; cp rw/differs ro/lowdiffers; cp ro/low rw/tail;"
			   "printf x | dd of=rw/tail bs=1 seek=40000 conv=notrunc; truncate -s %d rw/short;"
			   "cp ro/* n; cp rw/* n; sync", SIZE, SIZE, SIZE / 2));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0, path_of("br:%s/rw2=rw:%s/ro=ro", area, area))));
	ASSERT_EQ(0, E(mount("none", "w", "aufs2", 0, path_of("br:%s/other/rw=rw:%s/ro=ro", area, area))));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, write_file(path_of("%s/only", i ? "v" : "w"), "only here"));
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong;

	umount2("v", MNT_DETACH);
	umount2("w", MNT_DETACH);
	umount2("other", MNT_DETACH);
	wrong = area_leave();
	EXPECT_STREQ("", wrong ?: "");
}

/* --- what is asked for, and what comes of it: the error, how many bytes, and how the target is then -------- */

static const char *deduped(const char *from, const char *to, int flags, off_t at, size_t len)
{
	struct { struct file_dedupe_range range; struct file_dedupe_range_info info; } both = {
		.range = { .src_offset = at, .src_length = len, .dest_count = 1 },
	};
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, flags | O_CLOEXEC);
	const char *said;
	long err;

	both.info.dest_fd = out;
	both.info.dest_offset = at;
	err = E(ioctl(in, FIDEDUPERANGE, &both));
	said = err ? errno_name(-err) : path_of("%s, %llu bytes", both.info.status < 0 ? errno_name(-both.info.status) :
						both.info.status == FILE_DEDUPE_RANGE_DIFFERS ? "differs" : "same",
						(unsigned long long)both.info.bytes_deduped);
	close(in);
	close(out);
	return path_of("%s; %lx", said, (unsigned long)checksum(to));
}

static const char *cloned(const char *from, const char *to, off_t at, size_t len)
{
	struct file_clone_range range = { .src_offset = at, .src_length = len, .dest_offset = at };
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	long err;

	range.src_fd = in;
	err = at || len ? E(ioctl(out, FICLONERANGE, &range)) : E(ioctl(out, FICLONE, in));
	close(in);
	close(out);
	return path_of("%s; %lx", errno_name(-err), (unsigned long)checksum(to));
}

static const char *copied(const char *from, const char *to, off_t at, size_t len)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	off_t in_at = at, out_at = at;
	long n = E(copy_file_range(in, &in_at, out, &out_at, len, 0));

	close(in);
	close(out);
	return path_of("%s, %ld bytes to %ld and %ld; %lx", n < 0 ? errno_name(-n) : "well", n < 0 ? 0 : n, (long)in_at,
		       (long)out_at, (unsigned long)checksum(to));
}

/* Whether files of the filesystem can share blocks.  Where not, a union may say another error than that. */
static bool can_share(void)
{
	return !strncmp(cloned("n/up", "n/probe", 0, 0), "0;", 2);
}

/* Whether nothing came of it, natively and in a union: the targets are as they were, which is the same. */
static bool has_failed(const char *native, const char *ours)
{
	const char *native_sum = strchr(native, ';'), *our_sum = strchr(ours, ';');

	return native[0] != '0' && ours[0] != '0' && strncmp(native, "same", 4) &&
	       (strncmp(ours, "same", 4) || !strncmp(ours, "same, 0 ", 8)) && native_sum && our_sum &&
	       !strcmp(native_sum, our_sum);
}

/* --- in one union ---------------------------------------------------------------------------- */

static const struct { off_t at; size_t len; } ranges[] = {
	{ 0, SIZE }, { 0, 4096 }, { 4096, 8192 }, { 0, SIZE / 2 }, { SIZE - 4096, 4096 }, { SIZE - 4096, 8192 },
	{ 0, 0 },
	{ 100, 1000 }, { SIZE, 4096 },
};

TEST_F(u, deduplicated)
{
	static const struct { const char *from, *to; } pairs[] = {
		{ "low", "up" }, { "up", "low" }, { "up", "equal" }, { "low", "same" }, { "up", "differs" },
		{ "low", "differs" }, { "up", "tail" }, { "tail", "up" }, { "up", "short" },
		{ "lowdiffers", "differs" },
		{ "differs", "up" }, { "up", "up" },
	};
	bool shares = can_share();
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		for (j = 0; j < ARRAY_SIZE(ranges); j++) {
			const char *native = deduped(path_of("n/%s", pairs[i].from), path_of("n/%s", pairs[i].to),
						     O_RDWR,
						     ranges[j].at, ranges[j].len);
			const char *ours = deduped(path_of("u/%s", pairs[i].from), path_of("u/%s", pairs[i].to), O_RDWR,
						   ranges[j].at, ranges[j].len);

			if (!shares && has_failed(native, ours))
				continue;
			EXPECT_STREQ(native, ours) {
				TH_LOG("%s with %s, %zu bytes from %ld on", pairs[i].from, pairs[i].to, ranges[j].len,
				       (long)ranges[j].at);
			}
		}
	if (shares) {
		EXPECT_STREQ(path_of("same, %d bytes; %lx", SIZE, (unsigned long)checksum("n/up")),
			     deduped("u/low", "u/up", O_RDWR, 0, SIZE));
		EXPECT_STREQ(path_of("differs, 0 bytes; %lx", (unsigned long)checksum("n/up")),
			     deduped("u/differs", "u/up", O_RDWR, 0, SIZE));
	}
}

/* Root may do so with what it has open for reading; a file of a branch that is not written to stays as it is. */
TEST_F(u, deduplicated_by_a_reader)
{
	const char *native = deduped("n/up", "n/equal", O_RDONLY, 0, SIZE);
	bool shares = can_share();

	if (shares)
		EXPECT_STREQ(native, deduped("u/up", "u/equal", O_RDONLY, 0, SIZE));
	ksft_print_msg("a lower file by a reader: %s\n", deduped("u/same", "u/low", O_RDONLY, 0, SIZE));
	EXPECT_EQ(checksum("n/low"), checksum("u/low"));
	/* another's */
	ASSERT_EQ(0, become(NOBODY));
	native = deduped("n/up", "n/equal", O_RDONLY, 0, SIZE);
	if (shares)
		EXPECT_STREQ(native, deduped("u/up", "u/equal", O_RDONLY, 0, SIZE));
	ASSERT_EQ(0, become(0));
}

TEST_F(u, cloned_and_copied)
{
	static const struct { const char *from, *to; } pairs[] = {
		{ "low", "new" }, { "up", "new2" }, { "low", "differs" }, { "differs", "low" }, { "up", "same" },
		{ "up", "short" }, { "short", "up" }, { "lowdiffers", "lowdiffers" },
	};
	bool shares = can_share();
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		for (j = 0; j < ARRAY_SIZE(ranges); j++) {
			const char *from[2], *to[2], *said[2];
			int k;

			for (k = 0; k < 2; k++) {
				from[k] = path_of("%s/%s", k ? "u" : "n", pairs[i].from);
				to[k] = path_of("%s/%s", k ? "u" : "n", pairs[i].to);
			}
			EXPECT_STREQ(copied(from[0], to[0], ranges[j].at, ranges[j].len),
				     copied(from[1], to[1], ranges[j].at, ranges[j].len)) {
				TH_LOG("copied: %s to %s, %zu bytes from %ld on", pairs[i].from, pairs[i].to,
				       ranges[j].len,
				       (long)ranges[j].at);
			}
			said[0] = cloned(from[0], to[0], ranges[j].at, ranges[j].len);
			said[1] = cloned(from[1], to[1], ranges[j].at, ranges[j].len);
			if (!shares && has_failed(said[0], said[1]))
				continue;
			EXPECT_STREQ(said[0], said[1]) {
				TH_LOG("cloned: %s to %s, %zu bytes from %ld on", pairs[i].from, pairs[i].to,
				       ranges[j].len,
				       (long)ranges[j].at);
			}
		}
}

/* --- between two filesystems -------------------------------------------------------------------- */

TEST_F(u, shared_by_two_filesystems)
{
	/* two unions of one filesystem, of different ones, and the filesystems below them */
	static const struct { const char *from, *to; } pairs[] = {
		{ "u/up", "v/new" }, { "v/only", "u/new" }, { "u/low", "v/low" }, { "u/up", "w/new" },
		{ "w/only", "u/new" },
		{ "u/up", "n/new" }, { "n/up", "u/new" }, { "u/low", "rw/low" }, { "n/up", "u/up" }, { "u/up", "n/up" },
		{ "u/low", "other/new" }, { "other/rw/only", "u/new" }, { "w/only", "n/new" }, { "rw/equal", "u/up" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		/* as it is for any two */
		EXPECT_EQ(0, strncmp(cloned(pairs[i].from, pairs[i].to, 0, 0), "EXDEV; ", 7)) {
			TH_LOG("%s to %s: %s", pairs[i].from, pairs[i].to, cloned(pairs[i].from, pairs[i].to, 0, 0));
		}
		EXPECT_NE(0, strncmp(deduped(pairs[i].from, pairs[i].to, O_RDWR, 0, 4096), "same", 4)) {
			TH_LOG("%s with %s", pairs[i].from, pairs[i].to);
		}
	}
	EXPECT_EQ(checksum("n/low"), checksum("v/low"));
}

/* A copy from one filesystem to another is refused, or a copy. */
TEST_F(u, copied_to_another_filesystem)
{
	static const char *const tops[] = { "u", "v", "w", "n", "other" };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(tops); i++)
		ASSERT_EQ(0, shell("head -c 10000 /dev/urandom >%s/source", tops[i]));
	for (i = 0; i < ARRAY_SIZE(tops); i++)
		for (j = 0; j < ARRAY_SIZE(tops); j++) {
			const char *from = path_of("%s/source", tops[i]);
			const char *to = path_of("%s/%s.target", tops[j], tops[i]);
			const char *said = copied(from, to, 0, 10000);
			/* the kernel asks a filesystem that is there twice, and none for two types */
			bool is_one = i == j || (i < 3 && j < 3);

			EXPECT_STREQ(path_of("%s; %lx", is_one ? "well, 10000 bytes to 10000 and 10000" :
					     "EXDEV, 0 bytes to 0 and 0", (unsigned long)checksum(to)), said) {
				TH_LOG("%s to %s", from, to);
			}
			EXPECT_EQ(is_one ? checksum(from) : SUM_START, checksum(to)) TH_LOG("%s to %s", from, to);
		}
}

TEST_HARNESS_MAIN
