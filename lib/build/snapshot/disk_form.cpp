#include "build/snapshot/disk_form.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"

#include <unistd.h>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxMap = 64 * 1024;
constexpr std::size_t kHashLength = 12;

/// Owners on the disk depend on it: another range is another form.
std::string hash_of_id_maps() {
    const std::string maps =
        find_file("/proc/self/uid_map", kMaxMap).value_or("") + find_file("/proc/self/gid_map", kMaxMap).value_or("");
    return std::string(sha256(maps).hex().substr(0, kHashLength));
}

constexpr std::string_view kRangePrefix = "userns-";

std::string name_of(const Confinement& how) {
    switch (how.isolation) {
        case Isolation::Root:
            return "root";
        case Isolation::UserRange:
            return std::string(kRangePrefix) + hash_of_id_maps();
        case Isolation::SingleUser:
            return "single";
        case Isolation::Chroot:
            return "chroot";
        case Isolation::None:
            break;
    }
    return how.owners ? "none-owners" : "none";
}

}  // namespace

DiskForm disk_form(const Confinement& how) {
    DiskForm form;
    form.name = name_of(how);
    form.owners = how.owners;
    form.devices = how.devices;
    form.overlay = how.overlay;
    form.user_xattr = how.user_xattr;
    form.marked = how.isolation != Isolation::Chroot && how.isolation != Isolation::None;
    return form;
}

bool can_remove(const std::string& form) {
    if (!form.starts_with(kRangePrefix)) {
        return true;
    }
    const std::string map = find_file("/proc/self/uid_map", kMaxMap).value_or("");
    const bool all_ids = map.find("4294967295") != std::string::npos;
    return (geteuid() == 0 && all_ids) || form == std::string(kRangePrefix) + hash_of_id_maps();
}

}  // namespace cooper::build
