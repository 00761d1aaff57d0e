#include "cooper/base/digest.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cassert>

namespace cooper {

namespace {

struct AlgorithmFacts {
    DigestAlgorithm algorithm;
    std::string_view name;
    const char* openssl_name;
    std::size_t raw_size;
};

constexpr std::array<AlgorithmFacts, 2> kAlgorithms = {{
    {DigestAlgorithm::Sha256, "sha256", "SHA256", 32},
    {DigestAlgorithm::Sha512, "sha512", "SHA512", 64},
}};

const AlgorithmFacts& facts_of(DigestAlgorithm algorithm) {
    return kAlgorithms[static_cast<std::size_t>(algorithm)];
}

/// Fetched once in the life of the process: a fetch takes locks and about a microsecond, more than hashing a small
/// document. Never freed, since OpenSSL may clean up before our last static object goes.
const EVP_MD* method_of(DigestAlgorithm algorithm) {
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

[[noreturn]] void throw_hash_failure() {
    throw Error(ErrorCode::System, "OpenSSL failed to compute a digest");
}

class VerifiedSource final : public Source {
public:
    VerifiedSource(std::unique_ptr<Source> inner, Digest digest, std::uint64_t size, std::string what)
        : inner_(std::move(inner)),
          digest_(std::move(digest)),
          size_(size),
          what_(std::move(what)),
          hasher_(digest_.algorithm()) {}

    std::size_t read(MutableBytes into) override {
        if (into.empty() || ended_) {
            return 0;
        }
        const std::size_t count = inner_->read(into);
        if (count > size_ - done_) {
            throw IntegrityError("size of " + what_, std::to_string(size_) + " bytes", "more");
        }
        ended_ = count == 0;
        if (!ended_) {  // the end may come after the digest was taken, when the hasher is spent
            hasher_.update(Bytes(into.first(count)));
        }
        done_ += count;
        if (ended_ && done_ != size_) {
            throw IntegrityError("size of " + what_, std::to_string(size_) + " bytes", std::to_string(done_));
        }
        if (done_ == size_ && !checked_) {
            check_digest();  // before the last bytes are handed out: nobody can hold all of a wrong content
        }
        return count;
    }

private:
    void check_digest() {
        checked_ = true;
        const Digest actual = hasher_.finish();
        if (actual != digest_) {
            throw IntegrityError("digest of " + what_, digest_.text(), actual.text());
        }
    }

    std::unique_ptr<Source> inner_;
    Digest digest_;
    std::uint64_t size_;
    std::string what_;
    Hasher hasher_;
    std::uint64_t done_ = 0;
    bool ended_ = false;
    bool checked_ = false;
};

}  // namespace

std::optional<Digest> Digest::try_parse(std::string_view text) noexcept {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    for (const AlgorithmFacts& facts : kAlgorithms) {
        const std::size_t prefix = facts.name.size() + 1;
        if (text.size() == prefix + 2 * facts.raw_size && text.starts_with(facts.name) && text[prefix - 1] == ':') {
            if (std::all_of(text.begin() + static_cast<std::ptrdiff_t>(prefix), text.end(), is_hex)) {
                return Digest(facts.algorithm, std::string(text));
            }
        }
    }
    return std::nullopt;
}

Digest Digest::parse(std::string_view text) {
    if (auto digest = try_parse(text)) {
        return *std::move(digest);
    }
    constexpr std::size_t kShown = 100;
    throw Error(ErrorCode::InvalidInput, "'" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "…" : "") +
                                             "' is not a digest: expected sha256: and 64, or sha512: and 128, "
                                             "lower-case hex digits");
}

Digest Digest::from_raw(DigestAlgorithm algorithm, Bytes raw) {
    const AlgorithmFacts& facts = facts_of(algorithm);
    assert(raw.size() == facts.raw_size);
    return Digest(algorithm, std::string(facts.name) + ":" + to_hex(raw));
}

std::string_view Digest::algorithm_name() const noexcept {
    return facts_of(algorithm_).name;
}

std::string_view Digest::hex() const noexcept {
    return std::string_view(text_).substr(algorithm_name().size() + 1);
}

std::string Digest::shortened() const {
    return text_.substr(0, algorithm_name().size() + 1 + 12);
}

struct Hasher::State {
    explicit State(DigestAlgorithm a) : algorithm(a), context(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {}
    DigestAlgorithm algorithm;
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context;
};

Hasher::Hasher(DigestAlgorithm algorithm) : state_(std::make_unique<State>(algorithm)) {
    if (EVP_DigestInit_ex2(state_->context.get(), method_of(algorithm), nullptr) != 1) {
        throw_hash_failure();
    }
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(Bytes chunk) {
    assert(state_ != nullptr);
    if (EVP_DigestUpdate(state_->context.get(), chunk.data(), chunk.size()) != 1) {
        throw_hash_failure();
    }
}

Digest Hasher::finish() {
    assert(state_ != nullptr);
    std::array<std::byte, EVP_MAX_MD_SIZE> raw{};
    unsigned size = 0;
    if (EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(raw.data()), &size) != 1) {
        throw_hash_failure();
    }
    const DigestAlgorithm algorithm = state_->algorithm;
    state_.reset();
    return Digest::from_raw(algorithm, Bytes(raw).first(size));
}

Digest sha256(Bytes bytes) {
    Hasher hasher;
    hasher.update(bytes);
    return hasher.finish();
}

std::unique_ptr<Source> verified(std::unique_ptr<Source> inner, const Digest& digest, std::uint64_t size,
                                 std::string what) {
    return std::make_unique<VerifiedSource>(std::move(inner), digest, size, std::move(what));
}

}  // namespace cooper
