#include "build/tree_listing.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <system_error>

namespace cooper::testing {

namespace {

std::string attributes(const std::filesystem::path& path) {
    std::array<char, 65536> names{};
    std::array<char, 65536> value{};
    std::map<std::string, std::string> all;
    const ssize_t size = llistxattr(path.c_str(), names.data(), names.size());
    for (ssize_t at = 0; at < size;) {
        const std::string name(names.data() + at);
        const ssize_t length = lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        all[name] = length < 0 ? "?" : std::string(value.data(), static_cast<std::size_t>(length));
        at += static_cast<ssize_t>(name.size()) + 1;
    }
    std::string text;
    for (const auto& [name, content] : all) {
        text += " " + name + "=" + sha256(content).shortened();
    }
    return text;
}

std::string nanoseconds(const timespec& time) {
    return std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec);
}

std::string describe(const std::filesystem::path& path, bool changes) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
        return "not there";
    }
    std::ostringstream text;
    text << std::oct << status.st_mode << std::dec << " " << status.st_uid << ":" << status.st_gid;
    text << " " << nanoseconds(status.st_mtim);
    if (!S_ISDIR(status.st_mode)) {
        text << " links=" << status.st_nlink << " size=" << status.st_size << " device=" << status.st_rdev;
    }
    if (changes) {
        text << " inode=" << status.st_ino << " changed=" << nanoseconds(status.st_ctim);
    }
    if (S_ISLNK(status.st_mode)) {
        text << " -> " << std::filesystem::read_symlink(path).string();
    } else {
        text << attributes(path);
    }
    if (S_ISREG(status.st_mode)) {
        text << " " << (access(path.c_str(), R_OK) == 0 ? sha256(read_file(path, 1 << 26)).shortened() : "unreadable");
    }
    return text.str();
}

void list(const std::filesystem::path& root, const std::string& path, bool changes,
          std::map<std::string, std::string>& into) {
    const auto full = path.empty() ? root : root / path;
    into[path] = describe(full, changes);
    std::error_code unreadable;
    if (!std::filesystem::is_directory(std::filesystem::symlink_status(full))) {
        return;
    }
    for (const auto& entry : std::filesystem::directory_iterator(full, unreadable)) {
        list(root, (std::filesystem::path(path) / entry.path().filename()).string(), changes, into);
    }
}

}  // namespace

std::map<std::string, std::string> tree_listing(const std::filesystem::path& root, bool changes) {
    std::map<std::string, std::string> all;
    list(root, "", changes, all);
    return all;
}

std::string tree_text(const std::filesystem::path& root, bool changes) {
    std::string text;
    for (const auto& [path, line] : tree_listing(root, changes)) {
        text += "/" + path + " " + line + "\n";
    }
    return text;
}

}  // namespace cooper::testing
