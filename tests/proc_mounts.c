// SPDX-License-Identifier: GPL-2.0
/* What /proc/mounts shows: a short line with si=, however many branches. */
#include "aufs2.h"

AUFS2_FIXTURE

/* The line of a mount point in the area, without the newline. */
static const char *line_of(const char *point)
{
	static char line[16384];
	char *where = path_of(" %s/%s ", area, point);
	FILE *f = fopen("/proc/mounts", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, where)) {
			fclose(f);
			line[strcspn(line, "\n")] = 0;
			return line;
		}
	}
	if (f)
		fclose(f);
	return "";
}

/* The value of si= in a line. */
static const char *si_of(const char *line)
{
	char *b = buffer();
	const char *si = strstr(line, "si=");

	if (si && (si[-1] == ',' || si[-1] == ' '))
		snprintf(b, 64, "%.*s", (int)strcspn(si + 3, ", "), si + 3);
	return b;
}

TEST_F(u, type_and_si)
{
	const char *line, *si;

	AUFS2_ONLY("si=");
	ASSERT_EQ(0, up("rw", "ro"));
	line = line_of("u");
	ASSERT_NE(NULL, strstr(line, " aufs2 rw,")) TH_LOG("%s", line);
	EXPECT_EQ(0, strncmp(line, "none ", 5)) TH_LOG("%s", line);
	si = si_of(line);
	EXPECT_LT(0, strlen(si)) TH_LOG("%s", line);
	EXPECT_EQ(strlen(si), strspn(si, "0123456789abcdef")) TH_LOG("si=%s", si);
}

TEST_F(u, unions_differ)
{
	char first[64];

	AUFS2_ONLY("si=");
	ASSERT_EQ(0, E(mkdir("v", 0755)));
	ASSERT_EQ(0, up("ro", "ro2"));
	snprintf(first, sizeof(first), "%s", si_of(line_of("u")));
	ASSERT_EQ(0, E(mount("none", "v", "aufs2", 0, path_of("br:%s/ro=ro", area))));
	EXPECT_STRNE(first, si_of(line_of("v")));
	EXPECT_STREQ(first, si_of(line_of("u")));
	EXPECT_EQ(0, E(umount("v")));
}

TEST_F(u, short_with_1024_branches)
{
	struct param *params = calloc(1024, sizeof(*params));
	const char *line;
	char *value;
	int i;

	AUFS2_ONLY("at most 500 layers");
	ASSERT_EQ(0, E(mkdir("b", 0755)));
	for (i = 0; i < 1024; i++) {
		ASSERT_EQ(0, E(mkdir(path_of("b/%d", i), 0755)));
		ASSERT_LE(0, asprintf(&value, "%s/b/%d=ro", area, i));
		params[i] = (struct param) PARAM("append", value);
	}
	ASSERT_EQ(0, new_mount(params, 1024)) TH_LOG("%s", fs_log);
	line = line_of("u");
	EXPECT_LT(0, strlen(si_of(line))) TH_LOG("%s", line);
	EXPECT_LT(strlen(line), 300) TH_LOG("%s", line);
	EXPECT_NE(NULL, strstr(line, " aufs2 ")) TH_LOG("%s", line);
}

TEST_F(u, read_only_is_shown)
{
	ASSERT_EQ(0, union_mount("", MS_RDONLY, (const char *[]){ "rw", "ro", NULL }));
	EXPECT_NE(NULL, strstr(line_of("u"), path_of(" %s ro,", fs_name())))
		TH_LOG("%s", line_of("u"));
}

TEST_HARNESS_MAIN
