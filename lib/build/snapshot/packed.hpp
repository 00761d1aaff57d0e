// Values in a row of bytes: what layers' side files are written in (private).
#pragma once

#include "cooper/base/stream.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cooper::build {

/// Numbers of 64 bits in little endian, texts with their length in front.
class Packer {
public:
    Packer& number(std::uint64_t value) {
        for (int shift = 0; shift < 64; shift += 8) {
            bytes_ += static_cast<char>(value >> shift & 0xFFU);
        }
        return *this;
    }
    Packer& text(std::string_view value) {
        number(value.size());
        bytes_ += value;
        return *this;
    }
    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    void clear() { bytes_.clear(); }

private:
    std::string bytes_;
};

/// Reads what a Packer wrote. Throws Error{Integrity} for bytes that end early and texts over `max_text`.
class Unpacker {
public:
    Unpacker(Source& from, std::uint64_t max_text) : from_(from), max_text_(max_text) {}
    std::uint64_t number();
    std::string text();

private:
    Source& from_;
    std::uint64_t max_text_;
};

}  // namespace cooper::build
