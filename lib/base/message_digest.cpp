#include "base/message_digest.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cassert>

namespace cooper {

namespace {

struct AlgorithmFacts {
    HashAlgorithm algorithm;
    std::string_view name;
    const char* openssl_name;
};

constexpr std::array<AlgorithmFacts, 6> kAlgorithms = {{
    {HashAlgorithm::Md5, "md5", "MD5"},
    {HashAlgorithm::Sha1, "sha1", "SHA1"},
    {HashAlgorithm::Sha224, "sha224", "SHA224"},
    {HashAlgorithm::Sha256, "sha256", "SHA256"},
    {HashAlgorithm::Sha384, "sha384", "SHA384"},
    {HashAlgorithm::Sha512, "sha512", "SHA512"},
}};

const AlgorithmFacts& facts_of(HashAlgorithm algorithm) {
    return kAlgorithms[static_cast<std::size_t>(algorithm)];
}

/// Fetched once in the life of the process: a fetch takes locks and about a microsecond, more than hashing a small
/// document. Never freed, since OpenSSL may clean up before our last static object goes.
const EVP_MD* method_of(HashAlgorithm algorithm) {
    static const std::array<const EVP_MD*, kAlgorithms.size()> methods = [] {
        std::array<const EVP_MD*, kAlgorithms.size()> fetched{};
        for (const AlgorithmFacts& facts : kAlgorithms) {
            fetched[static_cast<std::size_t>(facts.algorithm)] = EVP_MD_fetch(nullptr, facts.openssl_name, nullptr);
        }
        return fetched;
    }();
    const EVP_MD* method = methods[static_cast<std::size_t>(algorithm)];
    if (method == nullptr) {
        throw Error(ErrorCode::System, "OpenSSL offers no " + std::string(facts_of(algorithm).openssl_name));
    }
    return method;
}

void check(int result) {
    if (result != 1) {
        throw Error(ErrorCode::System, "OpenSSL failed to compute a digest");
    }
}

}  // namespace

std::optional<HashAlgorithm> find_hash_algorithm(std::string_view name) noexcept {
    const auto found =
        std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const auto& facts) { return facts.name == name; });
    return found == kAlgorithms.end() ? std::nullopt : std::optional(found->algorithm);
}

std::string_view to_string(HashAlgorithm algorithm) noexcept {
    return facts_of(algorithm).name;
}

struct MessageDigest::State {
    explicit State(HashAlgorithm algorithm)
        : method(method_of(algorithm)), context(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {}

    const EVP_MD* method;
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context;
};

MessageDigest::MessageDigest(HashAlgorithm algorithm) : state_(std::make_unique<State>(algorithm)) {
    check(EVP_DigestInit_ex2(state_->context.get(), state_->method, nullptr));
}

MessageDigest::MessageDigest(MessageDigest&&) noexcept = default;
MessageDigest& MessageDigest::operator=(MessageDigest&&) noexcept = default;
MessageDigest::~MessageDigest() = default;

void MessageDigest::update(Bytes chunk) {
    assert(state_ != nullptr);
    check(EVP_DigestUpdate(state_->context.get(), chunk.data(), chunk.size()));
}

std::string MessageDigest::finish() {
    assert(state_ != nullptr);
    std::array<std::byte, EVP_MAX_MD_SIZE> raw{};
    unsigned size = 0;
    check(EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(raw.data()), &size));
    check(EVP_DigestInit_ex2(state_->context.get(), state_->method, nullptr));
    return to_hex(Bytes(raw).first(size));
}

std::string hex_digest(HashAlgorithm algorithm, std::string_view text) {
    MessageDigest digest(algorithm);
    digest.update(text);
    return digest.finish();
}

}  // namespace cooper
