// MD5 and SHA-1, which S3 (Content-MD5, ETags) and the SSO cache (file names) still use; never for trust.
#pragma once

#include "cooper/base/stream.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cooper::s3 {

enum class LegacyHash { Md5, Sha1 };

class LegacyHasher {
public:
    /// Throws Error{Unsupported} where the algorithm is switched off (FIPS mode).
    explicit LegacyHasher(LegacyHash algorithm);
    ~LegacyHasher();
    void update(Bytes chunk);
    /// The raw digest; once.
    [[nodiscard]] std::string finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string legacy_hash(LegacyHash algorithm, Bytes bytes);

/// The ETag that S3 gives a multipart object without KMS, from the ETags of its parts (with or without quotes); empty
/// when one of them is not an MD5. A form, not a promise.
std::string multipart_etag(const std::vector<std::string>& part_etags);
/// Without quotes.
std::string_view bare_etag(std::string_view etag);

}  // namespace cooper::s3
