#include "build/sandbox/probe.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "build/sandbox/root_paths.hpp"
#include "build/sandbox/stubs.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace cooper::build::sandbox {

namespace {

constexpr std::size_t kMaxLine = 64UL << 10U;

std::string reason(const std::string& action) {
    return action + ": " + std::generic_category().message(errno);
}

/// A directory of our own beside the trees, gone afterwards without a trace in the times of the one above it.
class ProbeDirectory {
public:
    explicit ProbeDirectory(const std::filesystem::path& beside)
        : above_(beside.empty() ? std::filesystem::temp_directory_path() : beside),
          directory_(open_directory(above_.string())),
          keep_(directory_.get()) {
        auto name = (above_ / ".cooper-probe-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw SystemError("cannot make a directory in " + above_.string(), errno);
        }
        path_ = name;
    }
    ProbeDirectory(const ProbeDirectory&) = delete;
    ProbeDirectory& operator=(const ProbeDirectory&) = delete;
    ~ProbeDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string operator/(const char* name) const { return (path_ / name).string(); }

private:
    std::filesystem::path above_;
    FileDescriptor directory_;
    KeepTime keep_;
    std::filesystem::path path_;
};

bool make_file(const std::string& path) {
    return FileDescriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).valid();
}

bool make_directory(const std::string& path) {
    return mkdir(path.c_str(), 0755) == 0;
}

/// Removing a file and replacing a directory of the lower layer are what needs whiteouts and attributes.
bool overlay_keeps_changes(const std::string& merged) {
    return unlink((merged + "/file").c_str()) == 0 && rmdir((merged + "/directory").c_str()) == 0 &&
           make_directory(merged + "/directory") && make_file(merged + "/directory/new");
}

void probe_overlay(const ProbeDirectory& place, Probed& probed) {
    const auto lower = place / "lower";
    const auto upper = place / "upper";
    const auto work = place / "work";
    const auto merged = place / "merged";
    if (!make_directory(lower) || !make_directory(upper) || !make_directory(work) || !make_directory(merged) ||
        !make_file(lower + "/file") || !make_directory(lower + "/directory")) {
        return;
    }
    constexpr char kValue = 'y';
    probed.user_xattr = setxattr(upper.c_str(), "trusted.overlay.cooper", &kValue, 1, 0) != 0;
    static_cast<void>(removexattr(upper.c_str(), "trusted.overlay.cooper"));
    // The names are relative: the directory's own may have characters that separate options.
    const std::string options = std::string("lowerdir=lower,upperdir=upper,workdir=work") +
                                (probed.user_xattr ? ",userxattr" : ",index=off,metacopy=off,redirect_dir=off");
    const int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (chdir((place / ".").c_str()) == 0 && mount("overlay", "merged", "overlay", 0, options.c_str()) == 0) {
        probed.overlay = overlay_keeps_changes("merged");
        umount2("merged", MNT_DETACH);
    }
    static_cast<void>(fchdir(back));
    close(back);
}

void probe_files(const ProbeDirectory& place, Probed& probed) {
    const auto file = place / "owned";
    probed.owners = make_file(file) && chown(file.c_str(), 1, 1) == 0;
    probed.devices = mknod((place / "node").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0;
}

Probed probe_namespaces(const ProbeDirectory& place) {
    Probed probed;
    const auto mounted = place / "mounted";
    if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
        probed.why_not = reason("namespaces cannot be made");
    } else if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || !make_directory(mounted) ||
               mount("tmpfs", mounted.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, nullptr) != 0) {
        probed.why_not = reason("nothing can be mounted");
    } else {
        umount2(mounted.c_str(), MNT_DETACH);
        probed.works = true;
    }
    return probed;
}

}  // namespace

std::string to_line(const Probed& probed) {
    std::string line;
    for (const bool flag : {probed.works, probed.overlay, probed.user_xattr, probed.owners, probed.devices}) {
        line += flag ? '1' : '0';
    }
    return line + "\t" + probed.why_not + "\t" + probed.advice;
}

Probed from_line(std::string_view line) {
    Probed probed;
    const auto fields = split(line, '\t');
    if (fields.size() < 3 || fields[0].size() != 5) {
        probed.why_not = "the process that tried it ended early";
        return probed;
    }
    const auto flag = [&](std::size_t i) { return fields[0][i] == '1'; };
    probed.works = flag(0);
    probed.overlay = flag(1);
    probed.user_xattr = flag(2);
    probed.owners = flag(3);
    probed.devices = flag(4);
    probed.why_not = fields[1];
    probed.advice = fields[2];
    return probed;
}

Probed probe_in_child(const std::function<Probed()>& probe) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw SystemError("cannot create a pipe", errno);
    }
    const FileDescriptor input(ends[0]);
    FileDescriptor output(ends[1]);
    const pid_t child = fork();
    if (child < 0) {
        throw SystemError("cannot start a process", errno);
    }
    if (child == 0) {
        Probed probed;
        try {
            probed = probe();
        } catch (const Error& error) {
            probed.why_not = error.what();
            probed.advice = error.advice();
        }
        const auto line = to_line(probed);
        static_cast<void>(!write(output.get(), line.data(), line.size()));
        _exit(0);
    }
    output = FileDescriptor();
    std::string line;
    std::array<char, 4096> buffer{};
    ssize_t count = 0;
    while (line.size() < kMaxLine &&
           ((count = read(input.get(), buffer.data(), buffer.size())) > 0 || (count < 0 && errno == EINTR))) {
        line.append(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return from_line(line);
}

Probed probe_here(Isolation isolation, const std::filesystem::path& probed_on) {
    const ProbeDirectory place(probed_on);
    Probed probed;
    switch (isolation) {
        case Isolation::Root:
        case Isolation::UserRange:
        case Isolation::SingleUser:
            probed = probe_namespaces(place);
            if (probed.works) {
                probe_overlay(place, probed);
            }
            break;
        case Isolation::Chroot:
            probed.works = chroot("/") == 0;
            probed.why_not = probed.works ? "" : reason("chroot is refused");
            break;
        case Isolation::None:
            probed.works = true;
            break;
    }
    probe_files(place, probed);
    if (isolation == Isolation::Chroot && may_administer()) {
        probed.devices = false;  // nothing keeps a command from opening them
    }
    return probed;
}

bool may_administer() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    return syscall(SYS_capget, &header, sets.data()) == 0 && ((sets[0].effective >> CAP_SYS_ADMIN) & 1U) != 0;
}

std::string user_namespace_hint() {
    const auto is = [](const char* path, std::string_view value) {
        return trim(find_file(path, 64).value_or("")) == value;
    };
    if (is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
        return "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile, opens them";
    }
    if (is("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
        return "sysctl kernel.unprivileged_userns_clone=1 opens them";
    }
    if (is("/proc/sys/user/max_user_namespaces", "0")) {
        return "sysctl user.max_user_namespaces=15000 opens them";
    }
    return {};
}

}  // namespace cooper::build::sandbox
