// What the tests of the store share: a store to look into, and a place to fetch from that does what it is told.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/oci/store.hpp"

#include "support/fake_clock.hpp"
#include "support/memory_image.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace cooper::testing {

/// Collects warnings.
class Warnings final : public Progress {
public:
    void notice(NoticeLevel level, std::string_view text) noexcept override {
        if (level == NoticeLevel::Warning) {
            const std::scoped_lock lock(mutex_);
            texts_.emplace_back(text);
        }
    }
    [[nodiscard]] std::vector<std::string> texts() const { return texts_; }

private:
    std::mutex mutex_;
    std::vector<std::string> texts_;
};

/// Blobs from memory, with cuts. Remembers from which byte each was asked for. Safe from several threads once filled.
class ScriptedBlobs final : public oci::Blobs {
public:
    oci::Descriptor add(std::string bytes, DigestAlgorithm algorithm = DigestAlgorithm::Sha256) {
        Hasher hasher(algorithm);
        hasher.update(bytes);
        const Digest digest = hasher.finish();
        const std::uint64_t size = bytes.size();
        contents_[digest] = std::move(bytes);
        return {std::string(oci::media_type::kOciLayer), digest, size, {}, {}, {}, {}};
    }
    void replace(const Digest& digest, std::string bytes) { contents_[digest] = std::move(bytes); }
    /// The connection breaks for good before this byte of any blob.
    std::optional<std::uint64_t> cut_at;
    /// At most so many bytes a read.
    std::size_t step = 1000;

    [[nodiscard]] std::unique_ptr<Source> open(const oci::Descriptor& blob, std::uint64_t offset,
                                               const Run&) const override {
        const std::scoped_lock lock(mutex_);
        opened_.push_back(offset);
        const auto found = contents_.find(blob.digest);
        if (found == contents_.end()) {
            throw Error(ErrorCode::NotFound, "the base has no blob " + blob.digest.text());
        }
        return std::make_unique<CutSource>(*this, found->second, offset);
    }
    /// The offsets asked for, in order.
    [[nodiscard]] std::vector<std::uint64_t> opened() const {
        const std::scoped_lock lock(mutex_);
        return opened_;
    }
    [[nodiscard]] std::uint64_t served() const {
        const std::scoped_lock lock(mutex_);
        return served_;
    }

private:
    class CutSource final : public Source {
    public:
        CutSource(const ScriptedBlobs& blobs, const std::string& content, std::uint64_t offset)
            : blobs_(blobs), content_(content), position_(offset) {}
        std::size_t read(MutableBytes into) override {
            const std::uint64_t end = std::min<std::uint64_t>(blobs_.cut_at.value_or(content_.size()), content_.size());
            if (position_ >= end && end < content_.size()) {
                throw Error(ErrorCode::Unavailable, "the connection broke");
            }
            const std::size_t count = std::min({into.size(), blobs_.step, static_cast<std::size_t>(end - position_)});
            std::copy_n(as_bytes(content_).begin() + static_cast<std::ptrdiff_t>(position_), count, into.begin());
            position_ += count;
            const std::scoped_lock lock(blobs_.mutex_);
            blobs_.served_ += count;
            return count;
        }

    private:
        const ScriptedBlobs& blobs_;
        const std::string& content_;
        std::uint64_t position_;
    };

    std::map<Digest, std::string> contents_;
    mutable std::mutex mutex_;
    mutable std::vector<std::uint64_t> opened_;
    mutable std::uint64_t served_ = 0;
};

inline std::string content_of(const oci::Blobs& blobs, const oci::Descriptor& blob, const Run& run = {},
                              std::uint64_t offset = 0) {
    return read_all(*blobs.open(blob, offset, run), 1 << 24, "blob");
}

/// `count` bytes from a source, in steps.
inline std::string read_some(Source& source, std::size_t count) {
    std::string text(count, '\0');
    const std::size_t got = read_full(source, std::as_writable_bytes(std::span(text.data(), count)));
    text.resize(got);
    return text;
}

/// A file of `store` for `digest`, as the layout has it.
inline std::filesystem::path blob_file(const std::filesystem::path& store, const Digest& digest) {
    return store / "blobs" / digest.algorithm_name() / digest.hex();
}

/// Names of what lies in a directory.
inline std::vector<std::string> names_in(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
}

inline void make_older(const std::filesystem::path& file, std::chrono::seconds by) {
    std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) - by);
}

}  // namespace cooper::testing
