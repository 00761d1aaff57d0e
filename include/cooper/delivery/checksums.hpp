// SHA256SUMS, as sha256sum(1) writes and checks it: a line "HEX  NAME" for each file, sorted by name.
#pragma once

#include "cooper/base/digest.hpp"

#include <map>
#include <string>
#include <string_view>

namespace cooper::delivery {

inline constexpr std::string_view kChecksumsFile = "SHA256SUMS";
inline constexpr std::string_view kSignatureFile = "SHA256SUMS.sig";
inline constexpr std::string_view kPublicKeyFile = "cooper.pub";
/// 10,000 parts of every tarball of a delivery fit.
inline constexpr std::size_t kMaxChecksums = 16 * 1024 * 1024;
inline constexpr std::size_t kMaxChecksumNames = 100'000;

/// Files by name with their SHA-256. A value.
class Checksums {
public:
    /// Strict: 64 hex digits, two spaces (or " *", what `sha256sum -b` writes), the name of a file in the same
    /// directory (no "/", no control characters), a line feed. Throws Error{InvalidInput} that names `what` and the
    /// line: for anything else, for CRLF, for escaped names ("\"), for a name with two digests, beyond kMaxChecksums.
    static Checksums parse(std::string_view text, const std::string& what);

    /// Throws Error{InvalidInput} for a name that not every system can have in a line of its own (a colon, "/", …),
    /// Error{Conflict} when it has another digest already.
    void add(const std::string& name, const Digest& sha256);
    /// All of `other`'s; throws as add().
    void merge(const Checksums& other);

    /// nullptr: not listed.
    [[nodiscard]] const Digest* find(std::string_view name) const;
    [[nodiscard]] const std::map<std::string, Digest, std::less<>>& entries() const& noexcept { return entries_; }
    void entries() && = delete;  // a loop over a list that is gone already
    /// The file. The same entries give the same bytes.
    [[nodiscard]] std::string text() const;

    bool operator==(const Checksums&) const = default;

private:
    std::map<std::string, Digest, std::less<>> entries_;
};

}  // namespace cooper::delivery
