// From the bytes of a tar to a layer blob in a file, with all of its names, in one pass (private).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/build/layer.hpp"

#include "base/hashed_file.hpp"

#include <filesystem>
#include <memory>
#include <optional>

namespace cooper::build {

/// Takes the bytes of an uncompressed tar. Not finished: nothing stays in the spool. One thread at a time.
class LayerWriter final : public Sink {
public:
    /// `spool` is an existing directory. Throws Error{InvalidInput} for a compression that layers cannot have.
    LayerWriter(const std::filesystem::path& spool, const LayerCompression& compression);

    void write(Bytes chunk) override;
    void finish() override;

    /// After finish(), once: descriptor, diff ID, file, tar size and compressor; target and file count are the
    /// caller's to fill in. The file has its digest as its name, so that layers in one spool cannot meet.
    [[nodiscard]] BuiltLayer take();

private:
    LayerCompression compression_;
    std::filesystem::path path_;
    HashedFile blob_;
    std::unique_ptr<Sink> compressor_;  ///< null: the tar is the blob
    Hasher hasher_;
    std::uint64_t tar_size_ = 0;
};

}  // namespace cooper::build
