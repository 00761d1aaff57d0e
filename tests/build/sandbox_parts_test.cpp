// What a sandbox is made of, without running one: users, paths, stubs, filters, maps of ids.
#include "build/sandbox/network_files.hpp"
#include "build/sandbox/root_paths.hpp"
#include "build/sandbox/seccomp.hpp"
#include "build/sandbox/stubs.hpp"
#include "build/sandbox/tree_sync.hpp"
#include "build/sandbox/user_namespace.hpp"
#include "sandbox_support.hpp"
#include "tree_support.hpp"

#include <catch2/catch.hpp>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>

namespace {

using namespace std::string_literals;
using cooper::ErrorCode;
using cooper::TempDirectory;
using cooper::build::Isolation;
using cooper::testing::code_of;
using cooper::testing::Tree;
namespace build = cooper::build;
namespace sandbox = cooper::build::sandbox;

/// What the kernel would do: classic BPF, as far as the filters use it.
std::uint32_t filter_answer(const std::vector<sock_filter>& program, const seccomp_data& data) {
    std::uint32_t accumulator = 0;
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& step = program[at];
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k, sizeof accumulator);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                accumulator &= step.k;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                at += accumulator == step.k ? step.jt : step.jf;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                at += accumulator >= step.k ? step.jt : step.jf;
                break;
            case BPF_JMP | BPF_JA:
                at += step.k;
                break;
            case BPF_RET | BPF_K:
                return step.k;
            default:
                FAIL("an instruction that filters do not have");
        }
    }
    FAIL("a filter without an answer");
    return 0;
}

std::uint32_t answer_for(const std::vector<sock_filter>& program, std::uint32_t architecture, long number,
                         std::uint64_t first = 0, std::uint64_t second = 0, std::uint64_t third = 0) {
    return filter_answer(program, {static_cast<int>(number), architecture, 0, {first, second, third, 0, 0, 0}});
}

constexpr std::uint32_t kPretended = SECCOMP_RET_ERRNO;
constexpr std::uint32_t kRefused = SECCOMP_RET_ERRNO | EPERM;

void add_users(const Tree& tree) {
    tree.file("etc/passwd",
              "# a comment\n\nroot:x:0:0:root:/root:/bin/sh\nuser:x:1000:1001:,,,:/home/user:/bin/sh\n"
              "1234:x:7:7::/seven:\nbroken\nnohome:x:5:5\n");
    tree.file("etc/group", "root:x:0:\nusers:x:1001:\nwheel:x:10:root,user\naudio:x:29:user\n99:x:55:\nempty::60\n");
}

}  // namespace

TEST_CASE("isolation: names are read and written", "[unit][build]") {
    for (const auto isolation :
         {Isolation::Root, Isolation::UserRange, Isolation::SingleUser, Isolation::Chroot, Isolation::None}) {
        CHECK(build::parse_isolation(build::to_string(isolation)) == isolation);
    }
    CHECK(build::parse_isolation("rootless") == Isolation::UserRange);
    CHECK_FALSE(build::parse_isolation("auto"));
    CHECK_FALSE(build::parse_isolation("oci"));
    CHECK(code_of([] { static_cast<void>(build::parse_isolation("vm")); }) == ErrorCode::InvalidInput);
}

TEST_CASE("find_user: names, numbers and groups follow Docker's rules", "[unit][build]") {
    const Tree tree;
    add_users(tree);
    struct Case {
        std::string text;
        std::uint32_t uid;
        std::uint32_t gid;
        std::vector<std::uint32_t> groups;
        std::string home;
    };
    const std::vector<Case> cases{
        {"", 0, 0, {10}, "/root"},
        {"root", 0, 0, {10}, "/root"},
        {"user", 1000, 1001, {10, 29}, "/home/user"},
        {"1000", 1000, 1001, {10, 29}, "/home/user"},
        {"user:audio", 1000, 29, {}, "/home/user"},
        {"user:5000", 1000, 5000, {}, "/home/user"},
        {"1000:99", 1000, 99, {}, "/home/user"},
        {"4242", 4242, 0, {}, "/"},
        {"4242:4343", 4242, 4343, {}, "/"},
        {"1234", 1234, 0, {}, "/"},
        {"nohome", 5, 5, {}, "/"},
        {":wheel", 0, 10, {}, "/root"},
        {"2147483647", 2147483647, 0, {}, "/"},
    };
    for (const auto& [text, uid, gid, groups, home] : cases) {
        INFO(text);
        const auto found = build::find_user(tree.path(), text);
        CHECK(found.uid == uid);
        CHECK(found.gid == gid);
        CHECK(found.groups == groups);
        CHECK(found.home == home);
    }
    for (const auto* text : {"nobody", "user:nogroup", "2147483648", "-1", "user:2147483648", "broken"}) {
        INFO(text);
        CHECK(code_of([&] { static_cast<void>(build::find_user(tree.path(), text)); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("find_user: files are those of the root, also through links", "[unit][build]") {
    const Tree tree;
    tree.file("usr/passwd", "in:x:77:77::/in:\n");
    tree.directory("etc");
    tree.symlink("etc/passwd", "/usr/passwd");
    CHECK(build::find_user(tree.path(), "in").uid == 77);
    const Tree outside;
    outside.file("passwd", "out:x:88:88::/out:\n");
    const Tree hostile;
    hostile.directory("etc");
    hostile.symlink("etc/passwd", outside.path("passwd").string());
    CHECK(code_of([&] { static_cast<void>(build::find_user(hostile.path(), "out")); }) == ErrorCode::InvalidInput);
    CHECK(build::find_user(Tree().path(), "12:13").gid == 13);
}

TEST_CASE("locate: links lead nowhere but into the root", "[unit][build]") {
    const Tree tree;
    tree.file("a/b/file", "x");
    tree.symlink("absolute", "/a/b/file");
    tree.symlink("up", "../../../../a/b");
    tree.symlink("a/parent", "..");
    tree.symlink("loop", "loop");
    tree.symlink("dangling", "/a/new/name");
    const auto root = sandbox::open_directory(tree.path().string());
    const auto path_of = [&](std::string_view path) { return sandbox::locate(root.get(), path).path; };
    CHECK(path_of("/absolute") == "a/b/file");
    CHECK(path_of("up/file") == "a/b/file");
    CHECK(path_of("../../absolute") == "a/b/file");
    CHECK(path_of("a/parent/a/parent/absolute") == "a/b/file");
    CHECK(path_of("a/b/..") == "a");
    CHECK(sandbox::locate(root.get(), "/").is_directory());
    CHECK_FALSE(sandbox::locate(root.get(), "/").parent.valid());
    CHECK_FALSE(sandbox::locate(root.get(), "a/parent").parent.valid());
    CHECK_FALSE(sandbox::locate(root.get(), "missing").file.valid());
    CHECK(sandbox::locate(root.get(), "missing").parent.valid());
    CHECK_FALSE(sandbox::locate(root.get(), "dangling").parent.valid());
    CHECK(code_of([&] { path_of("loop"); }) == ErrorCode::InvalidInput);
    CHECK(code_of([&] { path_of("a/b/file/x"); }) == ErrorCode::InvalidInput);
    const auto machine = sandbox::open_directory("/");
    CHECK(code_of([&] { static_cast<void>(sandbox::locate(machine.get(), "/proc/self/exe")); }) ==
          ErrorCode::InvalidInput);
    CHECK(code_of([&] { static_cast<void>(sandbox::locate(machine.get(), "/proc/self/root/etc")); }) ==
          ErrorCode::InvalidInput);
}

TEST_CASE("stubs: what is still empty goes and leaves no trace in times", "[unit][build]") {
    const Tree tree;
    tree.directory("etc");
    tree.set_time("etc", 1000, 5);
    const auto root = sandbox::open_directory(tree.path().string());
    const auto etc = sandbox::open_directory(tree.path("etc").string());
    const auto time_of = [&](const char* name) {
        struct stat status {};
        REQUIRE(stat(tree.path(name).c_str(), &status) == 0);
        return std::pair(status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    };
    sandbox::Stubs stubs;
    stubs.make_directory(etc.get(), "empty");
    stubs.make_directory(etc.get(), "filled");
    stubs.make_file(etc.get(), "empty_file", sandbox::Stubs::Goes::WhenEmpty);
    stubs.make_file(etc.get(), "written", sandbox::Stubs::Goes::WhenEmpty);
    stubs.make_file(etc.get(), "script", sandbox::Stubs::Goes::Always);
    stubs.make_file(etc.get(), "replaced", sandbox::Stubs::Goes::Always);
    CHECK(time_of("etc") == std::pair(1000L, 5L));

    tree.file("etc/filled/new", "x");
    tree.file("etc/written", "x");
    tree.file("etc/script", "#!/bin/sh");
    tree.file("etc/other", "x");
    std::filesystem::rename(tree.path("etc/other"), tree.path("etc/replaced"));
    tree.set_time("etc", 2000);
    stubs.remove();
    CHECK(time_of("etc") == std::pair(2000L, 0L));
    CHECK_FALSE(std::filesystem::exists(tree.path("etc/empty")));
    CHECK_FALSE(std::filesystem::exists(tree.path("etc/empty_file")));
    CHECK_FALSE(std::filesystem::exists(tree.path("etc/script")));
    CHECK(std::filesystem::exists(tree.path("etc/filled/new")));
    CHECK(std::filesystem::exists(tree.path("etc/written")));
    CHECK(std::filesystem::exists(tree.path("etc/replaced")));
}

// CVE-2024-23652: BuildKit removed the path of a stub, through links that the command had made of its parents.
TEST_CASE("stubs: a parent that became a link leads to no other file", "[unit][build]") {
    const Tree outside;
    outside.directory("victim/empty");
    const Tree tree;
    tree.directory("a");
    const auto a = sandbox::open_directory(tree.path("a").string());
    sandbox::Stubs stubs;
    stubs.make_directory(a.get(), "empty");
    std::filesystem::rename(tree.path("a"), tree.path("moved"));
    tree.symlink("a", outside.path("victim").string());
    stubs.remove();
    CHECK(std::filesystem::exists(outside.path("victim/empty")));
    CHECK_FALSE(std::filesystem::exists(tree.path("moved/empty")));
}

TEST_CASE("synchronize: only what differs is copied, and files appear whole", "[unit][build]") {
    const Tree from;
    from.file("same", "1");
    from.file("changed", "22");
    from.file("new/deep/file", "3", 0750);
    from.symlink("link", "same");
    from.directory("became_directory");
    from.file("became_file", "f");
    const Tree to;
    to.file("same", "1");
    to.file("changed", "2");
    to.file("gone/file", "x");
    to.file("became_directory", "x");
    to.directory("became_file");
    struct stat before {};
    REQUIRE(stat(to.path("same").c_str(), &before) == 0);
    const auto source = sandbox::open_directory(from.path().string());
    const auto target = sandbox::open_directory(to.path().string());
    sandbox::synchronize(source.get(), target.get(), {});
    struct stat after {};
    REQUIRE(stat(to.path("same").c_str(), &after) == 0);
    CHECK(after.st_ino == before.st_ino);
    CHECK(cooper::read_file(to.path("changed"), 10) == "22");
    CHECK(cooper::read_file(to.path("new/deep/file"), 10) == "3");
    CHECK((std::filesystem::status(to.path("new/deep/file")).permissions() & std::filesystem::perms::mask) ==
          static_cast<std::filesystem::perms>(0750));
    CHECK(std::filesystem::read_symlink(to.path("link")) == "same");
    CHECK(std::filesystem::is_directory(to.path("became_directory")));
    CHECK(cooper::read_file(to.path("became_file"), 10) == "f");
    CHECK_FALSE(std::filesystem::exists(to.path("gone")));
}

TEST_CASE("hosts: localhost, the name and the extra hosts, one line each", "[unit][build]") {
    build::SandboxCommand command;
    command.extra_hosts = {{"db.test", "10.0.0.1"}, {"six", "fd00::1"}};
    CHECK(sandbox::hosts_file(command) ==
          "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\tbuildkitsandbox\n"
          "10.0.0.1\tdb.test\nfd00::1\tsix\n");
    for (const auto& bad : {"a b"s, "a\nb"s, ""s, "#x"s}) {
        command.extra_hosts = {{bad, "10.0.0.1"}};
        CHECK(code_of([&] { static_cast<void>(sandbox::hosts_file(command)); }) == ErrorCode::InvalidInput);
        command.extra_hosts = {{"name", bad}};
        CHECK(code_of([&] { static_cast<void>(sandbox::hosts_file(command)); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("subordinate ids: lines of the user, by name or number, one after the other", "[unit][build]") {
    const auto ranges = sandbox::ranges_of(
        "other:100000:65536\nme:200000:1000\n1001:300000:10\nme:x:1\nme:1:0\nme:4294967295:2\nmetoo:5:5\n", "me", 1001);
    REQUIRE(ranges.size() == 3);
    CHECK((ranges[0].inside == 0 && ranges[0].outside == 1001 && ranges[0].count == 1));
    CHECK((ranges[1].inside == 1 && ranges[1].outside == 200000 && ranges[1].count == 1000));
    CHECK((ranges[2].inside == 1001 && ranges[2].outside == 300000 && ranges[2].count == 10));
    CHECK(sandbox::ranges_of("", "me", 7).size() == 1);
}

#if defined(__x86_64__)

TEST_CASE("denying filter: mounts, namespaces and the kernel are refused in every numbering", "[unit][build]") {
    const auto filter = sandbox::denying_filter();
    for (const int call : {SYS_mount, SYS_umount2, SYS_pivot_root, SYS_setns, SYS_bpf, SYS_keyctl, SYS_init_module,
                           SYS_kexec_load, SYS_reboot, SYS_open_by_handle_at, 429, 442}) {
        INFO(call);
        CHECK(answer_for(filter, AUDIT_ARCH_X86_64, call) == kRefused);
    }
    for (const int call : {21, 52, 217, 346, 357, 288, 128, 283, 88, 342, 429, 442}) {
        INFO(call);
        CHECK(answer_for(filter, AUDIT_ARCH_I386, call) == kRefused);
    }
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS) == kRefused);
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, SYS_unshare, CLONE_FILES) == SECCOMP_RET_ALLOW);
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, SYS_clone, CLONE_NEWUSER | SIGCHLD) == kRefused);
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, SYS_clone, SIGCHLD) == SECCOMP_RET_ALLOW);
    CHECK(answer_for(filter, AUDIT_ARCH_I386, 120, CLONE_NEWUSER) == kRefused);
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, 435) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, SYS_ioctl, 0, 0x5412) == kRefused);
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, SYS_ioctl, 0, 0xffffffff00005412) == kRefused);
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, SYS_ioctl, 0, 0x5401) == SECCOMP_RET_ALLOW);
    for (const int call : {SYS_read, SYS_execve, SYS_ptrace, SYS_chroot, SYS_chown, SYS_mknod}) {
        CHECK(answer_for(filter, AUDIT_ARCH_X86_64, call) == SECCOMP_RET_ALLOW);
    }
    // Numbers of x32, and architectures without a table, would get around it.
    CHECK(answer_for(filter, AUDIT_ARCH_X86_64, 0x40000000 + SYS_mount) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(answer_for(filter, AUDIT_ARCH_AARCH64, 40) == (SECCOMP_RET_ERRNO | ENOSYS));
}

TEST_CASE("pretending filter: owners, ids and devices succeed without being changed", "[unit][build]") {
    const auto filter = sandbox::pretending_filter();
    for (const int call :
         {SYS_chown, SYS_lchown, SYS_fchown, SYS_fchownat, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid,
          SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_capset}) {
        INFO(call);
        CHECK(answer_for(filter, AUDIT_ARCH_X86_64, call) == kPretended);
    }
    for (const int call : {182, 212, 16,  198, 95,  207, 298, 23,  213, 46,  214, 70,  203,
                           71,  204, 164, 208, 170, 210, 81,  206, 138, 215, 139, 216, 185}) {
        INFO(call);
        CHECK(answer_for(filter, AUDIT_ARCH_I386, call) == kPretended);
    }
    const auto mknod = [&](mode_t mode) { return answer_for(filter, AUDIT_ARCH_X86_64, SYS_mknod, 0, mode); };
    const auto mknodat = [&](mode_t mode) { return answer_for(filter, AUDIT_ARCH_X86_64, SYS_mknodat, 0, 0, mode); };
    for (const mode_t type : std::initializer_list<mode_t>{S_IFCHR, S_IFBLK}) {
        CHECK(mknod(type | 0666U) == kPretended);
        CHECK(mknodat(type | 0666U) == kPretended);
        CHECK(answer_for(filter, AUDIT_ARCH_I386, 14, 0, type) == kPretended);
    }
    for (const mode_t type : std::initializer_list<mode_t>{S_IFIFO, S_IFSOCK, S_IFREG, 0}) {
        CHECK(mknod(type | 0666U) == SECCOMP_RET_ALLOW);
        CHECK(mknodat(type | 0666U) == SECCOMP_RET_ALLOW);
    }
    for (const int call : {SYS_getuid, SYS_chmod, SYS_execve, SYS_mount}) {
        CHECK(answer_for(filter, AUDIT_ARCH_X86_64, call) == SECCOMP_RET_ALLOW);
    }
}

#endif
