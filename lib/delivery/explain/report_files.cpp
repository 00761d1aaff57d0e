#include "delivery/explain/report_files.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <sys/stat.h>

#include <cerrno>

namespace cooper::delivery {

namespace {

constexpr std::uint32_t kPrivate = 0600;  // layers hold keys and hashes of passwords
constexpr std::size_t kLongestName = 200;
constexpr std::size_t kDigits = 16;

void make_private_directory(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
        throw SystemError("making the directory " + path.string(), errno);
    }
}

std::string_view name_of(Side side) {
    return side == Side::A ? "a" : "b";
}

}  // namespace

std::string safe_file_name(std::string_view where, std::string_view path) {
    const auto whole = std::string(where) + (where.empty() || path.empty() ? "" : "/") + std::string(path);
    auto name = percent_encode(whole, "@+=,");
    for (std::size_t at = 0; name.find_first_not_of('.') == std::string::npos && at < name.size(); at += 3) {
        name.replace(at, 1, "%2E");  // "." and ".." are no names of files
    }
    if (name.size() > kLongestName) {
        name = name.substr(0, kLongestName) + "~" + std::string(sha256(whole).hex().substr(0, kDigits));
    }
    return name.empty() ? "archive" : name;
}

ReportFiles::ReportFiles(std::filesystem::path directory) : directory_(std::move(directory)) {
    if (wanted()) {
        make_private_directory(directory_);
        make_private_directory(directory_ / name_of(Side::A));
        make_private_directory(directory_ / name_of(Side::B));
    }
}

std::unique_ptr<Sink> ReportFiles::open(Side side, std::string_view where, std::string_view path) const {
    if (!wanted()) {
        return nullptr;
    }
    return std::make_unique<AtomicFile>(directory_ / name_of(side) / safe_file_name(where, path), kPrivate);
}

void ReportFiles::write(Side side, std::string_view where, std::string_view path, std::string_view content) const {
    if (const auto file = open(side, where, path)) {
        file->write(as_bytes(content));
        file->finish();
    }
}

}  // namespace cooper::delivery
