// SPDX-License-Identifier: GPL-2.0
/* Programs and libraries are run from the union. */
#include "aufs2.h"
#include <elf.h>

AUFS2_FIXTURE

TEST_F(u, lower_program_and_its_libraries)
{
	/* the interpreter and the libraries in the union, too: a chroot */
	ASSERT_EQ(0, shell("for f in $(ldd /bin/cat | grep -o '/[^ ]*') /bin/cat; do mkdir -p ro/$(dirname $f); cp -L $f ro/$f; done; mkdir -p ro/proc; echo -n hello > ro/file"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, shell("chroot u /bin/cat /file > out"));
	EXPECT_STREQ("hello", read_file("out"));
	ASSERT_EQ(0, shell("mount -t proc proc u/proc; chroot u /bin/cat /proc/self/maps > out; umount u/proc"));
	EXPECT_EQ(0, shell("grep -q ' /bin/cat$' out"));
	EXPECT_EQ(0, shell("grep -q 'libc' out"));
	EXPECT_STREQ("ENOENT", kind("rw/bin"));
}

TEST_F(u, after_copy_up_and_replacement)
{
	ASSERT_EQ(0, shell("cp /bin/true ro/prog; cp /bin/false ro/other"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, shell("u/prog"));
	ASSERT_EQ(0, E(chmod("u/prog", 0700)));
	EXPECT_EQ(0, shell("u/prog"));
	ASSERT_EQ(0, E(rename("u/other", "u/prog")));
	EXPECT_EQ(1, shell("u/prog"));
	ASSERT_EQ(0, shell("cat /bin/true > u/prog"));
	EXPECT_EQ(0, shell("u/prog"));
}

TEST_F(u, suid)
{
	ASSERT_EQ(0, shell("cp $(command -v id) ro/id; chmod 4755 ro/id; chown 4321 ro/id; chmod 4755 ro/id"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, shell("[ $(u/id -u) = 4321 ]"));
	ASSERT_EQ(0, shell("mount -o remount,bind,nosuid u"));
	EXPECT_EQ(0, shell("[ $(u/id -u) = 0 ]"));
}

TEST_F(u, permission)
{
	ASSERT_EQ(0, shell("cp /bin/true ro/prog; chmod 644 ro/prog"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(126, shell("u/prog"));
	ASSERT_EQ(0, E(chmod("u/prog", 0755)));
	EXPECT_EQ(0, shell("u/prog"));
}

TEST_F(u, map_through_proc_mem)
{
	/* as a debugger or a core dump reads it, by get_user_pages */
	char b[4096] = "";
	char *p;
	int fd, mem;

	ASSERT_EQ(0, write_file("ro/f", "mapped"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_LE(0, mem = open("/proc/self/mem", O_RDWR));
	EXPECT_EQ(6, E(pread(mem, b, 6, (off_t)(uintptr_t)p)));
	EXPECT_STREQ("mapped", b);
	/* and a write stays in the process */
	EXPECT_EQ(1, E(pwrite(mem, "M", 1, (off_t)(uintptr_t)p)));
	EXPECT_EQ('M', p[0]);
	EXPECT_STREQ("mapped", read_file("u/f"));
	munmap(p, 4096);
}

TEST_HARNESS_MAIN
