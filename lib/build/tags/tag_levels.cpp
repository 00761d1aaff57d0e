#include "build/tags/tag_levels.hpp"

#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "build/tags/base36.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

constexpr std::string_view kFormat = "cooper.tags/v1";

}  // namespace

LevelHasher::LevelHasher(TagLevel level, std::string_view before, std::vector<RecordedInput>& inputs)
    : level_(level), inputs_(inputs) {
    hash(kFormat);
    hash(to_string(level));
    hash(before);
}

void LevelHasher::hash(std::string_view text) {
    hash(std::uint64_t{text.size()});
    hasher_.update(text);
}

void LevelHasher::hash(std::uint64_t number) {
    std::array<std::byte, 8> bytes{};
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
        *byte = static_cast<std::byte>(number & 0xFFU);
        number >>= 8U;
    }
    hasher_.update(Bytes(bytes));
}

void LevelHasher::hash_input(std::string_view kind, std::string_view name, std::string_view value, std::uint32_t mode,
                             std::uint64_t size) {
    hash(kind);
    hash(name);
    hash(value);
    hash(std::uint64_t{mode});
    hash(size);
}

void LevelHasher::add(std::string_view kind, std::string name, std::string value, std::uint32_t mode,
                      std::uint64_t size) {
    hash_input(kind, name, value, mode, size);
    inputs_.push_back({level_, std::string(kind), std::move(name), std::move(value), mode, size});
}

void LevelHasher::add_text(std::string_view kind, std::string_view secret_kind, std::string name, std::string text) {
    std::string digest = sha256(text).text();
    hash_input(kind, name, digest, 0, 0);
    const bool secret = looks_secret(name, text);
    inputs_.push_back({level_, std::string(secret ? secret_kind : kind), std::move(name),
                       secret ? std::move(digest) : std::move(text), 0, 0});
}

std::string tag_digits(const Digest& hash) {
    constexpr std::size_t kDigits = 20;
    constexpr std::size_t kWholeHexDigits = 25;  // 100 bits, and 3 of the next digit: 2^103 < 36^20 < 2^104
    const std::string bytes = *from_hex(hash.hex());
    Base36<kDigits> number;
    for (std::size_t i = 0; i <= kWholeHexDigits; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i / 2]);
        const unsigned nibble = i % 2 == 0 ? byte >> 4U : byte & 0xFU;
        if (i < kWholeHexDigits) {
            number.push(16, nibble);
        } else {
            number.push(8, nibble >> 1U);
        }
    }
    return number.fixed_width();
}

bool looks_secret(std::string_view name, std::string_view text) {
    // Too many names are better than too few: what is taken for a secret counts in the tag all the same.
    constexpr std::array<std::string_view, 7> kWords = {"token",      "pass", "secret", "key",
                                                        "credential", "auth", "private"};
    const std::string lower = to_lower(name);
    const auto is_in_name = [&](std::string_view word) { return lower.find(word) != std::string::npos; };
    return std::any_of(kWords.begin(), kWords.end(), is_in_name) || redact(text) != text;
}

}  // namespace cooper::build
