#include "build/copy/archive.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "build/copy/old_compression.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace cooper::build {

namespace {

constexpr std::size_t kMagicSize = 6;  // the longest is that of xz
constexpr std::size_t kChecksumAt = 148;
constexpr std::size_t kChecksumSize = 8;
constexpr std::size_t kPrefixAt = 345;

std::optional<std::uint32_t> octal(Bytes field) {
    std::uint32_t value = 0;
    bool digits = false;
    for (const std::byte byte : field) {
        const auto at = std::to_integer<unsigned>(byte);
        if (at >= '0' && at <= '7') {
            value = value * 8 + (at - '0');
            digits = true;
        } else if (digits) {
            break;
        } else if (at != ' ') {
            return std::nullopt;
        }
    }
    return digits ? std::optional(value) : std::nullopt;
}

/// The sum of the header's bytes, its own field counted as blanks; old programs took them as signed.
bool has_checksum(Bytes header) {
    std::uint32_t sum = 0;
    std::int64_t signed_sum = 0;
    for (std::size_t i = 0; i < header.size(); ++i) {
        const bool own = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
        const auto byte = own ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(header[i]);
        sum += byte;
        signed_sum += static_cast<std::int8_t>(byte);
    }
    const auto stated = octal(header.subspan(kChecksumAt, kChecksumSize));
    return stated && (*stated == sum || static_cast<std::int64_t>(*stated) == signed_sum);
}

/// Some archives begin with their root under an empty name, which is "." to Go's reader; ours refuses it.
class NamedRoot final : public Source {
public:
    explicit NamedRoot(std::unique_ptr<Source> tar) : tar_(std::move(tar)), size_(read_full(*tar_, header_)) {
        if (size_ == header_.size() && header_.front() == std::byte{0} && header_[kPrefixAt] == std::byte{0} &&
            has_checksum(header_)) {
            name_root();
        }
    }
    std::size_t read(MutableBytes into) override {
        if (given_ == size_) {
            return tar_->read(into);
        }
        const auto count = std::min(size_ - given_, into.size());
        std::copy_n(header_.begin() + static_cast<std::ptrdiff_t>(given_), count, into.begin());
        given_ += count;
        return count;
    }

private:
    void name_root() {
        header_.front() = std::byte{'.'};
        std::uint32_t sum = 0;
        std::fill_n(header_.begin() + kChecksumAt, kChecksumSize, std::byte{' '});
        for (const std::byte byte : header_) {
            sum += std::to_integer<std::uint32_t>(byte);
        }
        for (std::size_t digit = kChecksumSize - 2; digit-- > 0; sum /= 8) {
            header_[kChecksumAt + digit] = static_cast<std::byte>('0' + sum % 8);
        }
        header_[kChecksumAt + kChecksumSize - 2] = std::byte{0};
    }

    std::unique_ptr<Source> tar_;
    std::array<std::byte, kTarBlock> header_{};
    std::size_t size_;
    std::size_t given_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_archive(const Ranged& file, const DecompressionLimits& limits) {
    std::array<std::byte, kMagicSize> magic{};
    const auto beginning = file.open(0, std::min<std::uint64_t>(file.size(), magic.size()));
    const auto compression = detect_compression(Bytes(magic).first(read_full(*beginning, magic)));
    return std::make_unique<NamedRoot>(compression == Compression::Xz || compression == Compression::Bzip2
                                           ? decompressed_by_library(file.open(), compression, limits)
                                           : decompressed(file.open(), compression, limits));
}

bool is_archive(const Ranged& file) {
    std::array<std::byte, kTarBlock> header{};
    try {
        const auto tar = open_archive(file);
        if (read_full(*tar, header) < header.size()) {
            return false;
        }
    } catch (const SystemError&) {
        throw;
    } catch (const Error&) {
        return false;  // no such compression after all: a file like any other
    }
    return has_checksum(header);
}

}  // namespace cooper::build
