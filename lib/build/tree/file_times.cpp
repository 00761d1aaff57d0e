#include "build/tree/file_times.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <chrono>

namespace cooper::build {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTickMargin = kSecond / 50;     // times lag behind the clock by a tick: 10 ms at 100 Hz
constexpr std::int64_t kCoarseMargin = 2 * kSecond;    // FAT counts in steps of two seconds
constexpr std::int64_t kRemoteMargin = 300 * kSecond;  // how far clocks may differ where Kerberos is content

}  // namespace

std::optional<std::int64_t> nanoseconds_of(const timespec& time) {
    constexpr std::int64_t limit = INT64_MAX / kSecond - 1;
    if (time.tv_sec > limit || time.tv_sec < -limit) {
        return std::nullopt;
    }
    return time.tv_sec * kSecond + time.tv_nsec;
}

std::int64_t nanoseconds_at(const Clock& clock) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(clock.now().time_since_epoch()).count();
}

bool has_remote_times(int descriptor) {
    constexpr std::uint32_t kSmb2 = 0xFE534D42;
    constexpr std::uint32_t kCifs = 0xFF534D42;
    constexpr std::uint32_t kFuse = 0x65735546;
    constexpr std::uint32_t kLustre = 0x0BD00BD0;
    struct statfs system {};
    if (fstatfs(descriptor, &system) != 0) {
        return true;
    }
    switch (static_cast<std::uint32_t>(system.f_type)) {
        case NFS_SUPER_MAGIC:
        case SMB_SUPER_MAGIC:
        case CEPH_SUPER_MAGIC:
        case AFS_SUPER_MAGIC:
        case CODA_SUPER_MAGIC:
        case V9FS_MAGIC:
        case kSmb2:
        case kCifs:
        case kFuse:
        case kLustre:
            return true;
        default:
            return false;
    }
}

bool is_settled(const timespec& mtime, const timespec& ctime, std::int64_t began, bool remote) {
    const auto modified = nanoseconds_of(mtime);
    const auto changed = nanoseconds_of(ctime);
    const bool coarse = mtime.tv_nsec == 0 && ctime.tv_nsec == 0;
    const auto margin = remote ? kRemoteMargin : coarse ? kCoarseMargin : kTickMargin;
    return modified && changed && *modified < began - margin && *changed < began - margin;
}

}  // namespace cooper::build
