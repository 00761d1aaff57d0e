#include "s3/legacy_hash.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <openssl/evp.h>

namespace cooper::s3 {

namespace {

[[noreturn]] void fail() {
    throw Error(ErrorCode::Unsupported, "OpenSSL refuses MD5 or SHA-1 (FIPS mode?)");
}

}  // namespace

struct LegacyHasher::State {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

LegacyHasher::LegacyHasher(LegacyHash algorithm) : state_(std::make_unique<State>()) {
    const EVP_MD* digest = algorithm == LegacyHash::Md5 ? EVP_md5() : EVP_sha1();
    if (!state_->context || EVP_DigestInit_ex(state_->context.get(), digest, nullptr) != 1) {
        fail();
    }
}

LegacyHasher::~LegacyHasher() = default;

void LegacyHasher::update(Bytes chunk) {
    if (EVP_DigestUpdate(state_->context.get(), chunk.data(), chunk.size()) != 1) {
        fail();
    }
}

std::string LegacyHasher::finish() {
    std::string raw(EVP_MAX_MD_SIZE, '\0');
    unsigned int length = 0;
    if (EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(raw.data()), &length) != 1) {
        fail();
    }
    raw.resize(length);
    return raw;
}

std::string legacy_hash(LegacyHash algorithm, Bytes bytes) {
    LegacyHasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.finish();
}

std::string multipart_etag(const std::vector<std::string>& part_etags) {
    constexpr std::size_t kMd5Hex = 32;
    std::string raw;
    for (const std::string& etag : part_etags) {
        const std::string_view bare = bare_etag(etag);
        const auto md5 = from_hex(bare);
        if (bare.size() != kMd5Hex || !md5) {
            return {};
        }
        raw += *md5;
    }
    return "\"" + to_hex(as_bytes(legacy_hash(LegacyHash::Md5, as_bytes(raw)))) + "-" +
           std::to_string(part_etags.size()) + "\"";
}

std::string_view bare_etag(std::string_view etag) {
    const bool quoted = etag.size() >= 2 && etag.front() == '"' && etag.back() == '"';
    return quoted ? etag.substr(1, etag.size() - 2) : etag;
}

}  // namespace cooper::s3
