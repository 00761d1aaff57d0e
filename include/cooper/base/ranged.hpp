// Ranged: bytes of known size that can be opened at any offset, as often as needed.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/stream.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace cooper {

/// Known size, openable anywhere: a file, a blob, a tarball plan. open() may be called from several threads at once.
/// open(offset, length) throws Error{InvalidInput} when the range is not inside [0, size()].
class Ranged {
public:
    virtual ~Ranged() = default;
    [[nodiscard]] virtual std::uint64_t size() const = 0;
    [[nodiscard]] virtual std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const = 0;

    [[nodiscard]] std::unique_ptr<Source> open() const { return open(0, size()); }

protected:
    /// Throws Error{InvalidInput} unless offset + length <= size().
    void check_range(std::uint64_t offset, std::uint64_t length) const;
};

/// Owns a string.
class MemoryRanged final : public Ranged {
public:
    explicit MemoryRanged(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return text_->size(); }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;

private:
    std::shared_ptr<const std::string> text_;  // shared: a Source may outlive the Ranged
};

/// Borrows memory that outlives it and every Source that it opens (a part buffer during its upload).
class BorrowedRanged final : public Ranged {
public:
    explicit BorrowedRanged(Bytes bytes) : bytes_(bytes) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;

private:
    Bytes bytes_;
};

/// A regular file, opened once and read with pread(), so a rename or unlink afterwards does not matter.
/// A file that turns out shorter while it is read is Error{Integrity}.
class FileRanged final : public Ranged {
public:
    explicit FileRanged(const std::filesystem::path& path);
    /// One that is open already, for reading; `name` stands in messages.
    FileRanged(FileDescriptor file, const std::filesystem::path& name);
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return size_; }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;

private:
    struct File;
    std::shared_ptr<const File> file_;  // shared: a Source may outlive the Ranged
    std::uint64_t size_ = 0;
};

}  // namespace cooper
