// What goes into a build context, before any content is read: names, modes, where the bytes are (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/context.hpp"
#include "cooper/build/tree.hpp"

#include "build/context/tree_files.hpp"
#include "build/tree/file_hashes.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

inline constexpr std::string_view kContextDockerfile = "Dockerfile";

/// Where a part of the tree lies in the context: `from` and what is below it become `to` and what is below that.
struct ContextPlace {
    std::string from;  ///< below the root; "" is the root
    std::string to;    ///< in the context; "" is its root
};

struct ContextMember {
    std::string name;  ///< in the context
    EntryKind kind = EntryKind::File;
    std::uint32_t mode = 0644;
    std::uint32_t place = 0;   ///< index of its ContextPlace
    FileStatus status;         ///< of files
    std::string link;          ///< of symlinks
    std::uint64_t offset = 0;  ///< of its header in the tar

    [[nodiscard]] std::uint64_t size() const {
        return kind == EntryKind::File ? static_cast<std::uint64_t>(status.st_size) : 0;
    }
};

struct ContextMembers {
    std::vector<ContextPlace> places;
    std::vector<ContextMember> members;  ///< sorted by name; the generated Dockerfile is not among them
    std::shared_ptr<const TreeFiles> files;

    /// Of a member that the tree has.
    [[nodiscard]] std::string path_of(const ContextMember& member) const;
};

/// Walks the tree. Throws what BuildContext::make() says.
ContextMembers list_members(const ContextOptions& options, const Run& run);

/// "a, b and 3 more": names for a message, made printable.
std::string some_of(const std::vector<std::string>& names);

}  // namespace cooper::build
