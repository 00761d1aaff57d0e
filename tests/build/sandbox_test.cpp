// Commands in sandboxes, as root: what they find, what they may do, what is left of them.
#include "sandbox_support.hpp"
#include "tree_support.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <chrono>
#include <cstdlib>
#include <stop_token>
#include <thread>

namespace {

using Catch::Matchers::Contains;
using cooper::ErrorCode;
using cooper::FileDescriptor;
using cooper::Run;
using cooper::TempDirectory;
using cooper::build::SandboxCommand;
using cooper::build::SandboxMount;
using cooper::testing::code_of;
using cooper::testing::run_sandboxed;
using cooper::testing::run_script;
using cooper::testing::sandbox_is_possible;
using cooper::testing::SandboxRoot;
using cooper::testing::shell_command;
using cooper::testing::Tree;

std::string message_of_run(const SandboxRoot& root, const SandboxCommand& command) {
    try {
        run_sandboxed(root, command);
    } catch (const cooper::Error& error) {
        return std::string(error.what()) + "\n" + error.advice();
    }
    return {};
}

SandboxMount bind_of(const std::filesystem::path& source, const std::string& target) {
    SandboxMount mount;
    mount.source = source;
    mount.target = target;
    return mount;
}

}  // namespace

TEST_CASE("sandbox: a command's status, signal and output come back", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    const auto plain = run_script(root, "echo out; echo err >&2; cat; exit 7");
    CHECK(plain.result.exit_status == 7);
    CHECK(plain.result.signal == 0);
    CHECK(plain.output == "out\nerr\n");
    const auto killed = run_script(root, "kill -9 $$");
    CHECK(killed.result.exit_status == 137);
    CHECK(killed.result.signal == SIGKILL);
    const auto large = run_script(root, "head -c 3000000 /dev/zero; echo end");
    CHECK(large.output.size() == 3'000'004);
}

TEST_CASE("sandbox: a command finds what Docker gives and nothing of the machine", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    setenv("COOPER_TEST_CANARY", "secret-of-the-machine", 1);
    const FileDescriptor leaked(open("/", O_RDONLY));  // as a careless caller leaves one behind (CVE-2024-21626)
    auto command = shell_command(R"sh(
env | grep -v -e PATH -e PWD -e SHLVL
echo "umask $(umask), host $(hostname), pid $$, parent $PPID, cwd $(readlink /proc/self/cwd)"
ls /proc/self/fd | tr '\n' ' '; echo
grep -E 'CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp:' /proc/self/status
ls /dev | tr '\n' ' '; echo
cat /proc/1/environ /proc/1/maps 2>&1 | grep -c -e Permission
tr '\0' ' ' < /proc/1/cmdline; echo
ls -d /proc/[0-9]* | wc -l
ulimit -c
cat /proc/self/sessionid 2>/dev/null | head -c 0
grep -c secret-of-the-machine /proc/*/environ 2>/dev/null | grep -v ':0'
true
)sh");
    command.environment.emplace_back("GIVEN=yes");
    const auto ran = run_sandboxed(root, command);
    unsetenv("COOPER_TEST_CANARY");
    INFO(ran.output);
    CHECK(ran.result.exit_status == 0);
    CHECK_THAT(ran.output, Contains("GIVEN=yes\numask 0022, host buildkitsandbox, pid 2, parent 1, cwd /\n"));
    CHECK_THAT(ran.output, Contains("0 1 2 3 \n"));
    CHECK_THAT(ran.output, Contains("CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
                                    "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n"));
    CHECK_THAT(ran.output, Contains("NoNewPrivs:\t0\nSeccomp:\t2\n"));
    CHECK_THAT(ran.output, Contains("fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero \n"));
    CHECK_THAT(ran.output, Contains("\ncooper "));
    CHECK_THAT(ran.output, !Contains("secret-of-the-machine") && !Contains("COOPER_TEST_CANARY"));
}

TEST_CASE("sandbox: nothing of the kernel or the machine can be changed", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    const auto ran = run_script(root, R"sh(
try() { if "$@" >/dev/null 2>&1; then echo "DONE: $*"; fi; }
try sh -c 'echo 1 > /proc/sys/kernel/panic'
try sh -c 'echo c > /proc/sysrq-trigger'
try sh -c 'echo 1 > /sys/kernel/mm/ksm/run'
try sh -c 'mkdir /sys/fs/cgroup/x'
try mount -t tmpfs none /tmp
try mount -o remount,rw /proc/sys
try umount /proc/sys
try umount /dev
try unshare -U true
try unshare -m true
try chroot /proc/1/root true
try readlink /proc/1/fd/3
try ls /proc/1/root/
try cat /proc/1/environ
try sh -c 'head -c 1 < /proc/1/mem'
try cat /proc/kcore
try sh -c 'test -s /proc/keys'
try sh -c 'cat /proc/timer_list | grep .'
try ls /sys/firmware/efi
for node in "b 254 0" "b 8 0" "c 1 1" "c 10 200"; do
    rm -f /tmp/node; mknod /tmp/node $node && try sh -c 'head -c 1 /tmp/node'
    rm -f /dev/shm/node; mknod /dev/shm/node $node && try sh -c 'head -c 1 /dev/shm/node'
    rm -f /dev/node; mknod /dev/node $node && try sh -c 'head -c 1 /dev/node'
done
rm -f /tmp/node; mknod /tmp/node c 1 3 && try sh -c 'echo > /tmp/node'
try hostname other
try reboot -f
echo end
)sh");
    INFO(ran.output);
    CHECK(ran.output == "end\n");
}

TEST_CASE("sandbox: devices are the command's own and work for every user", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    struct stat before {};
    REQUIRE(stat("/dev/null", &before) == 0);
    CHECK(run_script(root, "chmod 600 /dev/null && chown 5 /dev/zero").result.exit_status == 0);
    struct stat after {};
    REQUIRE(stat("/dev/null", &after) == 0);
    CHECK(after.st_mode == before.st_mode);
    auto command =
        shell_command("echo x > /dev/null && echo y > /dev/stdout && head -c 4 /dev/zero | wc -c && touch /dev/shm/f");
    command.user = {1000, 1000, {10}, "/home/user"};
    const auto ran = run_sandboxed(root, command);
    INFO(ran.output);
    CHECK(ran.result.exit_status == 0);
    CHECK_THAT(ran.output, Contains("y\n4\n"));
}

TEST_CASE("sandbox: another user has no capabilities, his groups, and may gain rights by setuid", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    std::filesystem::copy_file("/bin/busybox", root.path("bin/rootbox"));
    chmod(root.path("bin/rootbox").c_str(), 04755);
    SandboxCommand command;
    command.arguments = {"/bin/busybox", "sh", "-c",
                         "busybox id -u; busybox id -G; busybox grep -E 'CapEff|CapBnd|CapPrm' /proc/self/status; "
                         "echo x 2>&1 > /etc/file; rootbox id -u; rootbox su -c 'busybox id -u' user"};
    command.environment = {"PATH=/bin"};
    command.user = cooper::build::find_user(root.path(), "user");
    chmod(root.path("").c_str(), 0755);
    const auto ran = run_sandboxed(root, command);
    INFO(ran.output);
    CHECK_THAT(ran.output, Contains("1000\n1000 10 29\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                                    "CapBnd:\t00000000a80425fb\n"));
    CHECK_FALSE(root.has("etc/file"));
}

TEST_CASE("sandbox: what was put into the root is gone and times are as before", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    SandboxCommand command;
    command.arguments = {
        "/bin/busybox", "sh", "-c",
        "busybox cat /etc/hosts /etc/resolv.conf /run/secrets/one >/dev/null && busybox ls /cache/a/b && "
        "/dev/pipes/script && busybox touch /var/lib/keep"};
    const TempDirectory cache;
    SandboxMount tmpfs;
    tmpfs.type = SandboxMount::Type::Tmpfs;
    tmpfs.target = "/var/lib/gone";
    SandboxMount secret;
    secret.type = SandboxMount::Type::Secret;
    secret.target = "/run/secrets/one";
    secret.content = "hidden";
    command.mounts = {bind_of(cache.path(), "/cache/a/b"), tmpfs, secret};
    command.scripts = {{"/dev/pipes/script", "#!/bin/busybox sh\necho from the script\n"}};
    const auto ran = run_sandboxed(root, command);
    INFO(ran.output);
    CHECK(ran.result.exit_status == 0);
    CHECK_THAT(ran.output, Contains("from the script"));
    for (const auto* name : {"proc", "sys", "dev", "etc/hosts", "etc/resolv.conf", "cache", "run", "var/lib/gone"}) {
        INFO(name);
        CHECK_FALSE(root.has(name));
    }
    CHECK(root.has("var/lib/keep"));
    CHECK(root.time_of("etc") == SandboxRoot::kOld);
    CHECK(root.time_of("bin") == SandboxRoot::kOld);
    // /var stays, since the command put something there; so its parent did change, at the time when that was made.
    CHECK(std::filesystem::is_empty(cache.path()));
}

TEST_CASE("sandbox: files of the image are covered, not changed", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    root.file("etc/hosts", "image's own\n");
    root.file("run/real.conf", "image's resolv.conf\n");
    std::filesystem::create_symlink("../run/real.conf", root.path("etc/resolv.conf"));
    root.set_old_times();
    const auto ran = run_script(root, "cat /etc/hosts; echo more >> /etc/hosts; echo more >> /etc/resolv.conf");
    CHECK(ran.result.exit_status == 0);
    CHECK_THAT(ran.output, Contains("localhost") && !Contains("image's own"));
    CHECK(root.text("etc/hosts") == "image's own\n");
    CHECK(root.text("run/real.conf") == "image's resolv.conf\n");
    CHECK(root.time_of("etc") == SandboxRoot::kOld);
}

TEST_CASE("sandbox: no trace in the upper directory of an overlay", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot lower;
    const TempDirectory place;
    for (const char* name : {"upper", "work", "merged"}) {
        std::filesystem::create_directory(place.path() / name);
    }
    const auto options = "lowerdir=" + lower.path().string() + ",upperdir=" + (place.path() / "upper").string() +
                         ",workdir=" + (place.path() / "work").string() + ",index=off,metacopy=off,redirect_dir=off";
    const auto merged = place.path() / "merged";
    REQUIRE(mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0);
    SandboxCommand command;
    command.arguments = {"/bin/busybox", "cat", "/etc/hosts"};
    const auto result = run_in_sandbox(merged, command, cooper::testing::root_confinement(), [](cooper::Bytes) {}, {});
    umount2(merged.c_str(), MNT_DETACH);
    CHECK(result.exit_status == 0);
    // Copying up leaves directories as they were, which is no change.
    std::vector<std::string> left;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place.path() / "upper")) {
        left.push_back(entry.path().filename());
        struct stat status {};
        REQUIRE(lstat(entry.path().c_str(), &status) == 0);
        CHECK(S_ISDIR(status.st_mode));
        CHECK(status.st_mtim.tv_sec == SandboxRoot::kOld);
    }
    CHECK(left == std::vector<std::string>{"etc"});
}

TEST_CASE("sandbox: mounts are read-only, kept, thrown away or in memory as asked", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    const Tree source;
    source.file("dir/file", "original");
    source.file("single", "one");
    source.symlink("dir/out", "/etc");
    auto command = shell_command(R"sh(
try() { if "$@" >/dev/null 2>&1; then echo "DONE: $*"; fi; }
cat /ro/dir/file /one; echo
try sh -c 'echo x > /ro/dir/new'
try rm /ro/single
echo kept > /kept/dir/kept
echo lost > /lost/dir/lost; rm /lost/single; cat /lost/dir/file; echo
echo lost > /one_lost; cat /one_lost
df -k /mem | tail -1 | tr -s ' ' | cut -d' ' -f2
stat -c '%a %u %g' /mem /run/secrets/s
try sh -c 'echo x > /run/secrets/s'
cat /run/secrets/s; echo
ls /ro/dir/inner
)sh");
    auto read_only = bind_of(source.path(), "/ro");
    read_only.read_only = true;
    auto discard = bind_of(source.path(), "/lost");
    discard.discard = true;
    auto one = bind_of(source.path(), "/one");
    one.below = "single";
    auto one_lost = bind_of(source.path("single"), "/one_lost");
    one_lost.discard = true;
    SandboxMount memory;
    memory.type = SandboxMount::Type::Tmpfs;
    memory.target = "/mem";
    memory.size = 1 << 20;
    memory.mode = 0700;
    memory.uid = 12;
    memory.gid = 13;
    SandboxMount secret;
    secret.type = SandboxMount::Type::Secret;
    secret.target = "/run/secrets/s";
    secret.content = "hidden";
    secret.mode = 0400;
    secret.uid = 5;
    command.mounts = {bind_of(source.path(), "/kept"), read_only, discard, one, one_lost, memory, secret};
    source.directory("dir/inner");
    const auto ran = run_sandboxed(root, command);
    INFO(ran.output);
    CHECK(ran.output == "originalone\noriginal\nlost\n1024\n700 12 13\n400 5 0\nhidden\n");
    CHECK(cooper::read_file(source.path("dir/kept"), 10) == "kept\n");
    CHECK_FALSE(std::filesystem::exists(source.path("dir/lost")));
    CHECK(std::filesystem::exists(source.path("single")));
    CHECK(cooper::read_file(source.path("single"), 10) == "one");
}

TEST_CASE("sandbox: later mounts lie in earlier ones", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    const Tree outer;
    outer.file("outer", "1");
    const Tree inner;
    inner.file("inner", "2");
    auto command = shell_command("cat /a/outer /a/b/inner");
    command.mounts = {bind_of(outer.path(), "/a"), bind_of(inner.path(), "/a/b")};
    CHECK(run_sandboxed(root, command).output == "12");
    CHECK_FALSE(std::filesystem::exists(outer.path("b")));
    CHECK_FALSE(root.has("a"));
}

// CVE-2024-1753, CVE-2024-9675, CVE-2024-9407: paths of mounts that lead out of the root or of their source.
TEST_CASE("sandbox: links in targets and sources do not lead outside", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const Tree outside;
    outside.file("secret", "of the machine");
    const SandboxRoot root;
    std::filesystem::create_symlink(outside.path(), root.path("escape"));
    std::filesystem::create_symlink("../../../../../../..", root.path("up"));
    const Tree source;
    source.file("inside/file", "x");
    source.symlink("absolute", outside.path().string());
    source.symlink("relative", "../../../../../../../../" + outside.path().string());

    SECTION("a target through a link is made inside the root") {
        auto command = shell_command("cat /escape/target/inside/file /up/tmp/t/inside/file");
        command.mounts = {bind_of(source.path(), "/escape/target"), bind_of(source.path(), "/up/tmp/t"),
                          bind_of(source.path(), "/../../../../tmp/u")};
        const auto ran = run_sandboxed(root, command);
        CHECK(ran.output == "xx");
        CHECK_FALSE(std::filesystem::exists(outside.path("target")));
        CHECK_FALSE(root.has("var"));
    }
    SECTION("a source through a link stays in what is mounted") {
        for (const auto* below : {"absolute", "relative", "absolute/secret", "../../../.."}) {
            auto command = shell_command("cat /m/secret");
            command.mounts = {bind_of(source.path(), "/m")};
            command.mounts[0].below = below;
            INFO(below);
            std::string output;
            try {
                output = run_sandboxed(root, command).output;
            } catch (const cooper::Error& error) {
                CHECK((error.code() == ErrorCode::NotFound || error.code() == ErrorCode::InvalidInput));
            }
            CHECK_THAT(output, !Contains("of the machine"));
        }
    }
    SECTION("files of processes are no targets and no working directories") {
        for (const auto* target : {"/proc/self/exe", "/proc/self/cwd/x", "/proc/1/root/x"}) {
            auto command = shell_command("true");
            command.mounts = {bind_of(source.path("inside/file"), target)};
            INFO(target);
            CHECK_FALSE(message_of_run(root, command).empty());
        }
        for (const auto* directory : {"/proc/self/fd/7", "/proc/self/fd/8/../..", "/proc/self/cwd"}) {
            auto command = shell_command("cat ./secret ../../../../etc/shadow");
            command.working_directory = directory;
            INFO(directory);
            CHECK_FALSE(message_of_run(root, command).empty());
        }
    }
    SECTION("/proc, /dev and /sys are directories of the root itself") {
        for (const auto* name : {"proc", "sys", "dev"}) {
            const SandboxRoot other;
            std::filesystem::create_symlink("/tmp", other.path(name));
            CHECK(code_of([&] { run_script(other, "true"); }) == ErrorCode::InvalidInput);
        }
    }
    SECTION("the root itself cannot be covered") {
        auto command = shell_command("true");
        command.mounts = {bind_of(source.path(), "/tmp/..")};
        CHECK(code_of([&] { run_sandboxed(root, command); }) == ErrorCode::InvalidInput);
    }
    CHECK(cooper::read_file(outside.path("secret"), 100) == "of the machine");
    CHECK(std::distance(std::filesystem::directory_iterator(outside.path()), {}) == 1);
}

TEST_CASE("sandbox: a missing working directory is made for the user and stays", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    auto command = shell_command("pwd; touch here");
    command.working_directory = "/srv/app";
    command.user = {1000, 1000, {}, "/"};
    const auto ran = run_sandboxed(root, command);
    CHECK(ran.output == "/srv/app\n");
    for (const auto* name : {"srv", "srv/app"}) {
        struct stat status {};
        REQUIRE(stat(root.path(name).c_str(), &status) == 0);
        CHECK(status.st_uid == 1000);
        CHECK((status.st_mode & 07777U) == 0755);
    }
}

TEST_CASE("sandbox: without a network there is but lo, and it is up", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    auto command = shell_command("ls /sys/class/net; ip addr show lo | grep -o 127.0.0.1; grep -c : /proc/net/dev");
    command.network = SandboxCommand::Network::None;
    CHECK(run_sandboxed(root, command).output == "lo\n127.0.0.1\n1\n");
}

TEST_CASE("sandbox: a program that cannot be run says why", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    root.file("bin/no_interpreter", "#!/opt/python -u\n", 0755);
    root.file("bin/dos", "#!/bin/sh\r\necho\n", 0755);
    root.file("bin/text", "just text\n", 0755);
    root.file("bin/private", "#!/bin/sh\n", 0644);
    root.file("bin/own", "#!/proc/self/exe\n", 0755);
    std::filesystem::create_symlink("/proc/self/exe", root.path("bin/exe"));
    const auto run = [&](const std::string& program) {
        SandboxCommand command;
        command.arguments = {program};
        command.environment = {"PATH=relative:/none:/bin"};
        return message_of_run(root, command);
    };
    CHECK_THAT(run("missing"), Contains("'missing'") && Contains("PATH"));
    CHECK_THAT(run("/no/sh"), Contains("no shell"));
    CHECK_THAT(run("no_interpreter"), Contains("'/bin/no_interpreter'") && Contains("'/opt/python'"));
    CHECK_THAT(run("dos"), Contains("carriage return"));
    CHECK_THAT(run("text"), Contains("exec format error"));
    CHECK_THAT(run("private"), Contains("not executable"));
    CHECK_THAT(run("/proc/self/exe"), Contains("file of a process"));
    CHECK_THAT(run("own"), Contains("file of a process"));
    CHECK_THAT(run("exe"), !Contains("\n\n"));
    CHECK_FALSE(run("exe").empty());
    SandboxCommand command;
    CHECK(code_of([&] { run_sandboxed(root, command); }) == ErrorCode::InvalidInput);
    command.arguments = {"missing"};
    CHECK(code_of([&] { run_sandboxed(root, command); }) == ErrorCode::NotFound);
    CHECK_FALSE(root.has("proc"));
}

TEST_CASE("sandbox: nothing that a command left behind runs on", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    const SandboxRoot root;
    const auto marker = std::to_string(getpid()) + "123";
    const auto still_running = [&] {
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            const auto line = cooper::find_file(entry.path() / "cmdline", 1 << 16).value_or("");
            if (line.find(marker) != std::string::npos) {
                return true;
            }
        }
        return false;
    };
    SECTION("when it ends") {
        const auto ran = run_script(root, "(setsid sleep " + marker + " &) ; sleep " + marker +
                                              " >/dev/null & busybox nohup sleep " + marker + " & echo started");
        CHECK_THAT(ran.output, Contains("started"));
        CHECK(ran.result.exit_status == 0);
        CHECK_FALSE(still_running());
    }
    SECTION("when a stop is requested") {
        std::stop_source stop;
        Run run;
        run.stop = stop.get_token();
        const auto command =
            shell_command("trap '' TERM INT; (setsid sleep " + marker + " &); echo ready; sleep " + marker);
        CHECK_THROWS_AS(run_in_sandbox(
                            root.path(), command, cooper::testing::root_confinement(),
                            [&](cooper::Bytes) { stop.request_stop(); }, run),
                        cooper::Cancelled);
        CHECK_FALSE(still_running());
        CHECK_FALSE(root.has("proc"));
    }
    SECTION("when its output is refused") {
        const auto command = shell_command("echo x; sleep " + marker);
        CHECK_THROWS_AS(run_in_sandbox(root.path(), command, cooper::testing::root_confinement(),
                                       [](cooper::Bytes) { throw std::runtime_error("full"); }, {}),
                        std::runtime_error);
        CHECK_FALSE(still_running());
    }
    SECTION("when it multiplies") {
        std::stop_source stop;
        Run run;
        run.stop = stop.get_token();
        auto command = shell_command("f() { sleep " + marker +
                                     " & [ $1 = 0 ] || { f $(($1 - 1)) & f $(($1 - 1)) & }; echo x; wait; }; f 5");
        int lines = 0;
        CHECK_THROWS_AS(run_in_sandbox(
                            root.path(), command, cooper::testing::root_confinement(),
                            [&](cooper::Bytes text) {
                                lines += static_cast<int>(text.size()) / 2;
                                if (lines >= 40) {
                                    stop.request_stop();
                                }
                            },
                            run),
                        cooper::Cancelled);
        CHECK_FALSE(still_running());
    }
}

TEST_CASE("sandbox: several at once do not meet", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    constexpr int kThreads = 4;
    std::array<std::string, kThreads> outputs;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < kThreads; ++i) {
            threads.emplace_back([&outputs, i] {
                const SandboxRoot root;
                auto command = shell_command("echo $$; hostname; ls /proc | grep -c '^[0-9]'; ls /");
                command.hostname = "host" + std::to_string(i);
                for (int round = 0; round < 3; ++round) {
                    outputs[static_cast<std::size_t>(i)] = run_sandboxed(root, command).output;
                }
            });
        }
    }
    for (int i = 0; i < kThreads; ++i) {
        CHECK_THAT(outputs[static_cast<std::size_t>(i)],
                   Contains("2\nhost" + std::to_string(i) + "\n") && Contains("bin\ndev\netc\nproc\nsys\ntmp\n"));
    }
}

TEST_CASE("confine_process: a process with threads is refused", "[unit][build]") {
    const std::jthread other([](const std::stop_token& asked) {
        while (!asked.stop_requested()) {
            std::this_thread::yield();
        }
    });
    CHECK(code_of([] {
              cooper::build::confine_process({cooper::build::Isolation::None, "/tmp"});
          }) == ErrorCode::InvalidInput);
}

TEST_CASE("sandbox: keys of the machine stay with it", "[build]") {
    if (!sandbox_is_possible()) {
        return;
    }
    // In a keyring of this process, which a command would inherit.
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr, 0, 0, 0) < 0 ||
        syscall(SYS_add_key, "user", "cooper-canary", "x", 1, KEY_SPEC_SESSION_KEYRING) < 0) {
        std::cout << "SKIPPED: needs keyrings\n";
        return;
    }
    REQUIRE(cooper::read_file("/proc/keys", 1 << 20).find("cooper-canary") != std::string::npos);
    const SandboxRoot root;
    CHECK_THAT(run_script(root, "cat /proc/keys; umount /proc/keys; cat /proc/keys; echo end").output,
               Contains("end") && !Contains("canary"));
}

TEST_CASE("sandbox: where commands cannot be run, that is what is said", "[unit][build]") {
    cooper::build::Confinement how;
    how.explanation = "root: no";
    SandboxCommand command;
    command.arguments = {"/bin/true"};
    CHECK(code_of([&] { run_in_sandbox("/nonexistent", command, how, {}, {}); }) == ErrorCode::Unsupported);
}
