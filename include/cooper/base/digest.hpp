// Digests: the names of content. OCI image specification 1.1, descriptor.md, section "Digests".
#pragma once

#include "cooper/base/stream.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cooper {

enum class DigestAlgorithm : std::uint8_t { Sha256, Sha512 };

/// "sha256:" + 64 or "sha512:" + 128 lower-case hex digits. A value; there is no invalid Digest, so a Digest may be
/// used in a path or URL without another check.
class Digest {
public:
    /// Throws Error{InvalidInput} naming the text (cut at 100 characters).
    static Digest parse(std::string_view text);
    static std::optional<Digest> try_parse(std::string_view text) noexcept;
    /// From raw bytes: 32 for Sha256, 64 for Sha512 (a bug otherwise: asserts).
    static Digest from_raw(DigestAlgorithm algorithm, Bytes raw);

    [[nodiscard]] DigestAlgorithm algorithm() const noexcept { return algorithm_; }
    [[nodiscard]] std::string_view algorithm_name() const noexcept;
    /// The hex digits alone.
    [[nodiscard]] std::string_view hex() const noexcept;
    /// "sha256:…".
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// "sha256:0123456789ab", for messages.
    [[nodiscard]] std::string shortened() const;

    auto operator<=>(const Digest&) const = default;

private:
    Digest(DigestAlgorithm algorithm, std::string text) : algorithm_(algorithm), text_(std::move(text)) {}
    DigestAlgorithm algorithm_;
    std::string text_;
};

/// A running hash. Movable. finish() may be called once; update() after it is a bug.
class Hasher {
public:
    explicit Hasher(DigestAlgorithm algorithm = DigestAlgorithm::Sha256);
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    ~Hasher();
    void update(Bytes chunk);
    void update(std::string_view text) { update(as_bytes(text)); }
    [[nodiscard]] Digest finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The SHA-256 of `bytes`.
Digest sha256(Bytes bytes);
inline Digest sha256(std::string_view text) {
    return sha256(as_bytes(text));
}

/// Passes `inner` through and checks it: exactly `size` bytes with this digest, else IntegrityError at the byte where
/// it is certain (size + 1, or the end). `what` names it in the error ("layer 3 of 9").
std::unique_ptr<Source> verified(std::unique_ptr<Source> inner, const Digest& digest, std::uint64_t size,
                                 std::string what);

}  // namespace cooper
