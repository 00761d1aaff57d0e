#include "build/snapshot/packed.hpp"

#include "cooper/base/error.hpp"

namespace cooper::build {

namespace {

[[noreturn]] void refuse() {
    throw Error(ErrorCode::Integrity, "a side file of an unpacked layer is damaged");
}

}  // namespace

std::uint64_t Unpacker::number() {
    std::array<std::byte, 8> bytes;
    if (read_full(from_, bytes) != bytes.size()) {
        refuse();
    }
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
        value = value << 8U | static_cast<std::uint64_t>(bytes[i]);
    }
    return value;
}

std::string Unpacker::text() {
    const std::uint64_t size = number();
    if (size > max_text_) {
        refuse();
    }
    std::string value(size, '\0');
    if (read_full(from_, std::as_writable_bytes(std::span(value.data(), value.size()))) != value.size()) {
        refuse();
    }
    return value;
}

}  // namespace cooper::build
