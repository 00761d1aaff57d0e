#include "build/copy/source_root.hpp"

#include "cooper/base/error.hpp"

#include "base/beneath.hpp"
#include "build/directory_stream.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxNames = 5'000'000;  // of one directory, as many as a tar may have members

}  // namespace

SourceRoot::SourceRoot(std::filesystem::path root, const Dockerignore* ignore)
    : root_(std::move(root)),
      ignore_(ignore != nullptr && !ignore->patterns().empty() ? ignore : nullptr),
      descriptor_(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!descriptor_.valid()) {
        throw SystemError("cannot open the directory " + shown(""), errno);
    }
}

std::string SourceRoot::shown(const std::string& path) const {
    return "'" + oci::printable((path.empty() ? root_ : root_ / path).native(), kMaxPath) + "'";
}

FileDescriptor SourceRoot::open(const std::string& path) const {
    const std::string_view name = path.empty() ? std::string_view(".") : std::string_view(path);
    try {
        auto by_kernel = detail::open_beneath_by_kernel(descriptor_.get(), name);
        return by_kernel ? std::move(*by_kernel) : detail::open_beneath_by_walk(descriptor_.get(), name);
    } catch (const SystemError& error) {
        throw SystemError("cannot open " + shown(path), error.error_number());
    } catch (const Error&) {
        return {};  // a symlink stands there
    }
}

/// Of the last component itself; nullopt when there is none, or a parent is no directory.
std::optional<struct stat> SourceRoot::look_at(const std::string& path) const {
    struct stat status {};
    if (path.empty()) {
        if (fstat(descriptor_.get(), &status) != 0) {
            throw SystemError("cannot look at " + shown(path), errno);
        }
        return status;
    }
    const FileDescriptor parent = open(std::string(parent_path(path)));
    if (parent.valid() &&
        fstatat(parent.get(), std::string(file_name(path)).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return status;
    }
    if (parent.valid() && errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG) {
        throw SystemError("cannot look at " + shown(path), errno);
    }
    return std::nullopt;
}

std::string SourceRoot::read_link(const std::string& path) const {
    const FileDescriptor parent = open(std::string(parent_path(path)));
    std::string target(kMaxPath + 1, '\0');
    const auto length =
        parent.valid() ? readlinkat(parent.get(), std::string(file_name(path)).c_str(), target.data(), target.size())
                       : -1;
    if (length < 0) {
        throw Error(ErrorCode::Integrity, "the symbolic link " + shown(path) + " changed while it was read");
    }
    target.resize(static_cast<std::size_t>(length));
    target.shrink_to_fit();
    return target;
}

const Dockerignore::Answer* SourceRoot::parent_answer(const Dockerignore::Answer& answer) const {
    return answer.matched.empty() ? nullptr : &answer;
}

/// From the root down, as BuildKit's walk asks.
Dockerignore::Answer SourceRoot::ask(const std::string& path) const {
    Dockerignore::Answer answer;
    if (ignore_ == nullptr || path.empty()) {
        return answer;
    }
    for (std::size_t end = 0; end < path.size(); ++end) {
        end = std::min(path.find('/', end), path.size());
        answer = ignore_->ask(std::string_view(path).substr(0, end), parent_answer(answer));
    }
    return answer;
}

std::optional<FoundSource> SourceRoot::find(const std::string& path) const {
    std::map<std::string, std::string, std::less<>> targets;
    const auto link_at = [&](const std::string& at) -> const std::string* {
        if (const auto known = targets.find(at); known != targets.end()) {
            return &known->second;
        }
        const auto status = look_at(at);
        if (!status || !S_ISLNK(status->st_mode) || ask(at).excluded) {
            return nullptr;
        }
        return &targets.emplace(at, read_link(at)).first->second;
    };
    const std::string end = follow_parents(path + "/.", link_at);  // "/." makes the last component a parent
    const auto status = look_at(end);
    if (!status || S_ISLNK(status->st_mode)) {
        return std::nullopt;
    }
    FoundSource found{end, *status, false, ask(end)};
    found.hidden = found.answer.excluded;
    return found.hidden && !S_ISDIR(status->st_mode) ? std::nullopt : std::optional(std::move(found));
}

std::vector<ListedName> SourceRoot::list(const std::string& directory, const Dockerignore::Answer& answer) const {
    FileDescriptor opened = open(directory);
    const DirectoryStream stream(opened.valid() ? fdopendir(opened.get()) : nullptr);
    if (!stream) {
        throw Error(ErrorCode::Integrity, "the directory " + shown(directory) + " changed while it was read");
    }
    const int descriptor = opened.release();
    std::vector<ListedName> names;
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
        ListedName listed;
        listed.name = entry->d_name;
        if (listed.name == "." || listed.name == "..") {
            continue;
        }
        const std::string path = join_path(directory, listed.name);
        check_path(path);
        if (ignore_ != nullptr) {
            listed.answer = ignore_->ask(path, parent_answer(answer));
            listed.hidden = listed.answer.excluded;
            if (listed.hidden && ((entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) ||
                                  ignore_->excludes_all_below(path, listed.answer))) {
                continue;
            }
        }
        if (fstatat(descriptor, entry->d_name, &listed.status, AT_SYMLINK_NOFOLLOW) != 0) {
            throw SystemError("cannot look at " + shown(path), errno);
        }
        if (listed.hidden && !S_ISDIR(listed.status.st_mode)) {
            continue;
        }
        names.push_back(std::move(listed));
        if (names.size() > kMaxNames) {
            throw Error(ErrorCode::InvalidInput,
                        shown(directory) + " holds more than " + std::to_string(kMaxNames) + " names");
        }
        errno = 0;
    }
    if (errno != 0) {
        throw SystemError("cannot list " + shown(directory), errno);
    }
    std::sort(names.begin(), names.end(),
              [](const ListedName& one, const ListedName& other) { return one.name < other.name; });
    return names;
}

}  // namespace cooper::build
