#include "build/snapshot/overlay_mount.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>

// Not <sys/mount.h>: some versions of it do not go together with <linux/mount.h>.
extern "C" {
int mount(const char* source, const char* target, const char* type, unsigned long flags, const void* data) noexcept;
int umount2(const char* target, int flags) noexcept;
}

namespace cooper::build {

namespace {

constexpr std::size_t kMaxLayers = 500;  // OVL_MAX_STACK
constexpr std::size_t kMaxOptions = 4096 - 1;
constexpr int kDetach = 2;  // MNT_DETACH
constexpr std::string_view kType = "overlay";

/// What the mount must not do: follow inode indexes, or write redirects and metacopies that layers cannot say. With
/// userxattr the kernel refuses to be told the latter two, and does neither.
constexpr std::array<std::array<const char*, 2>, 3> kSettings{
    {{"index", "off"}, {"metacopy", "off"}, {"redirect_dir", "off"}}};

std::span<const std::array<const char*, 2>> settings_of(const OverlayLayers& layers) {
    return {kSettings.data(), layers.user_xattr ? 1 : kSettings.size()};
}

std::string kernel_words(int context) {
    std::array<char, 1024> message;
    const auto size = read(context, message.data(), message.size());
    std::string words(message.data(), size > 2 ? static_cast<std::size_t>(size) : 0);
    if (words.ends_with('\n')) {
        words.pop_back();
    }
    return words.empty() ? words : " (" + words.substr(2) + ")";  // "e overlay: …"
}

[[noreturn]] void fail(const std::filesystem::path& target, const std::string& words, int problem) {
    throw SystemError("cannot mount an overlay file system on " + target.string() + words, problem);
}

/// A mount that is being put together (fsopen(2), Linux 5.2).
class MountContext {
public:
    MountContext() : context_(static_cast<int>(syscall(SYS_fsopen, kType.data(), FSOPEN_CLOEXEC))) {}
    [[nodiscard]] bool valid() const { return context_.valid(); }
    bool set(const char* name, const char* value) { return configure(FSCONFIG_SET_STRING, name, value); }
    bool set(const char* name) { return configure(FSCONFIG_SET_FLAG, name, nullptr); }
    bool create() { return configure(FSCONFIG_CMD_CREATE, nullptr, nullptr); }
    [[nodiscard]] bool mount_on(const std::filesystem::path& target, unsigned attributes) const {
        const FileDescriptor mounted(
            static_cast<int>(syscall(SYS_fsmount, context_.get(), FSMOUNT_CLOEXEC, attributes)));
        return mounted.valid() &&
               syscall(SYS_move_mount, mounted.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0;
    }
    [[nodiscard]] std::string words() const { return kernel_words(context_.get()); }

private:
    bool configure(unsigned command, const char* name, const char* value) const {
        return syscall(SYS_fsconfig, context_.get(), command, name, value, 0) == 0;
    }
    FileDescriptor context_;
};

/// False: this kernel does not know how.
bool mount_by_context(const std::filesystem::path& target, const OverlayLayers& layers) {
    MountContext context;
    if (!context.valid()) {
        return false;
    }
    for (const auto& lower : layers.lower) {
        if (!context.set("lowerdir+", lower.c_str())) {
            if (errno == EINVAL && &lower == &layers.lower.front()) {
                return false;  // Linux 6.5 brought it
            }
            fail(target, context.words(), errno);
        }
    }
    bool done = context.set("source", kType.data());
    for (const auto& [name, value] : settings_of(layers)) {
        done = done && context.set(name, value);
    }
    if (!layers.upper.empty()) {
        done = done && context.set("upperdir", layers.upper.c_str()) && context.set("workdir", layers.work.c_str()) &&
               context.set("volatile");
    }
    if (layers.user_xattr) {
        done = done && context.set("userxattr");
    }
    const unsigned attributes = layers.upper.empty() ? MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV : 0;
    if (!done || !context.create() || !context.mount_on(target, attributes)) {
        const int problem = errno;
        fail(target, context.words(), problem);
    }
    return true;
}

}  // namespace

void mount_overlay_by_options(const std::filesystem::path& target, const OverlayLayers& layers) {
    // Descriptors have short names, the same for all threads, and nothing in them needs quoting.
    std::vector<FileDescriptor> opened;
    const auto name_of = [&](const std::filesystem::path& path) {
        opened.emplace_back(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!opened.back().valid()) {
            throw SystemError("cannot open " + path.string(), errno);
        }
        return "/proc/self/fd/" + std::to_string(opened.back().get());
    };
    std::string options;
    for (const auto& [name, value] : settings_of(layers)) {
        options.append(name).append("=").append(value).append(",");
    }
    if (layers.user_xattr) {
        options += "userxattr,";
    }
    if (!layers.upper.empty()) {
        options += "volatile,upperdir=" + name_of(layers.upper) + ",workdir=" + name_of(layers.work) + ",";
    }
    options += "lowerdir=";
    for (const auto& lower : layers.lower) {
        options += (&lower == &layers.lower.front() ? "" : ":") + name_of(lower);
    }
    if (options.size() > kMaxOptions) {
        throw Error(ErrorCode::Unsupported, "this kernel cannot mount " + std::to_string(layers.lower.size()) +
                                                " layers on one another (Linux 6.5 can)");
    }
    const unsigned long flags = layers.upper.empty() ? 1 | 2 | 4 : 0;  // MS_RDONLY | MS_NOSUID | MS_NODEV
    if (mount(kType.data(), target.c_str(), kType.data(), flags, options.c_str()) != 0) {
        fail(target, "", errno);
    }
}

OverlayMount::OverlayMount(std::filesystem::path target, const OverlayLayers& layers) : target_(std::move(target)) {
    if (layers.lower.size() > kMaxLayers) {
        throw Error(ErrorCode::Unsupported, std::to_string(layers.lower.size()) +
                                                " layers are more than the kernel's limit of " +
                                                std::to_string(kMaxLayers));
    }
    if (!mount_by_context(target_, layers)) {
        mount_overlay_by_options(target_, layers);
    }
}

OverlayMount::~OverlayMount() {
    unmount_quietly(target_);
}

void unmount_quietly(const std::filesystem::path& target) noexcept {
    if (umount2(target.c_str(), 0) != 0 && errno == EBUSY) {
        umount2(target.c_str(), kDetach);
    }
}

}  // namespace cooper::build
