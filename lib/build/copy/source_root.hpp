// What COPY and ADD read from: a directory taken for the root, less what ignore rules hide (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/build/ignore.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// One name in a directory, as it is itself.
struct ListedName {
    std::string name;
    struct stat status {};
    bool hidden = false;  ///< a directory that is there only if something below it is not hidden
    Dockerignore::Answer answer;
};

/// What a path leads to. The path is below the root and without symlinks.
struct FoundSource {
    std::string path;
    struct stat status {};
    bool hidden = false;
    Dockerignore::Answer answer;
};

/// All lookups are by descriptors beneath the root, which is opened once. Borrows the rules. Threads: const.
class SourceRoot {
public:
    /// A symlink to a directory is followed. Throws SystemError, Error{InvalidInput} for what is no directory.
    SourceRoot(std::filesystem::path root, const Dockerignore* ignore);

    /// Follows symlinks, the last one too, inside the root. nullopt: nothing is there, or it is hidden. Throws
    /// Error{InvalidInput} for loops.
    [[nodiscard]] std::optional<FoundSource> find(const std::string& path) const;
    /// What is in a directory, sorted by the bytes of the names, without what is hidden. `answer`: about the directory.
    [[nodiscard]] std::vector<ListedName> list(const std::string& directory, const Dockerignore::Answer& answer) const;
    /// The descriptor is invalid when something else is there by now. Never blocks.
    [[nodiscard]] FileDescriptor open(const std::string& path) const;
    [[nodiscard]] std::string read_link(const std::string& path) const;

    [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return root_; }
    /// For messages, in quotes.
    [[nodiscard]] std::string shown(const std::string& path) const;

private:
    [[nodiscard]] std::optional<struct stat> look_at(const std::string& path) const;
    [[nodiscard]] Dockerignore::Answer ask(const std::string& path) const;
    [[nodiscard]] const Dockerignore::Answer* parent_answer(const Dockerignore::Answer& answer) const;

    std::filesystem::path root_;
    const Dockerignore* ignore_;  // nullptr when there are no patterns
    FileDescriptor descriptor_;
};

}  // namespace cooper::build
