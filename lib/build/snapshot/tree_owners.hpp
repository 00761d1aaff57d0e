// Owners and modes of a tree's files, where the disk may not have them (private).
#pragma once

#include "cooper/base/tar.hpp"

#include "build/snapshot/changes.hpp"
#include "build/snapshot/disk_form.hpp"
#include "build/snapshot/layer_stack.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace cooper::build {

/// Where files cannot be given to others, they keep the owner that a lower layer gave to their path, unless set() says
/// another; new ones are root's. Borrows form and stack.
class TreeOwners {
public:
    TreeOwners(const DiskForm& form, LayerStack& stack) : form_(form), stack_(stack) {}

    /// In the tree with this root. Throws SystemError.
    void set(const std::filesystem::path& root, const std::string& path, std::uint32_t uid, std::uint32_t gid);
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> get(const std::filesystem::path& root,
                                                              const std::string& path) const;

    /// Whether the layers below have another owner for it than set() said.
    [[nodiscard]] bool is_new(const std::string& path) const;
    /// What the new layer says of a member; where the disk says something else, it stays in `unset`.
    void describe(const Member& member, TarEntry& entry, std::map<std::string, Unset>& unset) const;
    /// The layers know it all by now.
    void forget() { owners_.clear(); }

private:
    const DiskForm& form_;
    LayerStack& stack_;
    std::map<std::string, std::pair<std::uint32_t, std::uint32_t>> owners_;
};

}  // namespace cooper::build
