#include "cooper/base/digest.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/message_digest.hpp"

#include <algorithm>
#include <cassert>

namespace cooper {

namespace {

struct AlgorithmFacts {
    DigestAlgorithm algorithm;
    std::string_view name;
    HashAlgorithm hash;
    std::size_t raw_size;
};

constexpr std::array<AlgorithmFacts, 2> kAlgorithms = {{
    {DigestAlgorithm::Sha256, "sha256", HashAlgorithm::Sha256, 32},
    {DigestAlgorithm::Sha512, "sha512", HashAlgorithm::Sha512, 64},
}};

const AlgorithmFacts& facts_of(DigestAlgorithm algorithm) {
    return kAlgorithms[static_cast<std::size_t>(algorithm)];
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
    DigestAlgorithm algorithm;
    MessageDigest digest;
};

Hasher::Hasher(DigestAlgorithm algorithm)
    : state_(std::make_unique<State>(State{algorithm, MessageDigest(facts_of(algorithm).hash)})) {}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(Bytes chunk) {
    assert(state_ != nullptr);
    state_->digest.update(chunk);
}

Digest Hasher::finish() {
    assert(state_ != nullptr);
    const std::string hex = state_->digest.finish();
    const DigestAlgorithm algorithm = state_->algorithm;
    state_.reset();
    return Digest::parse(std::string(facts_of(algorithm).name) + ":" + hex);
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
