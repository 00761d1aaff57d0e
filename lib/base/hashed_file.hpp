// A new file whose digest and size are known when it is finished.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace cooper {

/// Writes a file that appears at finish(), and names its content by SHA-256 while the bytes are hot.
class HashedFile final : public Sink {
public:
    explicit HashedFile(const std::filesystem::path& path) : file_(path) {}

    void write(Bytes chunk) override {
        hasher_.update(chunk);
        file_.write(chunk);
        size_ += chunk.size();
    }
    void finish() override {
        digest_ = hasher_.finish();
        file_.commit();
    }

    /// After finish().
    [[nodiscard]] const Digest& digest() const { return digest_.value(); }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    AtomicFile file_;
    Hasher hasher_;
    std::uint64_t size_ = 0;
    std::optional<Digest> digest_;
};

}  // namespace cooper
