// The members of a layer's tar in their order, kept so that the tar can be written again (private).
//
// Headers follow from members, contents lie in the tree: as tar-split has it, but for headers that are ours.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/base/tar.hpp"

#include "build/snapshot/tree_root.hpp"

#include <filesystem>
#include <string>

namespace cooper::build {

class MemberWriter {
public:
    explicit MemberWriter(const std::filesystem::path& file);
    void add(const TarEntry& entry);
    void finish();

private:
    AtomicFile file_;
    std::string buffer_;
};

struct WrittenTar {
    std::uint64_t entries = 0;
    std::uint64_t files = 0;  ///< entries that are no directories
};

/// The tar of a kept list, with the contents in `tree`, into `to`, which is finished. Throws Error{Integrity}.
WrittenTar write_tar(const std::filesystem::path& members, TreeRoot& tree, Sink& to, const Run& run);

}  // namespace cooper::build
