// Message digests by name, for formats that fix another one than SHA-256 (private: what cooper itself names is a
// Digest).
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cooper {

enum class HashAlgorithm : std::uint8_t { Md5, Sha1, Sha224, Sha256, Sha384, Sha512 };

/// "md5", "sha1", "sha224", "sha256", "sha384", "sha512"; nullopt for anything else.
std::optional<HashAlgorithm> find_hash_algorithm(std::string_view name) noexcept;
std::string_view to_string(HashAlgorithm algorithm) noexcept;

/// A running hash that can be used again after finish(). Movable; one thread at a time.
class MessageDigest {
public:
    explicit MessageDigest(HashAlgorithm algorithm);
    MessageDigest(MessageDigest&&) noexcept;
    MessageDigest& operator=(MessageDigest&&) noexcept;
    ~MessageDigest();
    void update(Bytes chunk);
    void update(std::string_view text) { update(as_bytes(text)); }
    /// Lower-case hex; the next update() begins a new message.
    [[nodiscard]] std::string finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The hex digest of `text`.
std::string hex_digest(HashAlgorithm algorithm, std::string_view text);

}  // namespace cooper
