// Root file systems that are plain directories, and copies into them.
#pragma once

#include "cooper/build/copy_files.hpp"

#include "build/tree_support.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cooper::testing {

/// Remembers owners instead of giving them, so that tests need not be root.
class PlainRoot final : public build::RootTree {
public:
    Tree tree;

    [[nodiscard]] const std::filesystem::path& path() const override { return path_; }
    [[nodiscard]] const std::vector<Digest>& layers() const override { return layers_; }
    build::CapturedLayer capture(const build::CaptureOptions& /*options*/, const Run& /*run*/) override {
        throw Error(ErrorCode::Unsupported, "no layers here");
    }
    void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) override {
        owners_[path] = {uid, gid};
    }
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> owner(const std::string& path) const override {
        const auto found = owners_.find(path);
        return found == owners_.end() ? std::pair<std::uint32_t, std::uint32_t>(0, 0) : found->second;
    }

    /// Every path below "/", sorted: "d 755 a", "f 644 a/b content", "l a/c -> target", "p 644 fifo"; with the owner
    /// behind the mode where it is not 0:0.
    [[nodiscard]] std::vector<std::string> listing() const;

private:
    std::filesystem::path path_ = tree.path().string().substr(0, tree.path().string().find_last_not_of('/') + 1);
    std::vector<Digest> layers_;
    std::map<std::string, std::pair<std::uint32_t, std::uint32_t>> owners_;
};

/// One COPY or ADD: "--chmod=755 a b /x/" (words as they are, no quotes).
build::CopyInstruction instruction(const std::string& words, bool add = false);

constexpr std::int64_t kCopyEpoch = 1'000'000'000;

build::CopyInputs context_of(const Tree& tree, const build::Dockerignore* ignore = nullptr);

/// Chooses and writes.
void copy_to(PlainRoot& to, const build::CopyInstruction& copy, const build::CopyInputs& inputs,
             const build::CopyTarget& target = {});

}  // namespace cooper::testing
